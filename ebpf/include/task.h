/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Who did it: the header of every record, and the full description of a process. */
#ifndef PINHOLE_TASK_H
#define PINHOLE_TASK_H

#include "arch.h"
#include "cgroup.h"
#include "file.h"

static __always_inline void read_key(struct process_key *key, struct task_struct *task, struct task_struct *leader)
{
	key->start = get(leader, start_boottime);
	key->exec_id = get(task, self_exec_id);
	key->pid = get(task, tgid);
	key->reserved = 0;
}

static __always_inline void fill_header(struct record_header *header, struct task_struct *task,
					struct task_struct *leader, struct kernfs_node *cgroup, u32 hook)
{
	header->hook = hook;
	header->cpu = bpf_get_smp_processor_id();
	header->flags = 0;
	header->tid = get(task, pid);
	header->time = bpf_ktime_get_boot_ns();
	header->cgroup_id = get(cgroup, id);
	read_key(&header->process, task, leader);
}

/* Sixteen bytes of a longer name or a whole one, with a NUL at the end, by two loads. */
static __always_inline void copy_name(char *name, const u64 *from)
{
	((u64 *)name)[0] = from[0];
	((u64 *)name)[1] = from[1];
	name[15] = 0;
}

static __always_inline void append_args(struct scratch *s, struct mm_struct *mm)
{
	u64 start = get(mm, arg_start), size = get(mm, arg_end) - start, off = used(s);

	if (size > ARGS_LIMIT) {
		s->header.flags |= RECORD_ARGS_TRUNCATED;
		size = ARGS_LIMIT;
	}
	opaque(size);
	opaque(off);
	if (!size || size > ARGS_LIMIT || off > SCRATCH_SIZE - ARGS_LIMIT)
		return;
	if (bpf_probe_read_user(&s->data[off], size, (void *)start))
		s->header.flags |= RECORD_ARGS_UNREADABLE;
	else
		used(s) = off + size;
}

static __always_inline void read_comm(char *comm, struct task_struct *task)
{
	if (may_probe())
		bpf_probe_read_kernel(comm, COMM_SIZE, &task->comm);
	else
		copy_name(comm, (const u64 *)&task->comm);
}

static __always_inline void read_ancestors(struct process_record *record, struct task_struct *task)
{
	struct task_struct *parent;
	struct ancestor *ancestor;
	u32 n = 0;

	for (int i = 0; i <= ANCESTORS; i++) {
		parent = rarely(task, real_parent, group_leader);
		if (!parent || parent == task || !rarely(parent, tgid))
			break;
		if (i == ANCESTORS) {
			record->header.flags |= RECORD_ANCESTORS_TRUNCATED;
			break;
		}
		ancestor = &record->ancestors[i];
		ancestor->key.start = rarely(parent, start_boottime);
		ancestor->key.exec_id = rarely(parent, self_exec_id);
		ancestor->key.pid = rarely(parent, tgid);
		ancestor->key.reserved = 0;
		read_comm(ancestor->comm, parent);
		task = parent;
		n++;
		end_turn();
	}
	record->ancestor_count = n;
	record->reserved = 0;
}

/* Two words on every kernel: an array of them before Linux 6.3, one of twice the size since. */
static __always_inline u64 capabilities(const kernel_cap_t *set)
{
	const u32 *word = (const u32 *)set;
	u64 bits = 0;

	if (tasks_are_typed())
		return word[0] | (u64)word[1] << 32;
	bpf_probe_read_kernel(&bits, sizeof(bits), set);
	return bits;
}

static __always_inline void read_credentials(struct process_record *record, struct task_struct *task)
{
	const struct cred *cred = get(task, cred);
	struct tty_struct *tty = get(task, signal, tty);

	record->uid = get(cred, uid.val);
	record->gid = get(cred, gid.val);
	record->euid = get(cred, euid.val);
	record->egid = get(cred, egid.val);
	record->suid = get(cred, suid.val);
	record->sgid = get(cred, sgid.val);
	record->fsuid = get(cred, fsuid.val);
	record->fsgid = get(cred, fsgid.val);
	record->cap_effective = capabilities(&cred->cap_effective);
	record->cap_permitted = capabilities(&cred->cap_permitted);
	record->cap_inheritable = capabilities(&cred->cap_inheritable);
	record->user_ns = get(cred, user_ns, ns.inum);
	record->user_ns_level = get(cred, user_ns, level);

	/* Kernels without CONFIG_AUDIT have neither; "not set" is what they would say. */
	record->loginuid = (u32)-1;
	record->session_id = (u32)-1;
	if (bpf_core_field_exists(task->loginuid))
		record->loginuid = get(task, loginuid.val);
	if (bpf_core_field_exists(task->sessionid))
		record->session_id = get(task, sessionid);

	__builtin_memset(record->tty, 0, TTY_SIZE);
	if (tty && may_probe())
		bpf_probe_read_kernel_str(record->tty, TTY_SIZE, &tty->name);
	else if (tty)
		copy_name(record->tty, (const u64 *)&tty->name);
}

