/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Backend "trampoline": a program on the exit of each watched system call. The others do not notice.
 *
 * The programs are numbered, not named: which functions they are attached to is decided by the agent. All they do is to
 * go on to one common program, so that the verifier has to check the work once and not for each call.
 */

/*
 * The registers are not taken as the pointer that ctx[0] is: in the BTF of some kernels (5.10 for connect) its type is a
 * forward declaration, and the verifier refuses to hand out such a pointer. Read as data the same eight bytes are only a
 * number, so what is behind them is read as data too.
 */
static __always_inline int on_exit(u64 *ctx)
{
	const struct pt_regs *regs = NULL;
	struct call call = {};
	u64 number;

	bpf_probe_read_kernel(&regs, sizeof(regs), ctx);
	number = probe_number(regs);
	if (number >= SYSCALLS)
		return 0;
	call.ret = (s64)ctx[1];
	call.number = number;
	if (!in_compat_syscall(current_task())) {
		call.hook = native_calls[number];
		probe_arguments(call.args, regs);
	} else {
		call.abi = ABI_I386;
		call.hook = i386_calls[number];
		probe_compat_arguments(call.args, regs);
		if (number == I386_SOCKETCALL && !resolve_socketcall(&call))
			return 0;
	}
	return call.hook ? handle_call(&call) : 0;
}

/*
 * Newer kernels allow tail calls only between programs on functions of one type, and system calls come in two: those
 * that take arguments and those that ignore theirs name their only parameter differently. So all of this is there twice.
 */
#define COMMON(group)                                 \
	SEC("fexit")                                  \
	int trampoline_##group(u64 *ctx)              \
	{                                             \
		return on_exit(ctx);                  \
	}                                             \
	struct {                                      \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY); \
		__uint(max_entries, 1);               \
		__type(key, u32);                     \
		__type(value, u32);                   \
	} common_##group SEC(".maps");

COMMON(a)
COMMON(b)

#define TRAMPOLINE(group, slot)                         \
	SEC("fexit")                                    \
	int trampoline_##group##_##slot(u64 *ctx)       \
	{                                               \
		bpf_tail_call(ctx, &common_##group, 0); \
		return 0;                               \
	}

#define EIGHT(group, tens)                                                                            \
	TRAMPOLINE(group, tens##0) TRAMPOLINE(group, tens##1) TRAMPOLINE(group, tens##2)             \
	TRAMPOLINE(group, tens##3) TRAMPOLINE(group, tens##4) TRAMPOLINE(group, tens##5)             \
	TRAMPOLINE(group, tens##6) TRAMPOLINE(group, tens##7)

#define HUNDRED_TWENTY_EIGHT(group)                                                                  \
	EIGHT(group, 0) EIGHT(group, 1) EIGHT(group, 2) EIGHT(group, 3) EIGHT(group, 4) EIGHT(group, 5) \
	EIGHT(group, 6) EIGHT(group, 7) EIGHT(group, 8) EIGHT(group, 9) EIGHT(group, 10)             \
	EIGHT(group, 11) EIGHT(group, 12) EIGHT(group, 13) EIGHT(group, 14) EIGHT(group, 15)

HUNDRED_TWENTY_EIGHT(a)
HUNDRED_TWENTY_EIGHT(b)
