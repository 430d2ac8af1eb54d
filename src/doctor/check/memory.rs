//! Memory: what the kernel side takes on a machine of so many CPUs, and whether the agent's limit leaves room for it.

use serde_json::json;

use super::super::change::{Change, Op};
use super::super::facts::{Facts, MemoryFacts, Place};
use super::super::finding::Finding;
use super::super::registry::{Definition, Need, Weight};
use super::resource::counts_locked;
use super::{grant, mebibytes};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[Definition {
    id: "PIN-BPF-003",
    area: "capture",
    title: "The kernel side's memory fits",
    weight: Weight::Major,
    needs: &[Need::Kernel, Need::Settings],
    depends_on: &[],
    judge: Some(kernel_side),
    offline: Some(super::offline::memory::kernel_side),
    page: include_str!("../pages/PIN-BPF-003.md"),
}];

/// The map that is the ring.
const RING: &str = "events";
/// What the agent itself takes while it runs, and some room: its start takes more, which goes back.
pub(super) const AGENT: u64 = 48 << 20;

/// PIN-BPF-003.
fn kernel_side(facts: &Facts) -> Finding {
    let memory = match &facts.memory.value {
        Ok(memory) => memory,
        Err(gap) => return Finding::gap(gap),
    };
    let total: u64 = memory.maps.values().sum();
    let said = format!(
        "the kernel side takes {:.1} MiB on {} CPUs ({})",
        mebibytes(total),
        memory.cpus,
        largest(memory)
    );
    let limit = memory.limit.filter(|_| !counts_locked(facts));
    let finding = match limit {
        Some(limit) if total >= limit => Finding::fail(format!(
            "{said}, and the memory limit is {:.1} MiB",
            mebibytes(limit)
        ))
        .impact(
            "The agent ends at its start: the kernel refuses the memory, or kills it for lack of it (OOMKilled).",
            &["capture"],
            &[],
        ),
        Some(limit) if total.saturating_add(AGENT) > limit => Finding::warn(format!(
            "{said}, and the memory limit of {:.1} MiB leaves the agent little",
            mebibytes(limit)
        ))
        .impact(
            "The agent itself takes some 30 MiB. At its limit the kernel ends it, and what happens until it is back is not seen.",
            &["capture"],
            &[],
        ),
        _ => Finding::ok(said),
    };
    let finding = match limit {
        Some(limit) if total.saturating_add(AGENT) > limit => {
            let wanted = format!("{}", total.saturating_add(AGENT).div_ceil(1 << 20));
            finding
                .remedy(
                    format!(
                        "Raise the limit to {wanted} MiB, for the kernel side here and {} MiB for the agent itself. One limit is for all \
                         nodes: each CPU more takes {} KiB more. Or else make the ring (events) smaller, by the variable \
                         PINHOLE_CAPTURE_RING_SIZE: bursts that it does not hold are lost then, and counted.",
                        AGENT >> 20,
                        memory.per_cpu >> 10
                    ),
                    &[&*match facts.place {
                        Place::Kubernetes => format!("resources:\n  limits:\n    memory: {wanted}Mi"),
                        Place::Container => format!("--memory {wanted}m"),
                        Place::Host => format!("MemoryMax={wanted}M"),
                    }],
                )
                .changes(grant::pod_only(
                    facts,
                    Change::container(Op::Add, "/resources/limits/memory", format!("{wanted}Mi")),
                ))
        }
        _ => finding,
    };
    let mut observed = json!({ "bytes": total, "cpus": memory.cpus, "bytes_per_cpu": memory.per_cpu });
    if let Some(limit) = memory.limit {
        observed["limit"] = json!(limit);
    }
    let mut evidence = observed.clone();
    evidence["maps"] = json!(memory.maps);
    finding
        .observed(observed)
        .expected(json!({ "limit": format!(">= {}", total.saturating_add(AGENT)) }))
        .evidence(
            &facts.memory,
            "sizes of the maps, by the object and the settings",
            evidence,
        )
}

/// Whether this check finds the memory limit too low.
pub(super) fn leaves_too_little(facts: &Facts) -> bool {
    let Ok(memory) = &facts.memory.value else { return false };
    let total: u64 = memory.maps.values().sum();
    let limit = memory.limit.filter(|_| !counts_locked(facts));
    limit.is_some_and(|limit| total.saturating_add(AGENT) > limit)
}

/// The limit that a ring of so many bytes takes, where the present one is known and does not hold it.
pub(super) fn limit_for_ring(facts: &Facts, ring: u64) -> Option<u64> {
    let memory = facts.memory.value.as_ref().ok()?;
    let limit = memory.limit.filter(|_| !counts_locked(facts))?;
    let others: u64 = memory.maps.values().sum::<u64>() - memory.maps.get(RING).copied().unwrap_or_default();
    let wanted = others.saturating_add(ring).saturating_add(AGENT);
    (wanted > limit).then_some(wanted)
}

/// The maps that matter, the largest first.
fn largest(memory: &MemoryFacts) -> String {
    let mut maps: Vec<(&String, &u64)> = memory.maps.iter().filter(|(_, bytes)| **bytes >= 100 << 10).collect();
    maps.sort_by_key(|(name, bytes)| (std::cmp::Reverse(**bytes), *name));
    let maps: Vec<String> = maps
        .into_iter()
        .map(|(name, bytes)| format!("{name} {:.1}", mebibytes(*bytes)))
        .collect();
    maps.join(", ")
}
