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
 *
 * The registers are not taken as the pointer that ctx[0] is: in the BTF of some kernels (5.10 for connect) its type is a
 * forward declaration, and the verifier refuses to hand out such a pointer. Read as data the same eight bytes are only a
 * number, so what is behind them is read as data too.
 */
static __always_inline s64 trampoline_args(u64 *ctx, struct syscall_args *args)
{
	struct pt_regs *regs = NULL;

	bpf_probe_read_kernel(&regs, sizeof(regs), ctx);
	bpf_core_read(&args->arg[0], sizeof(u64), &syscall_arg1(regs));
	bpf_core_read(&args->arg[1], sizeof(u64), &syscall_arg2(regs));
	bpf_core_read(&args->arg[2], sizeof(u64), &syscall_arg3(regs));
	bpf_core_read(&args->arg[3], sizeof(u64), &syscall_arg4(regs));
	return (s64)ctx[1];
}

SEC("fexit")
int trampoline_openat(u64 *ctx)
{
	struct syscall_args args = {};
	s64 ret = trampoline_args(ctx, &args);

	return handle_openat(&args, ret);
}

SEC("fexit")
int trampoline_connect(u64 *ctx)
{
	struct syscall_args args = {};
	s64 ret = trampoline_args(ctx, &args);

	return handle_connect(&args, ret);
}

/*
 * Backend "dispatcher": one program on the exit of every system call, for kernels that refuse trampolines. What stands
 * before the bitmap test is paid by every system call of the host, so it is a load, a compare and a test against
 * constants; and the rest is a function of its own, so that those who pass by do not save and restore its registers.
 */
static __noinline int dispatch(struct pt_regs *regs, s64 ret)
{
	u64 number = syscall_number(regs);
	struct syscall_args args = {
		.arg = { syscall_arg1(regs), syscall_arg2(regs), syscall_arg3(regs), syscall_arg4(regs) },
	};

	/* A 32-bit call uses other numbers. */
	if (task_in_compat_syscall((struct task_struct *)bpf_get_current_task()))
		return 0;
	if (number == SYSCALL_OPENAT)
		return handle_openat(&args, ret);
	if (number == SYSCALL_CONNECT)
		return handle_connect(&args, ret);
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
