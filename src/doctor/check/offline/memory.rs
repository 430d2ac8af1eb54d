//! PIN-BPF-003 in manifests: the memory limit against what the kernel side takes on the largest node that the profile thinks of.

use serde_json::json;

use super::super::super::facts::manifests::Manifests;
use super::super::super::finding::Finding;
use super::super::super::report::Status;
use super::super::mebibytes;
use super::super::memory::AGENT;
use super::patch::put;
use super::{Read, agent, settings_unknown};
use crate::capture::memory::Estimate;
use crate::kubernetes::quantity;

/// PIN-BPF-003.
pub(in super::super) fn kernel_side(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    if manifests.settings.problem.is_some()
        && let Some(unknown) = settings_unknown(manifests)
    {
        return unknown;
    }
    let capture = &manifests.settings.settings.capture;
    let cpus = manifests.profile.platform.resources.cpus;
    let ring = capture.ring_size.as_u64();
    let total = match Estimate::on(usize::try_from(cpus).unwrap_or(usize::MAX), ring, capture.processes) {
        Ok(estimate) => estimate.total(),
        Err(error) => return Finding::unknown(error.to_string()),
    };
    let pointer = agent.in_container("/resources/limits/memory");
    let wanted = total.saturating_add(AGENT);
    let said = format!(
        "on {cpus} CPUs the kernel side takes {:.1} MiB, with a ring of {:.1} MiB",
        mebibytes(total),
        mebibytes(ring)
    );
    let limit = agent.object.at(&pointer).map(quantity::bytes);
    let finding = match limit {
        None => Finding::ok(format!("{said}, and there is no limit")),
        Some(None) => Finding::fail("the memory limit is no amount that Kubernetes takes").impact(
            "The API server refuses the object.",
            &["capture"],
            &[],
        ),
        Some(Some(limit)) if limit <= total => {
            Finding::fail(format!("{said}, and the memory limit is {:.1} MiB", mebibytes(limit))).impact(
                "On the largest nodes of this platform the kernel refuses the maps, or ends the agent for lack of memory.",
                &["capture"],
                &[],
            )
        }
        Some(Some(limit)) if limit < wanted => Finding::warn(format!(
            "{said}, and the memory limit of {:.1} MiB leaves the agent little",
            mebibytes(limit)
        ))
        .impact(
            "The agent itself takes some 30 MiB. At its limit the kernel ends it, and what happens until it is back is not seen.",
            &["capture"],
            &[],
        ),
        Some(Some(limit)) => Finding::ok(format!("{said}; the limit of {:.1} MiB holds it", mebibytes(limit))),
    };
    let amount = format!("{}Mi", wanted.div_ceil(1 << 20));
    let mut observed = json!({ "bytes": total, "cpus": cpus, "ring": ring });
    if let Some(Some(limit)) = limit {
        observed["limit"] = json!(limit);
    }
    let finding = if finding.status() == Status::Ok {
        finding
    } else {
        finding
            .remedy(
                "Raise the limit, or make the ring smaller.",
                &[
                    &format!("resources:\n  limits:\n    memory: {amount}"),
                    "PINHOLE_CAPTURE_RING_SIZE=1MiB",
                ],
            )
            .change(put(&agent.object, &pointer, amount))
    };
    finding
        .observed(observed)
        .expected(json!({ "limit": format!(">= {wanted}") }))
        .read(&agent.object, &pointer)
}