/* enum pid_type (include/linux/pid_types.h, Linux 4.19). The session comes next. */
#define PIDTYPE_PGID 2

/* The struct upid of a struct pid for the level of a PID namespace: of one that it is seen in. */
static __always_inline void *number_at(struct pid *pid, u32 level)
{
	return (void *)pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);
}

static __always_inline void read_groups(struct process_record *record, struct task_struct *task)
{
	struct pid *own, *group, *session, *led[2] = {};
	struct upid *number;
	struct pid_namespace *ns;
	u32 level;

	record->sid = record->pgid = record->vpgid = record->pid_ns_level = (u32)-1;
	record->reserved2 = 0;
	record->pid_ns_start = 0;
	if (!may_probe())
		return;
	own = probe(task, thread_pid);
	bpf_probe_read_kernel(led, sizeof(led),
			      (void *)probe(task, signal) + bpf_core_field_offset(struct signal_struct, pids) +
				      PIDTYPE_PGID * sizeof(struct pid *));
	group = led[0];
	session = led[1];
	/* The last of a process that is exiting belongs to nobody any more. */
	if (!own || !group || !session)
		return;
	level = probe(own, level);
	record->pid_ns_level = level;
	number = number_at(session, 0);
	record->sid = probe(number, nr);
	number = number_at(group, 0);
	record->pgid = probe(number, nr);
	record->vpgid = 0;
	if (probe(group, level) >= level) {
		number = number_at(group, level);
		record->vpgid = probe(number, nr);
	}
	number = number_at(own, level);
	ns = probe(number, ns);
	record->pid_ns_start = probe(ns, child_reaper, start_boottime);
}

/* An address to calculate with, which the verifier allows with no pointer: what was in memory is none to it. */
static __always_inline u64 as_number(u64 *memory, const void *address)
{
	*(volatile u64 *)memory = (u64)address;
	return *(volatile u64 *)memory;
}

/* What credentials say, in one number. room is for the address of a namespace. */
static __always_inline u64 contents_of(const struct cred *cred, u64 *room)
{
	u64 sum = as_number(room, get(cred, user_ns));

	sum = mixed(sum, get(cred, uid.val) | (u64)get(cred, gid.val) << 32);
	sum = mixed(sum, get(cred, suid.val) | (u64)get(cred, sgid.val) << 32);
	sum = mixed(sum, get(cred, euid.val) | (u64)get(cred, egid.val) << 32);
	sum = mixed(sum, get(cred, fsuid.val) | (u64)get(cred, fsgid.val) << 32);
	sum = mixed(sum, capabilities(&cred->cap_effective));
	sum = mixed(sum, capabilities(&cred->cap_permitted));
	return mixed(sum, capabilities(&cred->cap_inheritable));
}

/*
 * What tells credentials from those that were there before: not only where they lie, because memory that was given back is
 * used again, and between two events a process may change its ids more than once.
 */
static __always_inline u64 credentials_of(struct known *now, struct task_struct *task)
{
	const struct cred *cred = get(task, cred);
	u64 contents = contents_of(cred, &now->credentials);

	return mixed(contents, as_number(&now->credentials, cred));
}

/*
 * What tells a working directory from those before: whenever one is set, or another root, the sequence goes on
 * (set_fs_pwd() in fs/fs_struct.c), and begins anew only in another fs_struct. A task that is exiting has none.
 */
static __always_inline u64 cwd_of(struct known *now, struct fs_struct *fs)
{
	u64 mnt = as_number(&now->cwd, get(fs, pwd.mnt));
	u64 dentry = as_number(&now->cwd, get(fs, pwd.dentry)), at = bpf_core_field_offset(struct fs_struct, seq);
	const u32 *sequence;
	u32 set = 0;

	/* A load by itself would be of the size that the field has here, which is none. */
	opaque(at);
	sequence = (void *)fs + at;
	if (tasks_are_typed())
		set = *sequence;
	else
		bpf_probe_read_kernel(&set, sizeof(set), sequence);
	return mixed(mixed(mnt, dentry), set);
}

