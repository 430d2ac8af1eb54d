/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Every map, and the constants that the agent sets before loading. */
#ifndef PINHOLE_MAPS_H
#define PINHOLE_MAPS_H

#include "get.h"
#include "record.h"

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
/*
 * So many unread bytes may be in the ring for a system call to be told; the room above is for the life of processes and
 * of cgroups.
 */
volatile const u64 ring_share_of_calls = 0;

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

/* A line per CPU and hook; the agent sets the size to the number of possible CPUs times HOOKS. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HOOKS);
	__type(key, u32);
	__type(value, struct hook_counters);
} counters SEC(".maps");

/* What the agent was last told about a process. Another credential or working directory is another process to it. */
struct known {
	u64 start;
	u64 exec_id;
	u64 cgroup_id;
	u64 epoch;
	u64 credentials;
	u64 cwd;
};

struct cpu_state {
	/* Records lost on this CPU. */
	u64 lost;
	/* The process that was found to be known last, to spare the search for it. */
	u64 pid;
	struct known known;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cpu_state);
} cpus SEC(".maps");

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

/*
 * Kernel structures, copied in one go from the beginning, or from the first field that is read: what is read of them
 * lies close together, and a helper call costs more than the bytes. The offsets within are the running kernel's.
 */
#define HEAD_SIZE 96
/* f_path and f_inode, whichever comes first. */
#define FILE_SPAN 48
#define INODE_HEAD 80
/* From d_hash.pprev to the end of a short name. */
#define DENTRY_SPAN 72
/* From mnt_parent to mnt.mnt_root. */
#define MOUNT_SPAN 24
#define SOCKET_HEAD 96

/* Where a path begins and where it ends, as addresses only. */
struct walk {
	u64 mnt;
	u64 dentry;
	u64 root_mnt;
	u64 root_dentry;
	/* Where the trees begin that are mounted there and in the mount that the walk has come to. */
	u64 root_top;
	u64 top;
	/* Where in the scratch its names begin. */
	u64 start;
	/* Whether the first mount has been looked at. */
	u64 begun;
};

/*
 * A walk and what it has copied. The notes, enum path_flag, live here and not in registers: the verifier forgets the value
 * of memory, so the turns of a loop look alike to it and it need not follow each.
 */
struct trail {
	struct walk walk;
	u64 notes;
	u64 head[HEAD_SIZE / 8];
	u64 mount[MOUNT_SPAN / 8];
};

/* One run of a system call. */
struct call {
	u64 args[6];
	s64 ret;
	u16 hook;
	u16 number;
	/* enum abi. */
	u32 abi;
};

/* Messages of a socket to one destination, of which only the first is told. */
struct flow {
	u64 socket;
	u64 inode;
	u8 address[32];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct flow);
	__type(value, u8);
} flows SEC(".maps");

/* What a record is put together for. */
enum purpose {
	FOR_EVENT,
	/* The snapshot of a process that precedes its event. */
	FOR_SNAPSHOT,
};

/*
 * Room to put records together, per CPU. A trampoline program may be preempted by another on the same CPU, so there are
 * several places and each is claimed: by counting up and being alone. A claim may fail although a place was free, when
 * one program interrupts the other between the two steps; it never succeeds twice.
 */
#define PLACES 4

struct scratch {
	union {
		struct record_header header;
		struct process_record process;
		struct fork_record fork;
		struct exit_record exit;
		struct cgroup_record cgroup;
		struct call_record call;
		/* What follows a call_record; here for the object's BTF to name them. */
		struct part part;
		struct file_part file;
		struct socket_part socket;
		u8 data[SCRATCH_SIZE];
	};
	/* Bytes used so far: here and not in a register, as the notes of a trail. */
	u64 size;
	/* How many programs want this place, and its number. */
	u64 users;
	u64 place;
	/* What would not fit the stack, of which a program and all that it calls share 512 bytes. */
	struct trail trail;
	struct known now;
	struct flow flow;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * PLACES);
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

#endif
