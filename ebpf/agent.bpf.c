/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The programs of the agent. One object, because they share their maps; the loader loads only those programs that the
 * chosen backend and the watched events need. Compiled a second time with PINHOLE_REDUCED, see get.h.
 *
 * Attached by BPF links only (tp_btf, fexit): no perf event, no tracefs, nothing that perf_event_paranoid forbids.
 */
#include "task.h"
#include "socket.h"
#include "prefilter.h"

#include "hooks/process.h"
#include "hooks/canary.h"
#include "hooks/call.h"
#ifndef PINHOLE_REDUCED
#include "hooks/cgroup.h"
#include "hooks/trampoline.h"
#endif
#include "hooks/dispatcher.h"

char LICENSE[] SEC("license") = "GPL";
