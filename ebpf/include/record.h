/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The wire format between the programs and the agent, declared a second time in src/capture/wire.rs. A test compares
 * the two through this object's BTF: names, offsets and sizes.
 *
 * A record is a fixed part followed by a tail of byte strings, in the order in which their lengths are declared.
 * Paths and cgroup names travel as the kernel yields them, the last component first, each ended by a NUL byte; the
 * agent turns them round. Integers are in the machine's byte order, times in nanoseconds of CLOCK_BOOTTIME.
 */
#ifndef PINHOLE_RECORD_H
#define PINHOLE_RECORD_H

#include "kernel.h"

/* What is counted in the ledger. The order is part of the format. */
enum hook {
	HOOK_EXEC,
	HOOK_FORK,
	HOOK_EXIT,
	HOOK_SNAPSHOT,
	HOOK_OPENAT,
	HOOK_CONNECT,
	HOOK_COUNT,
};

/* Limits in bytes. Whatever is longer is cut and flagged. */
#define ARGS_LIMIT 16384
#define PATH_LIMIT 4096
#define CGROUP_LIMIT 4096
#define NAME_LIMIT 256
#define PATH_COMPONENTS 96
#define CGROUP_LEVELS 32
#define ANCESTORS 8
#define COMM_SIZE 16
#define TTY_SIZE 16
#define UNIX_PATH_SIZE 108
/* A per-CPU value may not exceed 32 KiB (PCPU_MIN_UNIT_SIZE). */
#define SCRATCH_SIZE 30720
/* More than any architecture has. */
#define SYSCALLS 512

/* What a path could not tell. */
enum path_flag {
	/* Longer than the limit, or more components: the front is missing. */
	PATH_TRUNCATED = 1,
	/* The file has no name any more. */
	PATH_DELETED = 2,
	/* Not below the process's root directory: shown from the root of the tree that the file is in. */
	PATH_OUTSIDE_ROOT = 4,
	/* No file in a directory tree: a pipe, a socket, an anonymous inode, a memfd. */
	PATH_PSEUDO = 8,
	/* The kernel's structures could not be read. */
	PATH_UNREADABLE = 16,
	/* Others share the descriptors: the file may have been put in the place of the one that was opened. */
	PATH_SHARED = 32,
};

enum record_flag {
	/* argv was longer than ARGS_LIMIT. */
	RECORD_ARGS_TRUNCATED = 1,
	/* argv could not be read. */
	RECORD_ARGS_UNREADABLE = 2,
	/* The requested path or address could not be read from the process. */
	RECORD_REQUEST_UNREADABLE = 4,
	/* The requested path was longer than PATH_LIMIT. */
	RECORD_REQUEST_TRUNCATED = 8,
	/* The process has no user memory: a kernel thread, or exiting. */
	RECORD_NO_MEMORY = 16,
	/* There are more ancestors than reported. */
	RECORD_ANCESTORS_TRUNCATED = 32,
	/* The socket's own family and addresses were read from the kernel. */
	RECORD_SOCKET_KNOWN = 64,
	/* The cgroup's path was longer than CGROUP_LIMIT or CGROUP_LEVELS: the part towards the root is missing. */
	RECORD_CGROUP_TRUNCATED = 128,
	/* The cgroup's path could not be read to its root. */
	RECORD_CGROUP_UNREADABLE = 256,
};

/* Names one program image of one process for as long as the machine runs. */
struct process_key {
	/* Start of the process. */
	u64 start;
	/* Grows with each exec of the task; a child begins with its parent's (task_struct.self_exec_id). */
	u64 exec_id;
	/* Process id in the root PID namespace. */
	u32 pid;
	u32 reserved;
};

struct record_header {
	/* Bytes of the whole record. */
	u32 size;
	/* enum hook. */
	u16 hook;
	u16 cpu;
	/* enum record_flag. */
	u32 flags;
	/* Thread id in the root PID namespace. */
	u32 tid;
	u64 time;
	/* Records lost on this CPU since the programs were loaded. */
	u64 lost;
	u64 cgroup_id;
	struct process_key process;
};

struct ancestor {
	struct process_key key;
	char comm[COMM_SIZE];
};

/* HOOK_EXEC, and HOOK_SNAPSHOT for a process that was never reported before. */
struct process_record {
	struct record_header header;
	u64 cap_effective;
	u64 cap_permitted;
	u64 cap_inheritable;
	u32 uid;
	u32 gid;
	u32 euid;
	u32 egid;
	u32 suid;
	u32 sgid;
	u32 fsuid;
	u32 fsgid;
	u32 loginuid;
	u32 session_id;
	char comm[COMM_SIZE];
	char tty[TTY_SIZE];
	u32 exe_flags;
	u32 cwd_flags;
	u32 ancestor_count;
	u32 reserved;
	/* The parent first. */
	struct ancestor ancestors[ANCESTORS];
	/* Tail. */
	u32 exe_size;
	u32 cwd_size;
	u32 cgroup_size;
	u32 args_size;
};

/* HOOK_FORK: the header tells who called, which with CLONE_PARENT is not the parent. */
struct fork_record {
	struct record_header header;
	struct process_key child;
	struct process_key parent;
	u64 child_cgroup_id;
	/* Tail: the child's cgroup, only where it is not the caller's. */
	u32 cgroup_size;
	u32 reserved;
};

/* HOOK_EXIT: the last thread of a process ended. */
struct exit_record {
	struct record_header header;
	/* As wait(2) reports it. */
	s32 exit_code;
	u32 reserved;
};

/* HOOK_OPENAT. */
struct open_record {
	struct record_header header;
	s64 ret;
	s32 dfd;
	u32 open_flags;
	u32 mode;
	u32 path_flags;
	/* Tail. */
	u32 requested_size;
	u32 path_size;
};

/* HOOK_CONNECT. Addresses and ports in network byte order. */
struct connect_record {
	struct record_header header;
	s64 ret;
	s32 fd;
	/* Family of the requested address, and of the socket. */
	u16 family;
	u16 socket_family;
	u16 protocol;
	u16 requested_port;
	u16 source_port;
	u16 destination_port;
	u8 requested_address[16];
	u8 source_address[16];
	u8 destination_address[16];
	/* Tail: the path of a unix socket, NUL first when abstract. */
	u32 path_size;
	u32 reserved;
};

/* One line of the ledger: seen = filtered + delivered + dropped, always. */
struct hook_counters {
	u64 seen;
	u64 filtered;
	u64 delivered;
	u64 dropped;
	/* Delivered records with a part cut off. */
	u64 truncated;
	/* Delivered records with a part that could not be read. */
	u64 unreadable;
	u64 reserved[2];
};

/* The agent writes here by mmap, without a system call. */
struct control {
	/* Reported hooks, a bit each: may change at any time within what is attached. None: the agent is stopping. */
	u32 hooks;
	/* The agent's own process id in the root PID namespace; the fork hook fills it in. */
	u32 agent_pid;
	/* The reader sleeps and wants to be woken. */
	u32 reader_waiting;
	/* What the kernel side remembers of an earlier epoch does not count: every process is introduced anew. */
	u32 epoch;
};

#endif
