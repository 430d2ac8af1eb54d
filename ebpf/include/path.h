/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Names out of the kernel's trees, written to the scratch from the leaf towards the root. */
#ifndef PINHOLE_PATH_H
#define PINHOLE_PATH_H

#include "maps.h"

/* Keeps the compiler from proving a bound that the verifier then cannot see. */
#define opaque(value) asm volatile("" : "+r"(value))

/* Memory that is read and written each time, see struct scratch. */
#define used(scratch) (*(volatile u64 *)&(scratch)->size)
#define path_notes(scratch) (*(volatile u64 *)&(scratch)->path_flags)

/*
 * Appends one name with its NUL, unless the part that began at start would grow beyond limit. Returns its size, 0 when it
 * cannot be read, a negative number when there is no room.
 */
static __always_inline long append_name(struct scratch *s, const void *name, u64 start, u64 limit)
{
	u64 off = used(s);
	long size;

	opaque(off);
	if (off > SCRATCH_SIZE - NAME_LIMIT)
		return -1;
	size = bpf_probe_read_kernel_str(&s->data[off], NAME_LIMIT, name);
	if (size <= 0)
		return 0;
	if (off + size - start > limit)
		return -1;
	used(s) = off + size;
	return size;
}

/*
 * Appends the path of a file as the current task's root directory shows it: up the dentries, over mount points, until
 * the root of the task. Leaves enum path_flag in the scratch.
 */
static __always_inline void append_path(struct scratch *s, const struct path *of, const struct path *root)
{
	struct vfsmount *mnt = BPF_CORE_READ(of, mnt), *root_mnt = BPF_CORE_READ(root, mnt);
	struct dentry *dentry = BPF_CORE_READ(of, dentry), *root_dentry = BPF_CORE_READ(root, dentry);
	const u64 start = used(s);
	const void *name;
	char first[2];
	long size;

	path_notes(s) = 0;
	if (!dentry || !mnt) {
		path_notes(s) = PATH_UNREADABLE;
		return;
	}
	if (!BPF_CORE_READ(dentry, d_hash.pprev) && BPF_CORE_READ(dentry, d_parent) != dentry)
		path_notes(s) = PATH_DELETED;

	for (int i = 0; i < PATH_COMPONENTS; i++) {
		struct dentry *parent;

		if (dentry == root_dentry && mnt == root_mnt)
			return;
		if (dentry == BPF_CORE_READ(mnt, mnt_root)) {
			struct mount *mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
			struct mount *above = BPF_CORE_READ(mount, mnt_parent);

			if (above == mount) {
				path_notes(s) |= PATH_OUTSIDE_ROOT;
				return;
			}
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mnt = (void *)above + bpf_core_field_offset(struct mount, mnt);
			continue;
		}
		parent = BPF_CORE_READ(dentry, d_parent);
		name = BPF_CORE_READ(dentry, d_name.name);
		if (dentry == parent) {
			/* The root of a file system that is mounted elsewhere, or no file system at all. */
			if (bpf_probe_read_kernel_str(first, sizeof(first), name) > 0 && first[0] == '/') {
				path_notes(s) |= PATH_OUTSIDE_ROOT;
				return;
			}
			path_notes(s) |= PATH_PSEUDO;
		}
		size = append_name(s, name, start, PATH_LIMIT);
		if (size < 0)
			break;
		if (!size)
			path_notes(s) |= PATH_UNREADABLE;
		if (!size || dentry == parent)
			return;
		dentry = parent;
	}
	if (dentry == root_dentry && mnt == root_mnt)
		return;
	path_notes(s) |= PATH_TRUNCATED;
}

static __always_inline struct cgroup *task_cgroup(struct task_struct *task)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup_subsys_state *state = NULL;
	u64 index;

	if (cgroup_hierarchy == HIERARCHY_UNIFIED)
		return BPF_CORE_READ(set, dfl_cgrp);
	if (cgroup_hierarchy == HIERARCHY_PIDS)
		index = bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);
	else if (cgroup_hierarchy == HIERARCHY_MEMORY)
		index = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	else
		index = bpf_core_enum_value(enum cgroup_subsys_id, cpu_cgrp_id);
	bpf_probe_read_kernel(&state, sizeof(state),
			      (void *)set + bpf_core_field_offset(struct css_set, subsys) + index * sizeof(state));
	return BPF_CORE_READ(state, cgroup);
}

static __always_inline u64 task_cgroup_id(struct task_struct *task)
{
	return BPF_CORE_READ(task_cgroup(task), kn, id);
}

static __always_inline struct kernfs_node *kernfs_parent(struct kernfs_node *node)
{
	struct kernfs_node___rcu *newer = (void *)node;

	if (bpf_core_field_exists(newer->__parent))
		return BPF_CORE_READ(newer, __parent);
	return BPF_CORE_READ(node, parent);
}

/*
 * Appends the names of the task's cgroup and of those above it, without the root. Returns enum record_flag: without one
 * the path is whole, and only then does a path without a container mean that there is none.
 */
static __always_inline u32 append_cgroup(struct scratch *s, struct task_struct *task)
{
	struct kernfs_node *node = BPF_CORE_READ(task_cgroup(task), kn), *parent;
	const u64 start = used(s);
	long size;

	if (!node)
		return RECORD_CGROUP_UNREADABLE;
	for (int i = 0; i < CGROUP_LEVELS; i++) {
		parent = kernfs_parent(node);
		if (!parent)
			return 0;
		size = append_name(s, BPF_CORE_READ(node, name), start, CGROUP_LIMIT);
		if (!size)
			return RECORD_CGROUP_UNREADABLE;
		if (size < 0)
			break;
		node = parent;
	}
	return kernfs_parent(node) ? RECORD_CGROUP_TRUNCATED : 0;
}

#endif
