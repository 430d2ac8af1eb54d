/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Everything that depends on the processor: where a system call keeps its number and its arguments. */
#ifndef PINHOLE_ARCH_H
#define PINHOLE_ARCH_H

#include "get.h"

#if defined(__TARGET_ARCH_x86)

/* arch/x86/include/asm/thread_info.h: the task is inside a 32-bit system call. */
#define TS_COMPAT 0x0002
/* arch/x86/include/uapi/asm/unistd.h: a call of the x32 ABI, otherwise numbered as the 64-bit ones. */
#define X32_BIT 0x40000000UL

#define syscall_number(regs) ((regs)->orig_ax & ~X32_BIT)
#define syscall_arguments(regs) \
	{ (regs)->di, (regs)->si, (regs)->dx, (regs)->r10, (regs)->r8, (regs)->r9 }
/* arch/x86/include/asm/syscall_wrapper.h: SC_IA32_REGS_TO_ARGS. */
#define compat_arguments(regs)                                                                  \
	{ (u32)(regs)->bx, (u32)(regs)->cx, (u32)(regs)->dx, (u32)(regs)->si, (u32)(regs)->di, \
	  (u32)(regs)->bp }

#define in_compat_syscall(task) (get(task, thread_info.status) & TS_COMPAT)

#define probe_number(regs) (probe(regs, orig_ax) & ~X32_BIT)

/* The same from registers of which only the address is known. Those that lie side by side are read together. */
static __always_inline void probe_arguments(u64 args[6], const struct pt_regs *regs)
{
	u64 high[3] = {}, low[3] = {};

	bpf_probe_read_kernel(high, sizeof(high), &regs->r10);
	bpf_probe_read_kernel(low, sizeof(low), &regs->dx);
	/* r10, r9, r8 and dx, si, di follow each other (arch/x86/include/asm/ptrace.h). */
	args[0] = low[2];
	args[1] = low[1];
	args[2] = low[0];
	args[3] = high[0];
	args[4] = high[2];
	args[5] = high[1];
}

static __always_inline void probe_compat_arguments(u64 args[6], const struct pt_regs *regs)
{
	args[0] = (u32)probe(regs, bx);
	args[1] = (u32)probe(regs, cx);
	args[2] = (u32)probe(regs, dx);
	args[3] = (u32)probe(regs, si);
	args[4] = (u32)probe(regs, di);
	args[5] = (u32)probe(regs, bp);
}

#elif defined(__TARGET_ARCH_arm64)

/* arch/arm64/include/asm/thread_info.h: TIF_32BIT. */
#define TIF_32BIT 22

#define syscall_number(regs) ((u64)(u32)(regs)->syscallno)
/* The return value overwrites x0; the kernel keeps the first argument aside. */
#define syscall_arguments(regs)                                                                  \
	{ (regs)->orig_x0, (regs)->regs[1], (regs)->regs[2], (regs)->regs[3], (regs)->regs[4], \
	  (regs)->regs[5] }
#define compat_arguments(regs) syscall_arguments(regs)

#define in_compat_syscall(task) (get(task, thread_info.flags) & (1UL << TIF_32BIT))

#define probe_number(regs) ((u64)(u32)probe(regs, syscallno))

static __always_inline void probe_arguments(u64 args[6], const struct pt_regs *regs)
{
	bpf_probe_read_kernel(args, 6 * sizeof(u64), &regs->regs);
	args[0] = probe(regs, orig_x0);
}

#define probe_compat_arguments probe_arguments

#else
#error "unknown architecture: add its registers here"
#endif

#endif
