/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The life of processes, always watched: the agent's process table lives on it. */

SEC("tp_btf/sched_process_exec")
int process_exec(void *ctx __attribute__((unused)))
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct hook_counters *line = seen(HOOK_EXEC);
	struct control *c = agent_control();

	if (!line || !c)
		return 0;
	if (is_agent(c, bpf_get_current_pid_tgid() >> 32))
		return filter(line);
	send_process(c, line, task, HOOK_EXEC);
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
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct *child = (void *)ctx[1];
	struct hook_counters *line = seen(HOOK_FORK);
	struct control *c = agent_control();
	struct scratch *s = scratch_of(HOOK_FORK);
	struct fork_record *record;
	bool introduced;
	u32 pid = bpf_get_current_pid_tgid() >> 32;

	if (!line || !c)
		return 0;
	if (!c->agent_pid)
		recognise_agent(c);
	/* A new thread is no new process. */
	if (is_agent(c, pid) || BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid))
		return filter(line);
	if (!s) {
		count(line->dropped);
		return 0;
	}
	record = &s->fork;
	s->size = sizeof(*record);
	fill_header(&record->header, task, HOOK_FORK);
	introduced = introduce(c, task, &record->header);
	read_key(&record->child, child);
	record->child_cgroup_id = task_cgroup_id(child);
	if (!send(c, line, s, 0))
		return 0;
	/*
	 * The child is what its parent was, so it needs no introduction, unless the parent is unknown or the child was
	 * born into another cgroup.
	 */
	if (introduced && record->child_cgroup_id == record->header.cgroup_id)
		remember(&record->child, record->child_cgroup_id);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int process_exit(void *ctx __attribute__((unused)))
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct hook_counters *line = seen(HOOK_EXIT);
	struct control *c = agent_control();
	struct scratch *s = scratch_of(HOOK_EXIT);
	struct exit_record *record;
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	s32 group_code;
	bool introduced;

	if (!line || !c)
		return 0;
	/* do_exit() has already taken this thread off the count. */
	if (is_agent(c, pid) || BPF_CORE_READ(task, signal, live.counter) > 0)
		return filter(line);
	if (!s) {
		count(line->dropped);
		return 0;
	}
	record = &s->exit;
	s->size = sizeof(*record);
	fill_header(&record->header, task, HOOK_EXIT);
	introduced = introduce(c, task, &record->header);
	/* Two threads that leave at once both find nobody alive; the one that takes the entry reports. */
	if (bpf_map_delete_elem(&processes, &pid) && introduced)
		return filter(line);
	group_code = BPF_CORE_READ(task, signal, group_exit_code);
	record->exit_code = group_code ? group_code : BPF_CORE_READ(task, exit_code);
	record->reserved = 0;
	send(c, line, s, 0);
	return 0;
}
