/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The life of processes, always watched: the agent's process table lives on it. The tasks come from the tracepoints'
 * arguments (include/trace/events/sched.h), which are typed on every kernel.
 */

#define EEXIST 17

SEC("tp_btf/sched_process_exec")
int process_exec(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct hook_counters *line = seen(HOOK_EXEC, SHARED);
	struct control *c = agent_control();

	if (!line || !c)
		return 0;
	if (!hook_enabled(c, HOOK_EXEC) || is_agent(c, bpf_get_current_pid_tgid() >> 32))
		return filter(line, SHARED);
	send_process(task, HOOK_EXEC, FOR_EVENT);
	return 0;
}

/* The agent forks a thread once the hooks are in place, only to be recognised here. */
static __always_inline void recognise_agent(struct control *c)
{
	struct bpf_pidns_info info = {};

	if (bpf_get_ns_current_pid_tgid(agent_pidns_dev, agent_pidns_ino, &info, sizeof(info)))
		return;
	if (info.tgid == agent_pidns_pid)
		c->agent_pid = bpf_get_current_pid_tgid() >> 32;
}

SEC("tp_btf/sched_process_fork")
int process_fork(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct task_struct *child = (void *)ctx[1];
	struct hook_counters *line = seen(HOOK_FORK, SHARED);
	struct control *c = agent_control();
	struct task_struct *parent;
	struct kernfs_node *cgroup;
	struct fork_record *record;
	struct scratch *s;
	bool introduced, alike;

	if (!line || !c)
		return 0;
	if (!c->agent_pid)
		recognise_agent(c);
	/* A new thread is no new process. */
	if (!hook_enabled(c, HOOK_FORK) || is_agent(c, bpf_get_current_pid_tgid() >> 32) ||
	    get(child, pid) != get(child, tgid))
		return filter(line, SHARED);
	s = claim(FOR_EVENT);
	if (!s)
		return drop(line);
	record = &s->fork;
	used(s) = sizeof(*record);
	fill_header(&record->header, task, get(task, group_leader), cgroup_of(task), HOOK_FORK);
	introduced = introduce(s, c, task, get(task, fs));
	/* The first thread of a process leads it. */
	read_key(&record->child, child, child);
	parent = get(child, real_parent);
	read_key(&record->parent, parent, get(parent, group_leader));
	cgroup = cgroup_of(child);
	record->child_cgroup_id = get(cgroup, id);
	/* Born into another cgroup (clone3 with CLONE_INTO_CGROUP). */
	if (record->child_cgroup_id != record->header.cgroup_id)
		record->header.flags |= append_cgroup(s, cgroup);
	record->cgroup_size = used(s) - sizeof(*record);
	record->reserved = 0;
	/*
	 * The child is what its caller was, so it needs no introduction, unless the caller itself is unknown or the child was born
	 * into a user namespace of its own (CLONE_NEWUSER), where it has every capability.
	 */
	alike = contents_of(get(task, cred), &s->now.credentials) == contents_of(get(child, cred), &s->now.credentials);
	if (send(c, line, s, 0) && introduced && alike)
		remember(s, c, &record->child, child, get(child, fs), record->child_cgroup_id);
	release(s);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int process_exit(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct hook_counters *line = seen(HOOK_EXIT, SHARED);
	struct control *c = agent_control();
	struct signal_struct *signal;
	struct task_struct *leader;
	struct exit_record *record;
	struct exited exited = {};
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct scratch *s;
	s32 group_code;
	u8 one = 1;

	if (!line || !c)
		return 0;
	signal = get(task, signal);
	/* do_exit() has already taken this thread off the count. */
	if (!hook_enabled(c, HOOK_EXIT) || is_agent(c, pid) || get(signal, live.counter) > 0)
		return filter(line, SHARED);
	/* Threads that leave together all find nobody alive; the first one tells it. */
	leader = get(task, group_leader);
	exited.start = get(leader, start_boottime);
	exited.pid = pid;
	if (bpf_map_update_elem(&exits, &exited, &one, BPF_NOEXIST) == -EEXIST)
		return filter(line, SHARED);
	s = claim(FOR_EVENT);
	if (!s)
		return drop(line);
	record = &s->exit;
	used(s) = sizeof(*record);
	fill_header(&record->header, task, leader, cgroup_of(task), HOOK_EXIT);
	introduce(s, c, task, get(task, fs));
	bpf_map_delete_elem(&processes, &pid);
	group_code = get(signal, group_exit_code);
	record->exit_code = group_code ? group_code : get(leader, exit_code);
	record->reserved = 0;
	send(c, line, s, 0);
	release(s);
	return 0;
}
