/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Reading the kernel's structures, in two ways.
 *
 * Directly, where the verifier knows the type of the pointer: a load costs as much as in the kernel itself, faults are
 * caught by the kernel, and no helper is used that lockdown for confidentiality forbids. Or by bpf_probe_read_kernel,
 * where a pointer is only a number. The current task is typed from Linux 5.11 on; before that everything is probed.
 * The verifier sees which of the two it is and drops the other.
 *
 * Compiled with PINHOLE_REDUCED the object does without probing, for kernels that are locked down for confidentiality:
 * whatever only probing finds (names behind pointers, mounts, descriptors, sockets) is then reported as unreadable.
 */
#ifndef PINHOLE_GET_H
#define PINHOLE_GET_H

#include "kernel.h"

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#ifdef PINHOLE_REDUCED
#define may_probe() false
/*
 * Those of tracepoints are on every kernel. The current task is not before Linux 5.11; a program that needs it is refused
 * there.
 */
#define tasks_are_typed() true
#define get(pointer, ...) ___arrow(pointer, __VA_ARGS__)
#else
#define may_probe() true
#define tasks_are_typed() bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)
/* Follows fields from a task: get(task, signal, tty) is task->signal->tty. */
#define get(pointer, ...) \
	(tasks_are_typed() ? ___arrow(pointer, __VA_ARGS__) : BPF_CORE_READ(pointer, __VA_ARGS__))
#endif

/* Follows fields from a pointer that is only a number. */
#define probe(pointer, ...) BPF_CORE_READ(pointer, __VA_ARGS__)

/*
 * The same of what is read rarely and in many places. For each pointer that a program loads from a trusted one, such as
 * the current task, newer kernels (6.18 does) search all their types by name, up to four times, for how far it may be
 * trusted (btf_nested_type_is_trusted() in kernel/bpf/btf.c): a millisecond of the start. For the same reason a pointer
 * of the task is loaded in one place and handed on.
 */
#ifdef PINHOLE_REDUCED
#define rarely(pointer, ...) get(pointer, __VA_ARGS__)
#else
#define rarely(pointer, ...) probe(pointer, __VA_ARGS__)
#endif

/* A sum of words, one after the other, that tells their sequences apart. */
static __always_inline u64 mixed(u64 sum, u64 word)
{
	return (sum ^ (sum >> 32) ^ word) * 0x9e3779b97f4a7c15;
}

static __always_inline struct task_struct *current_task(void)
{
#ifndef PINHOLE_REDUCED
	if (!tasks_are_typed())
		return (struct task_struct *)bpf_get_current_task();
#endif
	return bpf_get_current_task_btf();
}

/*
 * A field in the copy of the first size bytes of a structure, as a number of that kind; 0 on a kernel that keeps the field
 * farther back. Which of the two it is the verifier sees when it loads the program.
 */
#define copied_as(kind, copy, size, type, member)                                      \
	({                                                                             \
		u64 offset_in_copy = bpf_core_field_offset(type, member);              \
		offset_in_copy <= (size) - sizeof(kind) ?                              \
			*(kind *)((void *)(copy) + offset_in_copy) : (kind)0;          \
	})
#define copied(copy, size, type, member) copied_as(u64, copy, size, type, member)

/* The same in a copy that begins with another field. */
#define copied_from(copy, size, type, first, member)                                                     \
	({                                                                                               \
		u64 offset_in_copy = bpf_core_field_offset(type, member) - bpf_core_field_offset(type, first); \
		offset_in_copy <= (size) - sizeof(u64) ? *(u64 *)((void *)(copy) + offset_in_copy) : 0;  \
	})

#endif
