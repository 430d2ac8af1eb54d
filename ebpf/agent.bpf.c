/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The programs of the agent. One object, because they share their maps; the loader loads only those programs that the
 * chosen backend and the watched events need.
 *
 * Attached by BPF links only (tp_btf, fexit): no perf event, no tracefs, nothing that perf_event_paranoid forbids.
 */
#include "maps.h"
#include "task.h"

#include "hooks/process.h"
#include "hooks/file.h"
#include "hooks/network.h"

/*
 * Backend "trampoline": a program on the exit of each watched system call. The others do not notice.
 */
SEC("fexit")
int trampoline_openat(u64 *ctx)
{
	return handle_openat((void *)ctx[0], (s64)ctx[1]);
}

SEC("fexit")
int trampoline_connect(u64 *ctx)
{
	struct connect_args args = {};
	struct pt_regs *regs;
	u64 fd, address, size;

	/*
	 * Not `ctx[0]`: in the BTF of 5.10 this argument's type is a forward declaration, and the verifier refuses to hand
	 * out such a pointer. The same eight bytes read as data are a number to it, so what is behind them is read too.
	 */
	if (bpf_probe_read_kernel(&regs, sizeof(regs), ctx) || bpf_core_read(&fd, sizeof(fd), &syscall_arg1(regs)) ||
	    bpf_core_read(&address, sizeof(address), &syscall_arg2(regs)) ||
	    bpf_core_read(&size, sizeof(size), &syscall_arg3(regs)))
		return 0;
	args.fd = (s32)fd;
	args.address = (void *)address;
	args.size = size;
	return handle_connect(&args, (s64)ctx[1]);
}

/*
 * Backend "dispatcher": one program on the exit of every system call, for kernels that refuse trampolines. What stands
 * before the bitmap test is paid by every system call of the host, so it is a load, a compare and a test against
 * constants; and the rest is a function of its own, so that those who pass by do not save and restore its registers.
 */
static __noinline int dispatch(struct pt_regs *regs, s64 ret)
{
	u64 number = syscall_number(regs);

	/* A 32-bit call uses other numbers. */
	if (task_in_compat_syscall((struct task_struct *)bpf_get_current_task()))
		return 0;
	if (number == SYSCALL_OPENAT)
		return handle_openat(regs, ret);
	if (number == SYSCALL_CONNECT) {
		struct connect_args args = {
			.fd = (s32)syscall_arg1(regs),
			.address = (void *)syscall_arg2(regs),
			.size = syscall_arg3(regs),
		};

		return handle_connect(&args, ret);
	}
	return 0;
}

SEC("tp_btf/sys_exit")
int dispatcher(u64 *ctx)
{
	struct pt_regs *regs = (void *)ctx[0];
	u64 number = syscall_number(regs);

	if (number >= SYSCALLS || !(watched_syscalls[number / 64] & (1UL << (number % 64))))
		return 0;
	return dispatch(regs, (s64)ctx[1]);
}

char LICENSE[] SEC("license") = "GPL";
