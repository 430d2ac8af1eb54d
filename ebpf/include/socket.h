/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the kernel knows of a socket: its kind, and both ends where it has them. */
#ifndef PINHOLE_SOCKET_H
#define PINHOLE_SOCKET_H

#include "part.h"

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define AF_PACKET 17

/* Appends the sun_path of a unix socket, if it has a name. Returns its size. */
static __always_inline u16 append_unix_name(struct scratch *s, struct sock *sk)
{
	struct unix_address *address = probe((struct unix_sock *)sk, addr);
	/* The name begins with the family, and the length counts that too. */
	s32 size = address ? probe(address, len) - (s32)sizeof(u16) : 0;
	u64 off = used(s), length;

	opaque(off);
	if (size <= 0 || off > SCRATCH_SIZE - BYTES_LIMIT)
		return 0;
	length = size;
	opaque(length);
	if (length > UNIX_PATH_SIZE)
		length = UNIX_PATH_SIZE;
	show_bound(length, 127);
	if (bpf_probe_read_kernel(&s->data[off], length,
				  (void *)address + bpf_core_type_size(struct unix_address) + sizeof(u16)))
		return 0;
	used(s) = off + length;
	return length;
}

static __always_inline int append_socket(struct scratch *s, struct file *file, u64 inode, u8 of)
{
	struct socket *socket = probe(file, private_data);
	struct sock *sk = probe(socket, sk), *other;
	struct part *part = begin_part(s, PART_SOCKET, of);
	struct socket_part *body;
	void *head = s->trail.head;

	if (!part)
		return 0;
	body = append(s, sizeof(*body));
	if (!body)
		return 0;
	__builtin_memset(body, 0, sizeof(*body));
	body->inode = inode;
	if (!sk || bpf_probe_read_kernel(head, SOCKET_HEAD, sk)) {
		unreadable(s, part);
		end_part(s, part);
		return 0;
	}
	body->kind = BPF_CORE_READ_BITFIELD_PROBED(sk, sk_type);
	body->protocol = BPF_CORE_READ_BITFIELD_PROBED(sk, sk_protocol);
	body->family = copied_as(u16, head, SOCKET_HEAD, struct sock_common, skc_family);
	body->state = copied_as(u8, head, SOCKET_HEAD, struct sock_common, skc_state);
	if (body->family == AF_INET || body->family == AF_INET6) {
		body->source_port = __builtin_bswap16(copied_as(u16, head, SOCKET_HEAD, struct sock_common, skc_num));
		body->destination_port = copied_as(u16, head, SOCKET_HEAD, struct sock_common, skc_dport);
	}
	if (body->family == AF_INET) {
		*(u32 *)body->source = copied_as(u32, head, SOCKET_HEAD, struct sock_common, skc_rcv_saddr);
		*(u32 *)body->destination = copied_as(u32, head, SOCKET_HEAD, struct sock_common, skc_daddr);
	} else if (body->family == AF_INET6 && bpf_core_field_exists(struct sock_common, skc_v6_daddr)) {
		bpf_probe_read_kernel(body->source, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_probe_read_kernel(body->destination, 16, &sk->__sk_common.skc_v6_daddr);
	} else if (body->family == AF_UNIX && bpf_core_type_exists(struct unix_sock)) {
		body->source_size = append_unix_name(s, sk);
		other = probe((struct unix_sock *)sk, peer);
		if (other)
			body->destination_size = append_unix_name(s, other);
	}
	end_part(s, part);
	return 0;
}

#endif
