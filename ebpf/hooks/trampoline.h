/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Backend "trampoline": a program on the exit of each watched system call. The others do not notice.
 *
 * The programs are numbered, not named: which functions they are attached to is decided by the agent. All they do is to
 * go on to one common program, so that the verifier has to check the work once and not for each call.
 */

/*
 * The registers are not taken as the pointer that ctx[0] is: in the BTF of some kernels (5.10 for connect) its type is a
 * forward declaration, and the verifier refuses to hand out such a pointer. Read as data the same eight bytes are only a
 * number, so what is behind them is read as data too.
 */
static __always_inline int on_exit(u64 *ctx)
{
	const struct pt_regs *regs = NULL;
	struct task_struct *task = current_task();
	struct call call = {};
	u64 number;

	bpf_probe_read_kernel(&regs, sizeof(regs), ctx);
	number = probe_number(regs);
	if (number >= SYSCALLS)
		return 0;
	call.ret = (s64)ctx[1];
	call.number = number;
	if (!in_compat_syscall(task)) {
		call.hook = native_calls[number];
		probe_arguments(call.args, regs);
	} else {
		call.abi = ABI_I386;
		call.hook = i386_calls[number];
		probe_compat_arguments(call.args, regs);
		if (number == I386_SOCKETCALL && !resolve_socketcall(&call))
			return 0;
	}
	return call.hook ? handle_call(task, &call, SHARED) : 0;
}

/*
 * Newer kernels allow tail calls only between programs on functions of one type, and system calls come in two: those
 * that take arguments and those that ignore theirs name their only parameter differently. So all of this is there twice.
 *
 * From 6.13 on the kernel gives a program of this kind one stack per CPU instead of the task's, as no second task can be
 * in it before the first has left. That holds for the programs that are attached and not for one that several of them go
 * on to: a task that is preempted there would find its variables overwritten. A program with a tail call of its own
 * keeps the task's stack (bpf_enable_priv_stack() in kernel/bpf/verifier.c), so the common one ends in a call that leads
 * nowhere: its slot does not exist.
 */
#define COMMON(group)                                                   \
	struct {                                                        \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY);                  \
		__uint(max_entries, 1);                                 \
		__type(key, u32);                                       \
		__type(value, u32);                                     \
	} common_##group SEC(".maps");                                  \
	SEC("fexit")                                                    \
	int trampoline_##group(u64 *ctx)                                \
	{                                                               \
		on_exit(ctx);                                           \
		/* On to nothing, see above. */                         \
		bpf_tail_call(ctx, &common_##group, 1);                 \
		return 0;                                               \
	}

COMMON(a)
COMMON(b)

#define TRAMPOLINE(group, slot)                         \
	SEC("fexit")                                    \
	int trampoline_##group##_##slot(u64 *ctx)       \
	{                                               \
		bpf_tail_call(ctx, &common_##group, 0); \
		return 0;                               \
	}

#define EIGHT(group, tens)                                                                            \
	TRAMPOLINE(group, tens##0) TRAMPOLINE(group, tens##1) TRAMPOLINE(group, tens##2)             \
	TRAMPOLINE(group, tens##3) TRAMPOLINE(group, tens##4) TRAMPOLINE(group, tens##5)             \
	TRAMPOLINE(group, tens##6) TRAMPOLINE(group, tens##7)

#define SIXTY_FOUR(group, tens0, tens1, tens2, tens3, tens4, tens5, tens6, tens7)                  \
	EIGHT(group, tens0) EIGHT(group, tens1) EIGHT(group, tens2) EIGHT(group, tens3)             \
	EIGHT(group, tens4) EIGHT(group, tens5) EIGHT(group, tens6) EIGHT(group, tens7)

/* On some kernels (7.2) all functions are of one type: each call's own, and one or two for 32-bit programs. */
SIXTY_FOUR(a, 0, 1, 2, 3, 4, 5, 6, 7)
SIXTY_FOUR(a, 8, 9, 10, 11, 12, 13, 14, 15)
SIXTY_FOUR(a, 16, 17, 18, 19, 20, 21, 22, 23)
/* What is of another type are about half of them. */
SIXTY_FOUR(b, 0, 1, 2, 3, 4, 5, 6, 7)
SIXTY_FOUR(b, 8, 9, 10, 11, 12, 13, 14, 15)
