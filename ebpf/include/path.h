/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Names out of the kernel's trees, written to the scratch from the leaf towards the root. */
#ifndef PINHOLE_PATH_H
#define PINHOLE_PATH_H

#include "ledger.h"

/* Memory that is read and written each time, see struct scratch. */
#define used(scratch) (*(volatile u64 *)&(scratch)->size)
#define notes_of(trail) (*(volatile u64 *)&(trail)->notes)
#define path_notes(scratch) notes_of(&(scratch)->trail)

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

#define in_dentry(copy, member) copied_from(copy, DENTRY_SPAN, struct dentry, d_hash.pprev, member)

/* Where a dentry keeps names of up to so many bytes, with the NUL: most. */
#define SHORT_NAME 32

static __always_inline u64 short_name_offset(void)
{
	if (bpf_core_field_exists(struct dentry, d_iname))
		return bpf_core_field_offset(struct dentry, d_iname);
	return bpf_core_field_offset(struct dentry___union, d_shortname);
}

/*
 * Appends a name that lies in the copy of its dentry already, which spares a helper call. Returns its size with the NUL,
 * 0 when it lies elsewhere.
 */
static __always_inline long append_short_name(struct scratch *s, u64 dentry, u64 start)
{
	u64 at = short_name_offset(), off = used(s);
	u64 in_copy = at - bpf_core_field_offset(struct dentry, d_hash.pprev);
	u64 length = in_dentry(s->trail.head, d_name.hash_len) >> 32;
	u64 *from, *to;

	opaque(off);
	if (in_copy > DENTRY_SPAN - SHORT_NAME || off > SCRATCH_SIZE - NAME_LIMIT || !length || length >= SHORT_NAME ||
	    in_dentry(s->trail.head, d_name.name) != dentry + at ||
	    off + length + 1 - start > PATH_LIMIT)
		return 0;
	from = (void *)s->trail.head + in_copy;
	to = (void *)&s->data[off];
	for (u32 i = 0; i < SHORT_NAME / sizeof(u64); i++)
		to[i] = from[i];
	show_bound(length, SHORT_NAME - 1);
	s->data[off + length] = 0;
	used(s) = off + length + 1;
	return length + 1;
}

static __always_inline u64 mount_of(u64 mnt)
{
	return mnt - bpf_core_field_offset(struct mount, mnt);
}

/* Turns of the walk in one run of walk_up(): most paths end within. */
#define PATH_TURNS 8

/* Reads what leads from a mount to the one above. */
static __always_inline bool read_mount(struct trail *trail, u64 mnt)
{
	if (!bpf_probe_read_kernel(trail->mount, MOUNT_SPAN,
				   (void *)mount_of(mnt) + bpf_core_field_offset(struct mount, mnt_parent)))
		return true;
	notes_of(trail) |= PATH_UNREADABLE;
	return false;
}

/* Notes where the tree begins that is mounted here. Of the mount that the root directory is in, that is known. */
static __always_inline bool enter_mount(struct trail *trail, u64 mnt)
{
	if (mnt == trail->walk.root_mnt) {
		trail->walk.top = trail->walk.root_top;
		return true;
	}
	if (!read_mount(trail, mnt))
		return false;
	trail->walk.top = copied_from(trail->mount, MOUNT_SPAN, struct mount, mnt_parent, mnt.mnt_root);
	return true;
}

/* Goes on from the root of the mount that the walk is in to where it is mounted. False where there is nothing above. */
static __always_inline bool leave_mount(struct trail *trail, u64 *dentry, u64 *mnt)
{
	u64 above;

	if (*mnt == trail->walk.root_mnt && !read_mount(trail, *mnt))
		return false;
	above = copied_from(trail->mount, MOUNT_SPAN, struct mount, mnt_parent, mnt_parent);
	if (above == mount_of(*mnt)) {
		notes_of(trail) |= PATH_OUTSIDE_ROOT;
		return false;
	}
	*dentry = copied_from(trail->mount, MOUNT_SPAN, struct mount, mnt_parent, mnt_mountpoint);
	*mnt = above + bpf_core_field_offset(struct mount, mnt);
	return enter_mount(trail, *mnt);
}

/*
 * Goes some turns up from walk.dentry in walk.mnt and appends the names that it meets. Returns whether there is more to
 * go. The verifier follows each turn of a loop by itself, so a function that takes a few of them, and is checked once,
 * is checked many times faster than the whole walk.
 */
