/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The agent's own canary: a thread of the agent gives itself the name that it has already, and the record of that goes the
 * way of every other. On include/trace/events/task.h: a name is set by an exec, by prctl(2) and by a write to comm, which
 * is rare, and whoever is not the agent pays for one compare.
 *
 * Nobody else's renaming is counted as seen: the hook is there for the agent alone, which cannot exec or fork any more and
 * so has nothing else to be seen by.
 */

SEC("tp_btf/task_rename")
int canary(u64 *ctx)
{
	/* Whose name it is, which with a write to comm is not the caller. */
	struct task_struct *task = (void *)ctx[0];
	struct control *c = agent_control();
	u64 caller = bpf_get_current_pid_tgid();
	struct hook_counters *line;
	struct scratch *s;

	if (!c || !is_agent(c, caller >> 32) || (u32)get(task, pid) != (u32)caller)
		return 0;
	line = seen(HOOK_CANARY, SHARED);
	if (!line)
		return 0;
	if (!hook_enabled(c, HOOK_CANARY))
		return filter(line, SHARED);
	s = claim(FOR_EVENT);
	if (!s)
		return drop(line);
	used(s) = sizeof(s->header);
	fill_header(&s->header, task, get(task, group_leader), cgroup_of(task), HOOK_CANARY);
	introduce(s, c, task, get(task, fs));
	send(c, line, s, 0);
	release(s);
	return 0;
}
