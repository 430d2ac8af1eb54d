/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Open files. They may be closed at any time by another thread, so only their address is kept and what is read is data. */
#ifndef PINHOLE_FILE_H
#define PINHOLE_FILE_H

#include "path.h"

#define S_IFMT 0170000
#define S_IFSOCK 0140000
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
 * Whether a file of an overlay was written above the image. In struct ovl_inode the dentry of the upper layer follows
 * the inode (fs/overlayfs/ovl_entry.h, since Linux 4.19); overlayfs may be a module, whose types are not at hand.
 */
static __always_inline bool in_upper_layer(struct file *file)
{
	struct inode *inode;
	u64 upper = 0;

	if (!may_probe())
		return false;
	inode = probe(file, f_inode);
	if (probe(inode, i_sb, s_magic) != OVERLAYFS_SUPER_MAGIC)
		return false;
	bpf_probe_read_kernel(&upper, sizeof(upper), (void *)inode + bpf_core_type_size(struct inode));
	return upper != 0;
}

#endif
