/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Backend "dispatcher": one program on the exit of every system call, for kernels that refuse trampolines. What stands
 * before the bitmap test is paid by every system call of the host, so it is a load, a compare and a test against
 * constants; and the rest is a function of its own, so that those who pass by do not save and restore its registers.
 */

/* The system calls that the dispatcher looks at, a bit each, by number, whether 64-bit or 32-bit. */
volatile const u64 watched_syscalls[SYSCALLS / 64] = {};

static __noinline int dispatch(struct pt_regs *regs, s64 ret)
{
	u64 number = syscall_number(regs);
	struct call call = { .ret = ret, .number = number };
	struct task_struct *task;

	if (number >= SYSCALLS)
		return 0;
	task = current_task();
	if (!in_compat_syscall(task)) {
		u64 args[] = syscall_arguments(regs);

		call.hook = native_calls[number];
		__builtin_memcpy(call.args, args, sizeof(args));
	} else {
		u64 args[] = compat_arguments(regs);

		call.abi = ABI_I386;
		call.hook = i386_calls[number];
		__builtin_memcpy(call.args, args, sizeof(args));
		if (number == I386_SOCKETCALL && !resolve_socketcall(&call))
			return 0;
	}
	return call.hook ? handle_call(task, &call, ALONE) : 0;
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