/* What the agent should know about a task, as the task is now. */
static __always_inline void read_known(struct known *now, const struct control *c, const struct process_key *key,
				       struct task_struct *task, struct fs_struct *fs, u64 cgroup_id)
{
	now->start = key->start;
	now->exec_id = key->exec_id;
	now->cgroup_id = cgroup_id;
	now->epoch = c->epoch;
	now->credentials = credentials_of(now, task);
	now->cwd = cwd_of(now, fs);
}

static __always_inline bool same(const struct known *a, const struct known *b)
{
	return a->start == b->start && a->exec_id == b->exec_id && a->cgroup_id == b->cgroup_id &&
	       a->epoch == b->epoch && a->credentials == b->credentials && a->cwd == b->cwd;
}

static __always_inline void remember(struct scratch *s, const struct control *c, const struct process_key *key,
				     struct task_struct *task, struct fs_struct *fs, u64 cgroup_id)
{
	u32 pid = key->pid;

	read_known(&s->now, c, key, task, fs, cgroup_id);
	bpf_map_update_elem(&processes, &pid, &s->now, BPF_ANY);
}

static __always_inline int describe(struct task_struct *task, u32 hook, u32 purpose)
{
	struct hook_counters *line = line_of(hook);
	struct scratch *s = claim(purpose);
	struct control *c = agent_control();
	struct process_record *record;
	struct task_struct *leader;
	struct kernfs_node *cgroup;
	struct fs_struct *fs;
	struct mm_struct *mm;
	struct file *exe;
	bool sent;
	u64 start;

	if (!line || !c)
		return 0;
	if (!s)
		return drop(line);
	record = &s->process;
	leader = get(task, group_leader);
	cgroup = cgroup_of(task);
	fs = get(task, fs);
	fill_header(&record->header, task, leader, cgroup, hook);
	/* The process's name, whichever thread came first. */
	read_comm(record->comm, leader);
	read_credentials(record, task);
	read_groups(record, task);
	read_ancestors(record, task);

	used(s) = sizeof(*record);
	set_root(&s->trail, fs);
	path_notes(s) = PATH_UNREADABLE;
	mm = get(task, mm);
	exe = mm ? get(mm, exe_file) : NULL;
	read_exe(record, exe);
	if (exe)
		append_file_path(s, exe);
	else
		record->header.flags |= RECORD_NO_MEMORY;
	record->exe_flags = path_notes(s);
	start = used(s);
	record->exe_size = start - sizeof(*record);

	append_cwd(s, fs);
	record->cwd_flags = path_notes(s);
	record->cwd_size = used(s) - start;
	start = used(s);

	record->header.flags |= append_cgroup(s, cgroup);
	record->cgroup_size = used(s) - start;
	start = used(s);

	if (mm)
		append_args(s, mm);
	record->args_size = used(s) - start;

	sent = send(c, line, s, record->exe_flags | record->cwd_flags);
	if (sent)
		remember(s, c, &record->header.process, task, fs, record->header.cgroup_id);
	release(s);
	return sent;
}

/* Describes the current process, which is task, in full and hands it over. Says whether that went well. */
#ifdef PINHOLE_REDUCED
/* Checked with each caller: before Linux 5.11 only a caller has a typed task. */
static __noinline int send_process(struct task_struct *task, u32 hook, u32 purpose)
{
	return describe(task, hook, purpose);
}
#else
__noinline int send_process_by_number(u32 hook, u32 purpose)
{
	return describe(current_task(), hook, purpose);
}
#define send_process(task, hook, purpose) ((void)(task), send_process_by_number(hook, purpose))
#endif

static __always_inline bool is_known(struct scratch *s, const struct control *c, struct task_struct *task,
				     struct fs_struct *fs)
{
	struct cpu_state *cpu = this_cpu();
	u32 pid = s->header.process.pid;
	struct known *known;

	if (!cpu)
		return false;
	read_known(&s->now, c, &s->header.process, task, fs, s->header.cgroup_id);
	if (cpu->pid == pid && same(&cpu->known, &s->now))
		return true;
	known = bpf_map_lookup_elem(&processes, &pid);
	if (!known || !same(known, &s->now))
		return false;
	/* Whatever interrupts this leaves a mixture of two processes at worst, which is the same as neither. */
	cpu->pid = pid;
	cpu->known = s->now;
	return true;
}

/*
 * Makes sure that the agent was told about the current process before the event in the scratch: what ran before the
 * agent did, what it lost, and what has since moved to another cgroup or directory or changed its credentials. False
 * when the agent could not be told.
 */
static __always_inline bool introduce(struct scratch *s, struct control *c, struct task_struct *task,
				      struct fs_struct *fs)
{
	return is_known(s, c, task, fs) || (seen(HOOK_SNAPSHOT, SHARED) && send_process(task, HOOK_SNAPSHOT, FOR_SNAPSHOT));
}

#endif
