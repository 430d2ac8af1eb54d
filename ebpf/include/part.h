/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The parts of a record of a system call: begun, filled, ended. */
#ifndef PINHOLE_PART_H
#define PINHOLE_PART_H

#include "path.h"

/* The largest part, with its head: a path and its name beyond the limit. */
#define PART_LIMIT (PATH_LIMIT + NAME_LIMIT + 128)

/* Begins a part at the next multiple of eight. NULL when the record is full, which no row of the table can make it. */
static __always_inline struct part *begin_part(struct scratch *s, u8 kind, u8 of)
{
	u64 off = (used(s) + 7) & ~7UL;
	struct part *part;

	opaque(off);
	if (off > SCRATCH_SIZE - PART_LIMIT) {
		s->header.flags |= RECORD_PART_TRUNCATED;
		return NULL;
	}
	part = (struct part *)&s->data[off];
	part->kind = kind;
	part->of = of;
	part->reserved = 0;
	part->flags = 0;
	part->size = 0;
	part->reserved2 = 0;
	used(s) = off + sizeof(*part);
	return part;
}

/* Ends a part with what was appended since it began. */
static __always_inline void end_part(struct scratch *s, struct part *part)
{
	part->size = used(s) - ((u64)part - (u64)s->data) - sizeof(*part);
	s->call.part_count++;
}

/* Room for size bytes, a constant below PART_LIMIT, right after what was appended last. */
static __always_inline void *append(struct scratch *s, u64 size)
{
	u64 off = used(s);

	opaque(off);
	if (off > SCRATCH_SIZE - PART_LIMIT)
		return NULL;
	used(s) = off + size;
	return &s->data[off];
}

static __always_inline void unreadable(struct scratch *s, struct part *part)
{
	part->flags |= PATH_UNREADABLE;
	s->header.flags |= RECORD_PART_UNREADABLE;
}

/* A string of the process. Returns its first byte, or a negative number when it cannot be read. */
static __always_inline int append_text(struct scratch *s, const void *user, u8 of)
{
	struct part *part = begin_part(s, PART_TEXT, of);
	u64 off = used(s);
	long size;
	int first = -1;

	opaque(off);
	if (!part || off > SCRATCH_SIZE - PATH_LIMIT - 1)
		return -1;
	size = bpf_probe_read_user_str(&s->data[off], PATH_LIMIT + 1, user);
	if (size <= 0) {
		unreadable(s, part);
	} else {
		first = s->data[off];
		used(s) = off + size;
		if (size == PATH_LIMIT + 1) {
			part->flags |= PATH_TRUNCATED;
			s->header.flags |= RECORD_PART_TRUNCATED;
		}
	}
	end_part(s, part);
	return first;
}

/* Bytes of the process. Returns where they are. */
static __always_inline void *append_bytes(struct scratch *s, const void *user, u32 size, u8 of)
{
	struct part *part = begin_part(s, PART_BYTES, of);
	u64 off = used(s), length = size;

	opaque(off);
	if (!part || off > SCRATCH_SIZE - 256)
		return NULL;
	if (length > BYTES_LIMIT) {
		length = BYTES_LIMIT;
		part->flags |= PATH_TRUNCATED;
	}
	opaque(length);
	/* What a short address leaves of struct flow. */
	__builtin_memset(&s->data[off], 0, sizeof(s->flow.address));
	show_bound(length, 255);
	if (!length || bpf_probe_read_user(&s->data[off], length, user))
		unreadable(s, part);
	else
		used(s) = off + length;
	end_part(s, part);
	return &s->data[off];
}

#endif
