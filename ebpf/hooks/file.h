/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Files. The path comes from the kernel's own file and not from the process's memory, which may have been rewritten
 * meanwhile. The file is looked up by its descriptor when the call returns: another thread that replaces the descriptor
 * in between is found out unless it puts the file back.
 */

/* The file behind a descriptor of the current task. It may be closed at any time: what is read from it is only data. */
static __always_inline struct file *file_of(struct task_struct *task, s64 fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **slots = BPF_CORE_READ(table, fd), *file = NULL;

	if (fd < 0 || fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), &slots[fd]);
	return file;
}

static __always_inline int handle_openat(const struct syscall_args *args, s64 ret)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct hook_counters *line = seen(HOOK_OPENAT);
	struct control *c = agent_control();
	struct scratch *s = scratch_of(HOOK_OPENAT);
	struct open_record *record;
	u64 start;
	long size;

	if (!line || !c)
		return 0;
	if (!hook_enabled(c, HOOK_OPENAT) || is_agent(c, bpf_get_current_pid_tgid() >> 32))
		return filter(line);
	if (!s)
		return drop(line);
	record = &s->open;
	fill_header(&record->header, task, HOOK_OPENAT);
	introduce(c, task, &record->header);
	record->ret = ret;
	record->dfd = (s32)args->arg[0];
	record->open_flags = (u32)args->arg[2];
	record->mode = (u32)args->arg[3];

	size = bpf_probe_read_user_str(&s->data[sizeof(*record)], PATH_LIMIT + 1, (void *)args->arg[1]);
	if (size < 0) {
		record->header.flags |= RECORD_REQUEST_UNREADABLE;
		size = 0;
	} else if (size == PATH_LIMIT + 1) {
		record->header.flags |= RECORD_REQUEST_TRUNCATED;
	}
	record->requested_size = size;
	start = sizeof(*record) + size;
	used(s) = start;

	path_notes(s) = 0;
	if (ret >= 0) {
		struct file *file = file_of(task, ret);
		struct fs_struct *fs = BPF_CORE_READ(task, fs);

		if (file)
			append_path(s, &file->f_path, &fs->root);
		if (!file || file_of(task, ret) != file) {
			used(s) = start;
			path_notes(s) = PATH_UNREADABLE;
		}
		/* One that replaced the descriptor before both looks leaves no other trace. */
		if (BPF_CORE_READ(task, files, count.counter) > 1)
			path_notes(s) |= PATH_SHARED;
	}
	record->path_flags = path_notes(s);
	record->path_size = used(s) - start;
	send(c, line, s, record->path_flags);
	return 0;
}
