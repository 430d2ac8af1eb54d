/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Everything that depends on the processor: where a system call keeps its number and its arguments. */
#ifndef PINHOLE_ARCH_H
#define PINHOLE_ARCH_H

#include "kernel.h"

#if defined(__TARGET_ARCH_x86)

/* arch/x86/include/asm/thread_info.h: the task is inside a 32-bit system call. */
#define TS_COMPAT 0x0002

#define SYSCALL_OPENAT 257
#define SYSCALL_CONNECT 42

#define syscall_number(regs) ((regs)->orig_ax)
#define syscall_arg1(regs) ((regs)->di)
#define syscall_arg2(regs) ((regs)->si)
#define syscall_arg3(regs) ((regs)->dx)
#define syscall_arg4(regs) ((regs)->r10)

#define task_in_compat_syscall(task) (BPF_CORE_READ(task, thread_info.status) & TS_COMPAT)

#elif defined(__TARGET_ARCH_arm64)

/* arch/arm64/include/asm/thread_info.h: TIF_32BIT. */
#define TIF_32BIT 22

#define SYSCALL_OPENAT 56
#define SYSCALL_CONNECT 203

#define syscall_number(regs) ((u64)(u32)(regs)->syscallno)
/* The return value overwrites x0; the kernel keeps the first argument aside. */
#define syscall_arg1(regs) ((regs)->orig_x0)
#define syscall_arg2(regs) ((regs)->regs[1])
#define syscall_arg3(regs) ((regs)->regs[2])
#define syscall_arg4(regs) ((regs)->regs[3])

#define task_in_compat_syscall(task) (BPF_CORE_READ(task, thread_info.flags) & (1UL << TIF_32BIT))

#else
#error "unknown architecture: add its registers and system call numbers here"
#endif

/* The arguments of a system call as the process passed them. */
struct syscall_args {
	u64 arg[4];
};

#endif
