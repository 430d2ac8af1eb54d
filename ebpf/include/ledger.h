/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Handing a record over, and the account of it: each run that is seen is also filtered, delivered or dropped, once. */
#ifndef PINHOLE_LEDGER_H
#define PINHOLE_LEDGER_H

#include "maps.h"

/* Keeps the compiler from proving a bound that the verifier then cannot see. */
#define opaque(value) asm volatile("" : "+r"(value))

/*
 * Ends the turn of a loop. Old kernels (6.1 does, 6.12 does not) accept a way back only from a jump, and where the
 * compiler puts a loop's first instruction is up to it: any other may happen to be followed right by it.
 */
#define end_turn() asm volatile("goto +0")

/*
 * Shows the verifier a bound of a value that is smaller anyway, at the last moment: old kernels forget what they knew of
 * a value that the compiler put aside.
 */
#define show_bound(value, mask) asm volatile("%0 &= %1" : "+r"(value) : "i"(mask))

static __always_inline struct control *agent_control(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&control, &zero);
}

static __always_inline struct cpu_state *this_cpu(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&cpus, &zero);
}

/* Atomic, because a trampoline program may be preempted between read and write. */
#define count(counter) __sync_fetch_and_add(&(counter), 1)

/*
 * Whether, while a program runs, nobody else on its CPU can come to what it and its like share: true of the one program of
 * the backend "dispatcher". Up to Linux 6.0 tracepoints switch preemption off; from then on the kernel skips a run of a raw
 * tracepoint's program where one is under way on that CPU (__bpf_trace_run() in kernel/trace/bpf_trace.c). Trampolines are
 * many programs, any of which may come between two steps of another. What is known to be exclusive needs no atomic, which
 * takes longer than all else of a step.
 */
enum company {
	SHARED,
	ALONE,
};

static __always_inline void tally(u64 *counter, enum company company)
{
	if (company == ALONE)
		*(volatile u64 *)counter += 1;
	else
		count(*counter);
}

static __always_inline struct hook_counters *line_of(u32 hook)
{
	u32 key = bpf_get_smp_processor_id() * HOOKS + hook;

	return bpf_map_lookup_elem(&counters, &key);
}

static __always_inline struct hook_counters *seen(u32 hook, enum company company)
{
	struct hook_counters *line = line_of(hook);

	if (line)
		tally(&line->seen, company);
	return line;
}

static __always_inline int filter(struct hook_counters *line, enum company company)
{
	tally(&line->filtered, company);
	return 0;
}

static __always_inline int drop(struct hook_counters *line)
{
	struct cpu_state *cpu = this_cpu();

	count(line->dropped);
	if (cpu)
		count(cpu->lost);
	return 0;
}

static __always_inline bool hook_enabled(const struct control *c, u32 hook)
{
	return c->hooks[(hook / 64) % (HOOKS / 64)] & (1UL << (hook % 64));
}

static __always_inline bool is_agent(const struct control *c, u32 pid)
{
	return c->agent_pid && c->agent_pid == pid;
}

/*
 * Whether a room of one CPU is one's own until leave(): a task that came between two steps of another's, which is in it,
 * does not get it. Of two that come between each other both may be refused, and that is all.
 */
static __always_inline bool enter(u64 *users, enum company company)
{
	if (company == ALONE)
		return true;
	__sync_fetch_and_add(users, 1);
	if (*(volatile u64 *)users == 1)
		return true;
	__sync_fetch_and_add(users, -1);
	return false;
}

static __always_inline void leave(u64 *users, enum company company)
{
	if (company != ALONE)
		__sync_fetch_and_add(users, -1);
}

/* A place of one's own until release(). NULL when all are taken: the record is then lost, and counted. */
static __always_inline struct scratch *claim(u32 purpose)
{
	struct scratch *s;
	u32 key;

	for (u32 i = 0; i < PLACES; i++) {
		key = purpose * PLACES + i;
		s = bpf_map_lookup_elem(&scratches, &key);
		if (!s)
			return NULL;
		if (enter(&s->users, SHARED)) {
			s->place = key;
			return s;
		}
	}
	return NULL;
}

/*
 * The claimed place by its number. Functions that the verifier shall check by themselves, once for all who call them,
 * take numbers and no pointers: kernels before 5.12 know no other arguments for them.
 */
static __always_inline struct scratch *place_of(u32 place)
{
	return bpf_map_lookup_elem(&scratches, &place);
}

static __always_inline void release(struct scratch *s)
{
	leave(&s->users, SHARED);
}

#define CUT (RECORD_ARGS_TRUNCATED | RECORD_PART_TRUNCATED | RECORD_CGROUP_TRUNCATED)
#define UNREAD (RECORD_ARGS_UNREADABLE | RECORD_PART_UNREADABLE | RECORD_CGROUP_UNREADABLE)

/* Wakes the reader without telling it anything: a record that is given back at once. */
static __always_inline void kick(void)
{
	void *nothing = bpf_ringbuf_reserve(&events, sizeof(u64), 0);

	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

/*
 * Hands the record in the scratch over. path_flags joins those of all paths in it. Records of system calls are refused
 * before the ring is full, so that a flood of them leaves room for the life of processes and of cgroups, and for the
 * snapshots, without which the events that do fit would mean nothing.
 */
static __always_inline bool send(struct control *c, struct hook_counters *line, struct scratch *s, u32 path_flags)
{
	struct record_header *header = &s->header;
	struct cpu_state *cpu = this_cpu();
	u64 size = s->size;
	u64 wake = BPF_RB_NO_WAKEUP;
	u32 flags = header->flags;
	u64 fill;

	opaque(size);
	if (!cpu)
		return false;
	if (size > SCRATCH_SIZE)
		return drop(line);
	header->size = size;
	header->lost = cpu->lost;
	fill = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);
	if (fill > line->peak_fill)
		line->peak_fill = fill;
	if (header->hook >= HOOK_CALLS && fill > ring_share_of_calls)
		return drop(line);
	if (c->reader_waiting)
		wake = BPF_RB_FORCE_WAKEUP;
	if (bpf_ringbuf_output(&events, s->data, size, wake))
		return drop(line);
	if (c->reader_waiting) {
		/* The reader fell asleep while the record was on its way, perhaps without having seen it. */
		if (wake == BPF_RB_NO_WAKEUP)
			kick();
		/* One wake-up is enough: the reader drains the ring before it sleeps again. */
		c->reader_waiting = 0;
	}
	count(line->delivered);
	if ((flags & CUT) || (path_flags & PATH_TRUNCATED))
		count(line->truncated);
	if ((flags & UNREAD) || (path_flags & PATH_UNREADABLE))
		count(line->unreadable);
	return true;
}

#endif
