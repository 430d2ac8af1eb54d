//! What the agent may use: locked memory, CPU time, memory.

use serde_json::json;

use super::super::change::{Change, Op};
use super::super::facts::host::ResourceFacts;
use super::super::facts::{Facts, Place};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::kernel::version;
use super::thread::in_container;
use super::{agent, grant, mebibytes, memory};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-RES-001",
        area: "resources",
        title: "Maps can be locked in memory",
        weight: Weight::Blocks,
        needs: &[Need::Kernel, Need::Capture, Need::Agent],
        depends_on: &[Edge::Needs("PIN-CAP-001")],
        judge: Some(locked),
        offline: Some(super::offline::limits::memlock),
        page: include_str!("../pages/PIN-RES-001.md"),
    },
    Definition {
        id: "PIN-RES-002",
        area: "resources",
        title: "The agent is not throttled",
        weight: Weight::Major,
        needs: &[Need::Process],
        depends_on: &[],
        judge: Some(throttled),
        offline: None,
        page: include_str!("../pages/PIN-RES-002.md"),
    },
    Definition {
        id: "PIN-RES-003",
        area: "resources",
        title: "Memory is not near its limit",
        weight: Weight::Major,
        needs: &[Need::Process, Need::Agent],
        depends_on: &[Edge::Needs("PIN-BPF-003")],
        judge: Some(near_limit),
        offline: None,
        page: include_str!("../pages/PIN-RES-003.md"),
    },
];

/// First release that counts maps towards the memory limit of a cgroup instead.
const CHARGED_ELSEWHERE: (u32, u32) = (5, 11);

/// Whether this kernel counts maps against RLIMIT_MEMLOCK. One that is not known is taken for a new one.
pub(super) fn counts_locked(facts: &Facts) -> bool {
    matches!(&facts.kernel.value, Ok(kernel) if version(&kernel.release).is_some_and(|it| it < CHARGED_ELSEWHERE))
}

/// The check that finds a limit on locked memory too low, where it is.
pub(super) fn too_little_locked(facts: &Facts) -> Option<&'static str> {
    let capture = facts.capture.value.as_ref().ok()?;
    let refused = [&capture.object, &capture.base]
        .into_iter()
        .any(|result| matches!(result, Err(failure) if failure.errno == Some(libc::EPERM)));
    let limited = counts_locked(facts) && capture.memlock.is_some();
    (refused && limited && agent(facts).is_none()).then_some("PIN-RES-001")
}

/// PIN-RES-001.
fn locked(facts: &Facts) -> Finding {
    const EXPECTED: &str = "no limit, or one above what the maps take";
    if let Err(gap) = &facts.kernel.value {
        return Finding::gap(gap);
    }
    if agent(facts).is_some() {
        return Finding::ok("the running agent has its maps")
            .observed("made")
            .expected(EXPECTED)
            .evidence(&facts.live, "GetStatus hooks", "attached");
    }
    let capture = match &facts.capture.value {
        Ok(capture) => capture,
        Err(_) if !counts_locked(facts) => {
            return Finding::skipped("from Linux 5.11 on maps do not count as locked memory");
        }
        Err(gap) => return Finding::gap(gap),
    };
    let limit = capture.memlock.filter(|_| counts_locked(facts));
    let said = limit.map_or_else(|| "unlimited, or not counted".to_owned(), |limit| limit.to_string());
    let finding = match limit {
        Some(limit) if too_little_locked(facts).is_some() => Finding::fail(format!(
            "the kernel counts maps against RLIMIT_MEMLOCK, and a limit of {:.1} MiB is too low for them",
            mebibytes(limit)
        ))
        .impact(
            "A map beyond the limit is refused as if a capability lacked; the agent captures nothing.",
            &["capture"],
            &[],
        )
        .remedy(
            "Kernels before 5.11 count maps against it. Raise the limit, make the ring smaller, or grant CAP_SYS_RESOURCE, with \
             which the agent lifts the limit itself: in the manifest and among the binary's file capabilities, both.",
            match facts.place {
                Place::Kubernetes => &[
                    "securityContext:\n  capabilities:\n    drop: [ALL]\n    add: [BPF, PERFMON, SYS_RESOURCE]",
                    "agent manifest --with memlock",
                    "FILE_CAPABILITIES=cap_bpf,cap_perfmon,cap_sys_resource=p image/build BINARY DIRECTORY",
                    "PINHOLE_CAPTURE_RING_SIZE=1MiB",
                ],
                Place::Container => &["--ulimit memlock=-1", "PINHOLE_CAPTURE_RING_SIZE=1MiB"],
                Place::Host => &["LimitMEMLOCK=infinity", "ulimit -l unlimited"],
            },
        )
        .changes(grant::capabilities(facts, true))
        .change(Change::node(
            "file capabilities of the agent",
            "cap_bpf,cap_perfmon,cap_sys_resource=p",
        )),
        _ => Finding::ok("no limit on locked memory is in the way"),
    };
    finding
        .observed(said.clone())
        .expected(EXPECTED)
        .evidence(&facts.capture, "RLIMIT_MEMLOCK", said)
}

fn own(facts: &Facts) -> Result<&ResourceFacts, Box<Finding>> {
    in_container(facts)?;
    facts
        .resources
        .value
        .as_ref()
        .map_err(|gap| Box::new(Finding::gap(gap)))
}

