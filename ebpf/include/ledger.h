/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Handing a record over, and the account of it: each run that is seen is also filtered, delivered or dropped, once. */
#ifndef PINHOLE_LEDGER_H
#define PINHOLE_LEDGER_H

#include "maps.h"

static __always_inline struct control *agent_control(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&control, &zero);
}

static __always_inline struct hook_counters *counters_of(u32 hook)
{
	u32 key = bpf_get_smp_processor_id() * HOOK_COUNT + hook;

	return bpf_map_lookup_elem(&counters, &key);
}

/* Atomic, because a trampoline program may be preempted between read and write. */
#define count(counter) __sync_fetch_and_add(&(counter), 1)

static __always_inline struct hook_counters *seen(u32 hook)
{
	struct hook_counters *line = counters_of(hook);

	if (line)
		count(line->seen);
	return line;
}

static __always_inline int filter(struct hook_counters *line)
{
	count(line->filtered);
	return 0;
}

static __always_inline bool hook_enabled(const struct control *c, u32 hook)
{
	return c->hooks & (1u << hook);
}

static __always_inline int drop(struct hook_counters *line)
{
	count(line->dropped);
	return 0;
}

static __always_inline struct scratch *scratch_of(u32 slot)
{
	return bpf_map_lookup_elem(&scratches, &slot);
}

#define CUT (RECORD_ARGS_TRUNCATED | RECORD_REQUEST_TRUNCATED | RECORD_CGROUP_TRUNCATED)
#define UNREAD (RECORD_ARGS_UNREADABLE | RECORD_REQUEST_UNREADABLE | RECORD_CGROUP_UNREADABLE)

/* Wakes the reader without telling it anything: a record that is given back at once. */
static __always_inline void kick(void)
{
	void *nothing = bpf_ringbuf_reserve(&events, sizeof(u64), 0);

	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

/* Hands the record in the scratch over. path_flags joins those of all paths in it. */
static __always_inline bool send(struct control *c, struct hook_counters *line, struct scratch *s, u32 path_flags)
{
	struct record_header *header = &s->header;
	u64 size = s->size;
	u64 wake = BPF_RB_NO_WAKEUP;
	struct cpu_state *cpu;
	u32 zero = 0, flags = header->flags;

	asm volatile("" : "+r"(size));
	cpu = bpf_map_lookup_elem(&cpus, &zero);
	if (!cpu || size > SCRATCH_SIZE) {
		count(line->dropped);
		return false;
	}
	header->size = size;
	header->lost = cpu->lost;
	if (c->reader_waiting)
		wake = BPF_RB_FORCE_WAKEUP;
	if (bpf_ringbuf_output(&events, s->data, size, wake)) {
		count(line->dropped);
		__sync_fetch_and_add(&cpu->lost, 1);
		return false;
	}
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