__noinline int walk_up(u32 place)
{
	struct scratch *s = place_of(place);
	u64 start, dentry, mnt, parent, name;
	void *entry;
	char first[2];
	long size;

	if (!may_probe() || !s)
		return 0;
	start = s->trail.walk.start;
	dentry = s->trail.walk.dentry;
	mnt = s->trail.walk.mnt;
	entry = s->trail.head;
	if (!s->trail.walk.begun) {
		s->trail.walk.begun = true;
		if (!enter_mount(&s->trail, mnt))
			return 0;
	}
	for (int i = 0; i < PATH_TURNS; i++) {
		if (dentry == s->trail.walk.root_dentry && mnt == s->trail.walk.root_mnt)
			return 0;
		if (dentry == s->trail.walk.top) {
			if (!leave_mount(&s->trail, &dentry, &mnt))
				return 0;
			continue;
		}
		if (bpf_probe_read_kernel(entry, DENTRY_SPAN,
					  (void *)dentry + bpf_core_field_offset(struct dentry, d_hash.pprev))) {
			path_notes(s) |= PATH_UNREADABLE;
			return 0;
		}
		parent = in_dentry(entry, d_parent);
		name = in_dentry(entry, d_name.name);
		/* Only the leaf can have been removed: a directory that still has an entry cannot be. */
		if (used(s) == start && parent != dentry && !in_dentry(entry, d_hash.pprev))
			path_notes(s) |= PATH_DELETED;
		if (dentry == parent) {
			/* The root of a file system that is mounted elsewhere, or no file system at all. */
			if (bpf_probe_read_kernel_str(first, sizeof(first), (void *)name) > 0 && first[0] == '/') {
				path_notes(s) |= PATH_OUTSIDE_ROOT;
				return 0;
			}
			path_notes(s) |= PATH_PSEUDO;
		}
		size = append_short_name(s, dentry, start);
		if (!size)
			size = append_name(s, (void *)name, start, PATH_LIMIT);
		if (size < 0)
			path_notes(s) |= PATH_TRUNCATED;
		else if (!size)
			path_notes(s) |= PATH_UNREADABLE;
		if (size <= 0 || dentry == parent)
			return 0;
		dentry = parent;
		end_turn();
	}
	s->trail.walk.dentry = dentry;
	s->trail.walk.mnt = mnt;
	return 1;
}

/* Where walks end that begin from now on. */
static __always_inline void set_root(struct trail *trail, struct fs_struct *fs)
{
	if (!may_probe())
		return;
	trail->walk.root_mnt = (u64)get(fs, root.mnt);
	trail->walk.root_top = (u64)get(fs, root.mnt, mnt_root);
	trail->walk.root_dentry = (u64)get(fs, root.dentry);
}

/*
 * Appends a path as the task's root directory shows it: up the dentries, over mount points, until that root. Leaves enum
 * path_flag in the scratch.
 */
static __always_inline void append_path(struct scratch *s, u64 mnt, u64 dentry)
{
	s->trail.walk.mnt = mnt;
	s->trail.walk.dentry = dentry;
	s->trail.walk.start = used(s);
	s->trail.walk.begun = false;
	path_notes(s) = 0;
	if (!may_probe() || !dentry || !mnt) {
		path_notes(s) = PATH_UNREADABLE;
		return;
	}
	for (int i = 0; i < PATH_COMPONENTS / PATH_TURNS; i++) {
		if (!walk_up(s->place))
			return;
		end_turn();
	}
	if (s->trail.walk.dentry != s->trail.walk.root_dentry || s->trail.walk.mnt != s->trail.walk.root_mnt)
		path_notes(s) |= PATH_TRUNCATED;
}

static __always_inline void append_cwd(struct scratch *s, struct fs_struct *fs)
{
	append_path(s, (u64)get(fs, pwd.mnt), (u64)get(fs, pwd.dentry));
}

/* The path of an open file, of which only the address is known. */
static __always_inline void append_file_path(struct scratch *s, struct file *file)
{
	u64 path[2] = {};

	/* struct path: the mount, then the dentry. */
	if (may_probe())
		bpf_probe_read_kernel(path, sizeof(path),
				      (void *)file + bpf_core_field_offset(struct file, f_path));
	append_path(s, path[0], path[1]);
}

#endif
