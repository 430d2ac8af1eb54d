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

/*
 * What is counted in the ledger: these, and from HOOK_CALLS on one for each system call, in the order of the agent's
 * table. The order is part of the format.
 */
enum hook {
	HOOK_EXEC,
	HOOK_FORK,
	HOOK_EXIT,
	HOOK_SNAPSHOT,
	HOOK_CGROUP_MKDIR,
	HOOK_CGROUP_RMDIR,
	HOOK_CANARY,
	HOOK_CALLS,
	/* Room, a power of two. */
	HOOKS = 128,
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
/* A sockaddr_storage: the most that the kernel takes as an address. */
#define BYTES_LIMIT 128
/* sun_path. */
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
	/* The process has no user memory: a kernel thread, or exiting. */
	RECORD_NO_MEMORY = 16,
	/* There are more ancestors than reported. */
	RECORD_ANCESTORS_TRUNCATED = 32,
	/* A part of a system call could not be read. */
	RECORD_PART_UNREADABLE = 4,
	/* A part of a system call was cut at its limit. */
	RECORD_PART_TRUNCATED = 8,
	/* The executable lies in the upper layer of an overlay: it was written after the container's image. */
	RECORD_EXE_UPPER_LAYER = 64,
	/* The cgroup's path was longer than CGROUP_LIMIT or CGROUP_LEVELS: the part towards the root is missing. */
	RECORD_CGROUP_TRUNCATED = 128,
	/* The cgroup's path could not be read to its root. */
	RECORD_CGROUP_UNREADABLE = 256,
	/* The executable lies in an overlay and not in its upper layer: it is the image's. */
	RECORD_EXE_LOWER_LAYER = 512,
	/* Nobody may write the executable: its file system is mounted for reading only, or it is immutable. */
	RECORD_EXE_UNWRITABLE = 1024,
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
	/* Inode number of the user namespace, and how deep it is nested: 0 is the initial one. */
	u32 user_ns;
	u32 user_ns_level;
	char comm[COMM_SIZE];
	char tty[TTY_SIZE];
	u32 exe_flags;
	u32 cwd_flags;
	u32 ancestor_count;
	u32 reserved;
	/* The executable's inode: its number, 0 where it was not read, ... */
	u64 exe_inode;
	/* ... the seconds since 1970 of its last change and of its contents' and the nanoseconds within, ... */
	s64 exe_ctime;
	s64 exe_mtime;
	u32 exe_ctime_nsec;
	u32 exe_mtime_nsec;
	/* ... st_mode, and the owner in the initial user namespace. */
	u32 exe_mode;
	u32 exe_uid;
	u32 exe_gid;
	/* The leaders of the session and the process group, in the root PID namespace; -1 where it was not read. */
	u32 sid;
	u32 pgid;
	/* The process group in the process's own PID namespace; 0 where its leader is in none that is seen from there. */
	u32 vpgid;
	/* How deep that namespace is nested, 0 is the root; -1 where it was not read. */
	u32 pid_ns_level;
	u32 reserved2;
	/* Start of the namespace's first process; 0 where there is none any more. */
	u64 pid_ns_start;
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

/*
 * HOOK_CGROUP_MKDIR and HOOK_CGROUP_RMDIR, of the hierarchy that names containers only. The header tells of the cgroup
 * itself; of who did it there are the ids alone. RECORD_CGROUP_TRUNCATED says here that the end of the path, towards the
 * leaf, may be missing.
 */
struct cgroup_record {
	struct record_header header;
	/* Tail: the path as one string, root to leaf, with its NUL. */
	u32 path_size;
	u32 reserved;
};

/* HOOK_CANARY is a header and nothing more. */

/* How a process entered the kernel. */
enum abi {
	ABI_NATIVE,
	/* The 32-bit calls of x86. */
	ABI_I386,
	ABIS,
};

/* HOOK_CALLS and above: a system call returned. */
struct call_record {
	struct record_header header;
	s64 ret;
	/* As the process passed them. */
	u64 args[6];
	/* enum abi. */
	u16 abi;
	/* The number by which it was called. */
	u16 number;
	/* Tail: so many parts, each beginning at a multiple of eight bytes of the record. */
	u32 part_count;
};

/* What a part is. */
enum part_kind {
	/* A string of the process, with its NUL unless it was cut. */
	PART_TEXT = 1,
	/* Bytes of the process. */
	PART_BYTES,
	/* struct file_part and the names of its path; nothing where the file itself could not be read. */
	PART_FILE,
	/* struct socket_part and the paths of unix sockets. */
	PART_SOCKET,
	/* The names of the directory that a relative path starts from. */
	PART_DIRECTORY,
	/* There is no open file behind the descriptor. */
	PART_NOT_OPEN,
};

/* What a part belongs to, besides an argument by its index. */
#define PART_OF_RESULT 255

/* One thing that was read for a system call. */
struct part {
	/* enum part_kind. */
	u8 kind;
	/* Index of the argument, or PART_OF_RESULT. */
	u8 of;
	u16 reserved;
	/* enum path_flag; of text and bytes PATH_TRUNCATED and PATH_UNREADABLE. */
	u32 flags;
	/* Bytes that follow. */
	u32 size;
	u32 reserved2;
};

struct file_part {
	u64 inode;
	/* st_mode. */
	u32 mode;
	/* Magic number of the file system, where the path says that it is no ordinary one; else 0. */
	u32 magic;
};

/* Addresses and ports in network byte order, read from the kernel's socket. */
struct socket_part {
	u64 inode;
	u16 family;
	/* SOCK_*, IPPROTO_*. */
	u16 kind;
	u16 protocol;
	u16 source_port;
	u16 destination_port;
	/* TCP_*. */
	u8 state;
	u8 reserved;
	u8 source[16];
	u8 destination[16];
	/* Tail: sun_path of both ends, NUL first when abstract. */
	u16 source_size;
	u16 destination_size;
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
	/* The most unread bytes that this hook found in the ring; the agent sets it back to 0. */
	u64 peak_fill;
	u64 reserved;
};

/* The agent writes here by mmap, without a system call. */
struct control {
	/* Reported hooks, a bit each: may change at any time within what is attached. None: the agent is stopping. */
	u64 hooks[HOOKS / 64];
	/* The agent's own process id in the root PID namespace; the fork hook fills it in. */
	u32 agent_pid;
	/* The reader sleeps and wants to be woken. */
	u32 reader_waiting;
	/* What the kernel side remembers of an earlier epoch does not count: every process is introduced anew. */
	u32 epoch;
	u32 reserved;
};

#endif
