/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Who did it: the header of every record, and the full description of a process. */
#ifndef PINHOLE_TASK_H
#define PINHOLE_TASK_H

#include "arch.h"
#include "ledger.h"
#include "path.h"

static __always_inline void read_key(struct process_key *key, struct task_struct *task)
{
	key->start = BPF_CORE_READ(task, group_leader, start_boottime);
	key->exec_id = BPF_CORE_READ(task, self_exec_id);
	key->pid = BPF_CORE_READ(task, tgid);
	key->reserved = 0;
}

static __always_inline void fill_header(struct record_header *header, struct task_struct *task, u32 hook)
{
	header->hook = hook;
	header->cpu = bpf_get_smp_processor_id();
	header->flags = 0;
	header->tid = BPF_CORE_READ(task, pid);
	header->time = bpf_ktime_get_boot_ns();
	header->cgroup_id = task_cgroup_id(task);
	read_key(&header->process, task);
}

static __always_inline void append_args(struct scratch *s, struct mm_struct *mm)
{
	u64 start = BPF_CORE_READ(mm, arg_start), size = BPF_CORE_READ(mm, arg_end) - start, off = used(s);

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

static __always_inline void read_ancestors(struct process_record *record, struct task_struct *task)
{
	struct task_struct *parent;
	u32 n = 0;

	for (int i = 0; i <= ANCESTORS; i++) {
		parent = BPF_CORE_READ(task, real_parent, group_leader);
		if (!parent || parent == task || !BPF_CORE_READ(parent, tgid))
			break;
		if (i == ANCESTORS) {
			record->header.flags |= RECORD_ANCESTORS_TRUNCATED;
			break;
		}
		read_key(&record->ancestors[i].key, parent);
		bpf_probe_read_kernel(record->ancestors[i].comm, COMM_SIZE, &parent->comm);
		task = parent;
		n++;
	}
	record->ancestor_count = n;
	record->reserved = 0;
}

static __always_inline void read_credentials(struct process_record *record, struct task_struct *task)
{
	const struct cred *cred = BPF_CORE_READ(task, cred);
	struct tty_struct *tty = BPF_CORE_READ(task, signal, tty);

	record->uid = BPF_CORE_READ(cred, uid.val);
	record->gid = BPF_CORE_READ(cred, gid.val);
	record->euid = BPF_CORE_READ(cred, euid.val);
	record->egid = BPF_CORE_READ(cred, egid.val);
	record->suid = BPF_CORE_READ(cred, suid.val);
	record->sgid = BPF_CORE_READ(cred, sgid.val);
	record->fsuid = BPF_CORE_READ(cred, fsuid.val);
	record->fsgid = BPF_CORE_READ(cred, fsgid.val);
	bpf_probe_read_kernel(&record->cap_effective, sizeof(u64), &cred->cap_effective);
	bpf_probe_read_kernel(&record->cap_permitted, sizeof(u64), &cred->cap_permitted);
	bpf_probe_read_kernel(&record->cap_inheritable, sizeof(u64), &cred->cap_inheritable);

	/* Kernels without CONFIG_AUDIT have neither; "not set" is what they would say. */
	record->loginuid = (u32)-1;
	record->session_id = (u32)-1;
	if (bpf_core_field_exists(task->loginuid))
		record->loginuid = BPF_CORE_READ(task, loginuid.val);
	if (bpf_core_field_exists(task->sessionid))
		record->session_id = BPF_CORE_READ(task, sessionid);

	__builtin_memset(record->tty, 0, TTY_SIZE);
	if (tty)
		bpf_probe_read_kernel_str(record->tty, TTY_SIZE, &tty->name);
}

static __always_inline bool is_known(const struct control *c, struct record_header *header)
{
	struct known *known = bpf_map_lookup_elem(&processes, &header->process.pid);

	return known && known->start == header->process.start && known->exec_id == header->process.exec_id &&
	       known->cgroup_id == header->cgroup_id && known->epoch == c->epoch;
}

static __always_inline void remember(const struct control *c, const struct process_key *key, u64 cgroup_id)
{
	struct known known = {
		.start = key->start, .exec_id = key->exec_id, .cgroup_id = cgroup_id, .epoch = c->epoch
	};
	u32 pid = key->pid;

	bpf_map_update_elem(&processes, &pid, &known, BPF_ANY);
}

/* Describes the current process in full and hands it over. */
static __always_inline bool send_process(struct control *c, struct hook_counters *line, struct task_struct *task,
					 u32 hook, u32 slot)
{
	struct scratch *s = scratch_of(slot);
	struct process_record *record;
	struct mm_struct *mm;
	struct file *exe;
	struct fs_struct *fs;
	u64 start;

	if (!s)
		return drop(line);
	record = &s->process;
	fill_header(&record->header, task, hook);
	/* The process's name, whichever thread came first. */
	bpf_probe_read_kernel(record->comm, COMM_SIZE, &BPF_CORE_READ(task, group_leader)->comm);
	read_credentials(record, task);
	read_ancestors(record, task);

	used(s) = sizeof(*record);
	path_notes(s) = PATH_UNREADABLE;
	mm = BPF_CORE_READ(task, mm);
	fs = BPF_CORE_READ(task, fs);
	exe = BPF_CORE_READ(mm, exe_file);
	if (exe)
		append_path(s, &exe->f_path, &fs->root);
	else
		record->header.flags |= RECORD_NO_MEMORY;
	record->exe_flags = path_notes(s);
	start = used(s);
	record->exe_size = start - sizeof(*record);

	append_path(s, &fs->pwd, &fs->root);
	record->cwd_flags = path_notes(s);
	record->cwd_size = used(s) - start;
	start = used(s);

	record->header.flags |= append_cgroup(s, task);
	record->cgroup_size = used(s) - start;
	start = used(s);

	append_args(s, mm);
	record->args_size = used(s) - start;

	if (!send(c, line, s, record->exe_flags | record->cwd_flags))
		return false;
	remember(c, &record->header.process, record->header.cgroup_id);
	return true;
}

/*
 * Makes sure that the agent was told about the current process before the event that follows: what ran before the
 * agent did, what it lost, and what moved to another cgroup. False when the agent could not be told.
 */
static __always_inline bool introduce(struct control *c, struct task_struct *task, struct record_header *header)
{
	struct hook_counters *line;

	if (is_known(c, header))
		return true;
	line = seen(HOOK_SNAPSHOT);
	return line && send_process(c, line, task, HOOK_SNAPSHOT, SNAPSHOT_SLOT(header->hook));
}

static __always_inline bool is_agent(const struct control *c, u32 pid)
{
	return c->agent_pid && c->agent_pid == pid;
}

#endif