/// PIN-RES-002.
fn throttled(facts: &Facts) -> Finding {
    /// A start takes more than what follows, so a few are no sign of anything.
    const FEW_PERIODS: u64 = 50;
    /// Of all periods, in percent.
    const SHARE: u64 = 5;
    let cpu = match own(facts) {
        Ok(resources) => &resources.cpu,
        Err(finding) => return *finding,
    };
    let Some(cpu) = cpu else {
        return Finding::skipped("the counters of this container's CPU time are not in sight");
    };
    let quota = cpu.quota_us.filter(|_| cpu.period_us > 0);
    let is_throttled = cpu.periods >= FEW_PERIODS && cpu.throttled.saturating_mul(100) >= cpu.periods * SHARE;
    let finding = match quota {
        None => Finding::ok("CPU time is not limited"),
        Some(_) if !is_throttled => Finding::ok("the limit of CPU time is not felt"),
        Some(quota) => Finding::warn(format!(
            "stopped in {} of {} periods for using more than {} m of CPU",
            cpu.throttled,
            cpu.periods,
            quota * 1000 / cpu.period_us
        ))
        .impact(
            "While it is stopped the agent does not read its ring: a burst of events that it would have managed is lost.",
            &["loss"],
            &[],
        )
        .remedy(
            "Take the limit of CPU away: a request is what the scheduler needs, and the agent's use is bounded by what happens on \
             the node.",
            match facts.place {
                Place::Kubernetes => &["resources:\n  limits:\n    cpu: null"],
                Place::Container | Place::Host => &["leave out --cpus and --cpu-quota"],
            },
        )
        .changes(grant::pod_only(
            facts,
            Change::container(Op::Remove, "/resources/limits/cpu", ()),
        )),
    };
    let mut observed = json!({ "periods": cpu.periods, "throttled": cpu.throttled, "throttled_us": cpu.throttled_us });
    if let Some(quota) = quota {
        observed["quota_us"] = json!(quota);
        observed["period_us"] = json!(cpu.period_us);
    }
    finding
        .observed(observed.clone())
        .expected(json!({ "throttled": format!("< {SHARE} % of the periods") }))
        .evidence(&facts.resources, cpu.file.display().to_string(), observed)
}

/// PIN-RES-003.
fn near_limit(facts: &Facts) -> Finding {
    /// Of the limit, in percent.
    const NEAR: u64 = 90;
    let memory = match own(facts) {
        Ok(resources) => &resources.memory,
        Err(finding) => return *finding,
    };
    let Some(memory) = memory else {
        return Finding::skipped("the counters of this container's memory are not in sight");
    };
    if memory::leaves_too_little(facts) {
        return Finding::skipped("the limit is too low for the kernel side alone").blocked_by("PIN-BPF-003");
    }
    let near = memory
        .limit
        .filter(|limit| memory.working_set.saturating_mul(100) >= limit.saturating_mul(NEAR));
    let used = mebibytes(memory.working_set);
    let finding = match (near, memory.limit) {
        (Some(limit), _) => Finding::warn(format!(
            "{used:.1} MiB of {:.1} MiB of memory are in use",
            mebibytes(limit)
        )),
        (None, limit) if memory.oom_kills > 0 => Finding::warn(format!(
            "the kernel has ended {} processes of this container for lack of memory{}",
            memory.oom_kills,
            limit.map_or_else(String::new, |limit| format!(
                ", of which it may use {:.1} MiB",
                mebibytes(limit)
            ))
        )),
        (None, Some(limit)) => Finding::ok(format!("{used:.1} MiB of {:.1} MiB are in use", mebibytes(limit))),
        (None, None) => Finding::ok(format!("{used:.1} MiB are in use, without a limit")),
    };
    let finding = if near.is_some() || memory.oom_kills > 0 {
        // Half as much again as there is need for.
        let need = memory.working_set.max(memory.limit.unwrap_or(0));
        let wanted = need.saturating_add(need / 2).div_ceil(1 << 20);
        finding
            .impact(
                "At the limit the kernel ends the agent, and what happens until it is back is not seen.",
                &["capture"],
                &[],
            )
            .remedy(
                "Raise the limit, or make the caches smaller: runtime.cache_size, capture.processes, capture.ring_size.",
                &match facts.place {
                    Place::Kubernetes => [format!("resources:\n  limits:\n    memory: {wanted}Mi")],
                    Place::Container => [format!("--memory {wanted}m")],
                    Place::Host => [format!("MemoryMax={wanted}M")],
                }
                .each_ref()
                .map(String::as_str),
            )
            .changes(grant::pod_only(
                facts,
                Change::container(Op::Add, "/resources/limits/memory", format!("{wanted}Mi")),
            ))
    } else {
        finding
    };
    let mut observed = json!({ "working_set": memory.working_set, "oom_kills": memory.oom_kills });
    if let Some(limit) = memory.limit {
        observed["limit"] = json!(limit);
    }
    let finding = finding
        .observed(observed.clone())
        .expected(json!({ "working_set": format!("< {NEAR} % of the limit"), "oom_kills": 0 }))
        .evidence(&facts.resources, memory.file.display().to_string(), observed);
    match agent(facts).and_then(|agent| agent.second.process.as_ref()) {
        Some(process) => finding.evidence(&facts.live, "GetStatus process.rss_bytes", process.rss_bytes),
        None => finding,
    }
}
