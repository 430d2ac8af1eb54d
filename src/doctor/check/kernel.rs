//! Kernel: release and lockdown.

use super::super::change::Change;
use super::super::facts::{Facts, LockdownFact};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::{agent, capture, grant, lsm, resource};
use crate::capture::object::{KEPT, LOST};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-KRN-001",
        area: "kernel",
        title: "The kernel is new enough",
        weight: Weight::Blocks,
        needs: &[Need::Kernel],
        depends_on: &[],
        judge: Some(release),
        offline: None,
        page: include_str!("../pages/PIN-KRN-001.md"),
    },
    Definition {
        id: "PIN-KRN-002",
        area: "kernel",
        title: "Lockdown lets programs read kernel memory",
        weight: Weight::Blocks,
        needs: &[Need::Kernel, Need::Capture, Need::Agent],
        // Where securityfs is out of sight, as it is in a container, what loads tells: and without these nothing loads.
        depends_on: &[
            Edge::Through("PIN-BTF-001"),
            Edge::Through("PIN-CAP-001"),
            Edge::Through("PIN-SEC-001"),
        ],
        judge: Some(lockdown),
        offline: None,
        page: include_str!("../pages/PIN-KRN-002.md"),
    },
];

/// First release with ring buffers (`BPF_MAP_TYPE_RINGBUF`) and with `CAP_BPF` and `CAP_PERFMON`.
const NEEDED: (u32, u32) = (5, 8);
/// Oldest release that the agent is tested on.
const TESTED: (u32, u32) = (5, 10);

/// PIN-KRN-001.
fn release(facts: &Facts) -> Finding {
    let kernel = match &facts.kernel.value {
        Ok(kernel) => kernel,
        Err(gap) => return Finding::gap(gap),
    };
    let Some(version) = version(&kernel.release) else {
        return Finding::unknown(format!(
            "the release {:?} does not begin with two numbers",
            kernel.release
        ))
        .observed(kernel.release.clone());
    };
    let loads = matches!(&facts.capture.value, Ok(capture) if capture.base.is_ok()) || agent(facts).is_some();
    let finding = if version < NEEDED && !loads {
        Finding::fail("the kernel has neither ring buffers nor CAP_BPF")
            .impact("The agent captures nothing on this node.", &["capture"], &[])
            .remedy(
                "Run the node on a kernel of 5.10 or newer: change the node image of the pool.",
                &["uname -r"],
            )
            .change(grant::node_image("a kernel of 5.10 or newer"))
    } else if version < TESTED {
        // Distributions carry newer parts back; what loads counts more than what the number says.
        Finding::warn("the kernel is older than the oldest one that is tested")
            .impact(
                "The programs may fail to load, or a field may be missing.",
                &["capture"],
                &[],
            )
            .remedy("Prefer a node image with a kernel of 5.10 or newer.", &["uname -r"])
            .change(grant::node_image("a kernel of 5.10 or newer"))
    } else {
        Finding::ok(format!("kernel {}", kernel.release))
    };
    finding
        .observed(kernel.release.clone())
        .expected(format!(">= {}.{}", NEEDED.0, NEEDED.1))
        .evidence(&facts.kernel, "uname(2)", kernel.release.clone())
}

/// Whether the release is one that the agent is tested on, or newer.
pub(super) fn is_tested(release: &str) -> bool {
    version(release).is_some_and(|version| version >= TESTED)
}

pub(super) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

const REMEDY: &str = "Start the node with lockdown=integrity on the kernel command line. Where secure boot sets \
                      confidentiality (Talos does), choose an image or a boot setting that does not.";

fn unlocked() -> Change {
    Change::node("kernel command line lockdown", "integrity")
}

/// What a reduced capture costs, for every check that finds one.
pub(super) fn reduced_impact() -> String {
    format!("What is still told: {KEPT}. What is lost: {LOST}. Rules on what is lost cannot judge.")
}

/// The keys of events that a reduced capture leaves out.
pub(super) const REDUCED_FIELDS: &[&str] = &[
    "process.exe",
    "process.cwd",
    "file.path",
    "file.directory",
    "network.source",
    "container",
    "kubernetes",
];

/// PIN-KRN-002.
fn lockdown(facts: &Facts) -> Finding {
    const FILE: &str = "/sys/kernel/security/lockdown";
    let kernel = match &facts.kernel.value {
        Ok(kernel) => kernel,
        Err(gap) => return Finding::gap(gap),
    };
    let reduced = capture::reduced(facts);
    let loads = match (agent(facts), &facts.capture.value) {
        _ if reduced.is_some() => None,
        (Some(_), _) => Some("the running agent's programs"),
        (None, Ok(capture)) if capture.base.is_ok() => Some("the base programs, tried now,"),
        _ => None,
    };
    if let Some(reduced) = reduced.filter(|reduced| reduced.by_lockdown) {
        let (observed, said) = match &kernel.lockdown {
            LockdownFact::Mode(mode) => (mode.clone(), mode.clone()),
            LockdownFact::Absent => ("confidentiality, as it seems".to_owned(), "absent".to_owned()),
            LockdownFact::Unreadable(why) => ("confidentiality, as it seems".to_owned(), why.clone()),
        };
        let finding = Finding::warn("lockdown withdraws every read of kernel memory: the agent runs reduced")
            .observed(observed)
            .expected("none or integrity")
            .evidence(&facts.kernel, FILE, said)
            .impact(reduced_impact(), &["capture", "metadata"], REDUCED_FIELDS)
            .remedy(REMEDY, &[&format!("cat {FILE}"), "cat /proc/cmdline"])
            .change(unlocked());
        return reduced.prove(facts, finding);
    }
    let unread = match &kernel.lockdown {
        LockdownFact::Mode(mode) => {
            let finding = match (mode.as_str(), loads) {
                ("confidentiality", None) => Finding::fail("lockdown withdraws every read of kernel memory")
                    .impact(
                        "Programs that read kernel structures are refused with a misleading EINVAL; the agent captures \
                         nothing.",
                        &["capture"],
                        &[],
                    )
                    .remedy(REMEDY, &[&format!("cat {FILE}"), "cat /proc/cmdline"])
                    .change(unlocked()),
                ("confidentiality", Some(who)) => Finding::ok(format!("lockdown is confidentiality, yet {who} load")),
                _ => Finding::ok(format!("lockdown is {mode}")),
            };
            return finding.observed(mode.clone()).expected("none or integrity").evidence(
                &facts.kernel,
                FILE,
                mode.clone(),
            );
        }
        LockdownFact::Absent => "securityfs is not mounted here, or the kernel has no lockdown".to_owned(),
        LockdownFact::Unreadable(why) => why.clone(),
    };
    match loads {
        Some(who) => Finding::ok(format!("{who} load, so lockdown is not in the way"))
            .observed("not confidentiality")
            .expected("none or integrity")
            .evidence(&facts.kernel, FILE, unread),
        // What keeps every program out hides what lockdown would do with one.
        None => match lsm::denies(facts).or_else(|| resource::too_little_locked(facts)) {
            Some(root) => Finding::skipped(format!("waits for {root}")).blocked_by(root),
            None => Finding::unknown(unread.clone()).evidence(&facts.kernel, FILE, unread),
        },
    }
}
