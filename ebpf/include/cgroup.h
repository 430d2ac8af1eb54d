/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The cgroup that names the container of a task, in the hierarchy where runtimes put containers. */
#ifndef PINHOLE_CGROUP_H
#define PINHOLE_CGROUP_H

#include "path.h"

static __always_inline struct cgroup_subsys_state **controller_state(struct css_set *set)
{
	u64 index;

	if (cgroup_hierarchy == HIERARCHY_PIDS)
		index = bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);
	else if (cgroup_hierarchy == HIERARCHY_MEMORY)
		index = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	else
		index = bpf_core_enum_value(enum cgroup_subsys_id, cpu_cgrp_id);
	return (void *)set + bpf_core_field_offset(struct css_set, subsys) + index * sizeof(void *);
}

static __always_inline struct cgroup *controller_cgroup(struct task_struct *task)
{
	struct cgroup_subsys_state *state = NULL;

	if (tasks_are_typed())
		state = *controller_state(get(task, cgroups));
	else
		bpf_probe_read_kernel(&state, sizeof(state), controller_state(get(task, cgroups)));
	return get(state, cgroup);
}

static __always_inline struct kernfs_node *controller_node(struct task_struct *task)
{
	struct cgroup *cgroup = controller_cgroup(task);

	return get(cgroup, kn);
}

/* Whether a cgroup is of the hierarchy in which tasks are told: all cgroups of one have their root in common. */
static __always_inline bool names_containers(struct cgroup *cgroup)
{
	struct task_struct *task = current_task();
	struct cgroup *same;

	if (cgroup_hierarchy == HIERARCHY_UNIFIED)
		same = get(task, cgroups, dfl_cgrp);
	else
		same = controller_cgroup(task);
	return cgroup->root == get(same, root);
}

/* The cgroup of a task, as the directory that it is. */
static __always_inline struct kernfs_node *cgroup_of(struct task_struct *task)
{
	if (cgroup_hierarchy == HIERARCHY_UNIFIED)
		return get(task, cgroups, dfl_cgrp, kn);
	return controller_node(task);
}

static __always_inline struct kernfs_node *kernfs_parent(struct kernfs_node *node)
{
	struct kernfs_node___rcu *newer = (void *)node;

	if (!may_probe())
		return bpf_core_field_exists(newer->__parent) ? newer->__parent : node->parent;
	if (bpf_core_field_exists(newer->__parent))
		return probe(newer, __parent);
	return probe(node, parent);
}

/*
 * Appends the names of a cgroup and of those above it, without the root. Returns enum record_flag: without one
 * the path is whole, and only then does a path without a container mean that there is none.
 */
static __always_inline u32 append_cgroup(struct scratch *s, struct kernfs_node *node)
{
	struct kernfs_node *parent;
	const u64 start = used(s);
	long size;

	if (!node)
		return RECORD_CGROUP_UNREADABLE;
	/* Without names only the root is known for what it is. */
	if (!may_probe())
		return kernfs_parent(node) ? RECORD_CGROUP_UNREADABLE : 0;
	for (int i = 0; i < CGROUP_LEVELS; i++) {
		parent = kernfs_parent(node);
		if (!parent)
			return 0;
		size = append_name(s, probe(node, name), start, CGROUP_LIMIT);
		if (!size)
			return RECORD_CGROUP_UNREADABLE;
		if (size < 0)
			break;
		node = parent;
		end_turn();
	}
	return kernfs_parent(node) ? RECORD_CGROUP_TRUNCATED : 0;
}

#endif
