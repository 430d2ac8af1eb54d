/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Every map, and the constants that the agent sets before loading. */
#ifndef PINHOLE_MAPS_H
#define PINHOLE_MAPS_H

#include "record.h"

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/* Where containers have their cgroup: 0 the unified hierarchy, else a v1 controller. */
enum hierarchy {
	HIERARCHY_UNIFIED,
	HIERARCHY_PIDS,
	HIERARCHY_MEMORY,
	HIERARCHY_CPU,
};

volatile const u32 cgroup_hierarchy = HIERARCHY_UNIFIED;
/* The agent in its own PID namespace, by which the fork hook recognises it. */
volatile const u64 agent_pidns_dev = 0;
volatile const u64 agent_pidns_ino = 0;
volatile const u32 agent_pidns_pid = 0;
/* The system calls that the dispatcher looks at, a bit each, by number. */
volatile const u64 watched_syscalls[SYSCALLS / 64] = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 * 1024 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct control);
} control SEC(".maps");

/* A line per CPU and hook; the agent sets the size to the number of possible CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HOOK_COUNT);
	__type(key, u32);
	__type(value, struct hook_counters);
} counters SEC(".maps");

struct cpu_state {
	/* Records lost on this CPU. */
	u64 lost;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cpu_state);
} cpus SEC(".maps");

/*
 * Where a record is put together. One for each program and what it builds, because a trampoline program may be
 * preempted by another on the same CPU (never by itself: the kernel skips a program that is already running there):
 * a slot per hook for its own records, and another per hook for the snapshots that it sends first.
 */
#define SNAPSHOT_SLOT(hook) (HOOK_COUNT + (hook))

struct scratch {
	union {
		struct record_header header;
		struct process_record process;
		struct fork_record fork;
		struct exit_record exit;
		struct open_record open;
		struct connect_record connect;
		u8 data[SCRATCH_SIZE];
	};
	/*
	 * Bytes used so far, and enum path_flag of the path being walked. They live here and not in registers: the
	 * verifier forgets the value of memory, so the turns of a loop look alike to it and it need not follow each.
	 */
	u64 size;
	u64 path_flags;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * HOOK_COUNT);
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* What the agent was last told about a process. */
struct known {
	u64 start;
	u64 exec_id;
	u64 cgroup_id;
	u64 epoch;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, u32);
	__type(value, struct known);
} processes SEC(".maps");

/* Processes whose exit was told, so that each is told once. */
struct exited {
	u64 start;
	u32 pid;
	u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct exited);
	__type(value, u8);
} exits SEC(".maps");

#endif
