/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Cgroups that come and go (include/trace/events/cgroup.h), so that a container can be looked up before its first
 * process and forgotten after its last. Absent from the reduced object: the path is behind a pointer that only probing
 * follows.
 */

/*
 * TRACE_CGROUP_PATH_LEN in kernel/cgroup/cgroup.c: the kernel writes the path into a buffer of this size, from the root
 * on. A path that fills it may have lost its end.
 */
#define CGROUP_BUFFER 1024

static __always_inline int tell_cgroup(u64 *ctx, u32 hook)
{
	/* Typed on every kernel, as the arguments of tracepoints are. */
	struct cgroup *cgroup = (void *)ctx[0];
	u64 caller = bpf_get_current_pid_tgid();
	struct hook_counters *line = seen(hook, SHARED);
	struct control *c = agent_control();
	struct cgroup_record *record;
	const char *path = NULL;
	struct scratch *s;
	long size;

	if (!line || !c)
		return 0;
	if (!hook_enabled(c, hook) || !names_containers(cgroup))
		return filter(line, SHARED);
	s = claim(FOR_EVENT);
	if (!s)
		return drop(line);
	record = &s->cgroup;
	record->header.hook = hook;
	record->header.cpu = bpf_get_smp_processor_id();
	record->header.flags = 0;
	record->header.tid = caller;
	record->header.time = bpf_ktime_get_boot_ns();
	record->header.cgroup_id = cgroup->kn->id;
	__builtin_memset(&record->header.process, 0, sizeof(record->header.process));
	record->header.process.pid = caller >> 32;
	/* As data: before Linux 5.17 the verifier hands out no argument that points to anything but a structure. */
	bpf_probe_read_kernel(&path, sizeof(path), &ctx[1]);
	size = bpf_probe_read_kernel_str(record + 1, CGROUP_BUFFER, path);
	if (size <= 0) {
		record->header.flags |= RECORD_CGROUP_UNREADABLE;
		size = 0;
	} else if (size >= CGROUP_BUFFER) {
		record->header.flags |= RECORD_CGROUP_TRUNCATED;
	}
	record->path_size = size;
	record->reserved = 0;
	used(s) = sizeof(*record) + size;
	send(c, line, s, 0);
	release(s);
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int cgroup_mkdir(u64 *ctx)
{
	return tell_cgroup(ctx, HOOK_CGROUP_MKDIR);
}

SEC("tp_btf/cgroup_rmdir")
int cgroup_rmdir(u64 *ctx)
{
	return tell_cgroup(ctx, HOOK_CGROUP_RMDIR);
}
