/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Sockets. What was asked for comes from the process, what came of it from the kernel's socket. */

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define S_IFMT 0170000
#define S_IFSOCK 0140000

/* The beginning of every sockaddr that is understood here (include/uapi/linux/{in,in6,un}.h). */
struct address {
	u16 family;
	u16 port;
	union {
		u8 v4[4];
		struct {
			u32 flowinfo;
			u8 v6[16];
		};
	};
};

static __always_inline void read_socket(struct connect_record *record, struct file *file)
{
	struct socket *socket;
	struct sock *sk;
	u16 family;

	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	if (!sk)
		return;
	record->header.flags |= RECORD_SOCKET_KNOWN;
	record->protocol = BPF_CORE_READ_BITFIELD_PROBED(sk, sk_protocol);
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	record->socket_family = family;
	record->source_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_num));
	record->destination_port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	if (family == AF_INET) {
		bpf_probe_read_kernel(record->source_address, 4, &sk->__sk_common.skc_rcv_saddr);
		bpf_probe_read_kernel(record->destination_address, 4, &sk->__sk_common.skc_daddr);
	} else if (family == AF_INET6 && bpf_core_field_exists(sk->__sk_common.skc_v6_daddr)) {
		bpf_probe_read_kernel(record->source_address, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_probe_read_kernel(record->destination_address, 16, &sk->__sk_common.skc_v6_daddr);
	} else {
		record->source_port = 0;
		record->destination_port = 0;
	}
}

static __always_inline int handle_connect(const struct syscall_args *args, s64 ret)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct hook_counters *line = seen(HOOK_CONNECT);
	struct control *c = agent_control();
	struct scratch *s = scratch_of(HOOK_CONNECT);
	struct connect_record *record;
	u64 size;
	struct address address = {};
	const void *user = (void *)args->arg[1];
	struct file *file;

	if (!line || !c)
		return 0;
	if (!hook_enabled(c, HOOK_CONNECT) || is_agent(c, bpf_get_current_pid_tgid() >> 32))
		return filter(line);
	if (!s)
		return drop(line);
	record = &s->connect;
	__builtin_memset(record, 0, sizeof(*record));
	fill_header(&record->header, task, HOOK_CONNECT);
	introduce(c, task, &record->header);
	record->ret = ret;
	record->fd = (s32)args->arg[0];

	/* An int to the kernel, whatever the upper half of the register holds. */
	size = (u32)args->arg[2];
	if (size < sizeof(u16) || bpf_probe_read_user(&record->family, sizeof(u16), user)) {
		record->header.flags |= RECORD_REQUEST_UNREADABLE;
	} else if (record->family == AF_UNIX) {
		size -= sizeof(u16);
		opaque(size);
		if (size > UNIX_PATH_SIZE)
			size = UNIX_PATH_SIZE;
		if (size && bpf_probe_read_user(&s->data[sizeof(*record)], size, user + sizeof(u16)))
			record->header.flags |= RECORD_REQUEST_UNREADABLE;
		else
			record->path_size = size;
	} else if (record->family == AF_INET || record->family == AF_INET6) {
		u32 want = record->family == AF_INET ? 8 : 24;

		if (size < want || bpf_probe_read_user(&address, want & 31, user)) {
			record->header.flags |= RECORD_REQUEST_UNREADABLE;
		} else {
			record->requested_port = address.port;
			if (record->family == AF_INET)
				__builtin_memcpy(record->requested_address, address.v4, 4);
			else
				__builtin_memcpy(record->requested_address, address.v6, 16);
		}
	}

	file = file_of(task, record->fd);
	if (file)
		read_socket(record, file);
	s->size = sizeof(*record) + record->path_size;
	send(c, line, s, 0);
	return 0;
}
