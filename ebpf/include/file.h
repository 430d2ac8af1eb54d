/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Open files. They may be closed at any time by another thread, so only their address is kept and what is read is data. */
#ifndef PINHOLE_FILE_H
#define PINHOLE_FILE_H

#include "path.h"

#define S_IFMT 0170000
#define S_IFSOCK 0140000
/* include/linux/fs.h */
#define SB_RDONLY 1
#define S_IMMUTABLE 8
/* The highest bit of ctime's nanoseconds says that somebody has looked at it (I_CTIME_QUERIED, Linux 6.13). */
#define NANOSECONDS 0x7fffffff
/* include/uapi/linux/magic.h */
#define OVERLAYFS_SUPER_MAGIC 0x794c7630

/* The file behind a descriptor. */
static __always_inline struct file *file_of(struct files_struct *files, s64 fd)
{
	struct file **slots, *file = NULL;

	if (!may_probe() || fd < 0 || fd >= get(files, fdt, max_fds))
		return NULL;
	slots = get(files, fdt, fd);
	bpf_probe_read_kernel(&file, sizeof(file), &slots[fd]);
	return file;
}

/* Whether other threads can replace a descriptor. A file looked up may then be another than the one opened. */
static __always_inline bool are_shared(struct files_struct *files)
{
	return get(files, count.counter) > 1;
}

/*
 * Where in an overlay a file lies: whether it was written above the image. In struct ovl_inode the dentry of the upper layer follows
 * the inode (fs/overlayfs/ovl_entry.h, since Linux 4.19); overlayfs may be a module, whose types are not at hand.
 */
static __always_inline u32 layer_of(struct inode *inode)
{
	u64 upper;

	if (probe(inode, i_sb, s_magic) != OVERLAYFS_SUPER_MAGIC ||
	    bpf_probe_read_kernel(&upper, sizeof(upper), (void *)inode + bpf_core_type_size(struct inode)))
		return 0;
	return upper ? RECORD_EXE_UPPER_LAYER : RECORD_EXE_LOWER_LAYER;
}

static __always_inline void read_times(struct process_record *record, struct inode *inode)
{
	struct inode___times *times = (void *)inode;
	struct inode___renamed *renamed = (void *)inode;
	struct inode___apart *apart = (void *)inode;

	if (bpf_core_field_exists(apart->i_ctime_sec)) {
		record->exe_ctime = probe(apart, i_ctime_sec);
		record->exe_ctime_nsec = probe(apart, i_ctime_nsec) & NANOSECONDS;
		record->exe_mtime = probe(apart, i_mtime_sec);
		record->exe_mtime_nsec = probe(apart, i_mtime_nsec);
		return;
	}
	if (bpf_core_field_exists(renamed->__i_ctime)) {
		record->exe_ctime = probe(renamed, __i_ctime.tv_sec);
		record->exe_ctime_nsec = probe(renamed, __i_ctime.tv_nsec);
	} else {
		record->exe_ctime = probe(times, i_ctime.tv_sec);
		record->exe_ctime_nsec = probe(times, i_ctime.tv_nsec);
	}
	if (bpf_core_field_exists(renamed->__i_mtime)) {
		record->exe_mtime = probe(renamed, __i_mtime.tv_sec);
		record->exe_mtime_nsec = probe(renamed, __i_mtime.tv_nsec);
	} else {
		record->exe_mtime = probe(times, i_mtime.tv_sec);
		record->exe_mtime_nsec = probe(times, i_mtime.tv_nsec);
	}
}

/* What the inode of the executable tells of it. Without one all is 0. */
static __always_inline void read_exe(struct process_record *record, struct file *exe)
{
	struct inode *inode;

	/* From exe_inode to exe_gid. */
	__builtin_memset(&record->exe_inode, 0, offsetof(struct process_record, sid) -
						       offsetof(struct process_record, exe_inode));
	if (!exe || !may_probe())
		return;
	inode = probe(exe, f_inode);
	record->exe_inode = probe(inode, i_ino);
	record->exe_mode = probe(inode, i_mode);
	record->exe_uid = probe(inode, i_uid.val);
	record->exe_gid = probe(inode, i_gid.val);
	read_times(record, inode);
	record->header.flags |= layer_of(inode);
	if (probe(inode, i_sb, s_flags) & SB_RDONLY || probe(inode, i_flags) & S_IMMUTABLE)
		record->header.flags |= RECORD_EXE_UNWRITABLE;
}

#endif
