//! What a change of a remedy does to a host: each grant, setting or part of the node governs some facts, and a change of it
//! makes those what they are on a host that is well. The interpreter knows grants and not cases: a remedy that names the
//! wrong one mends nothing.

use super::super::change::{Change, Op};
use super::super::facts::host::MountFacts;
use super::super::facts::{Facts, LiveAgent, LiveFacts, ProcessFacts};
use super::super::report::Remedy;

/// Makes the facts what the grant, setting or part of the node decides, as they are on the host `well`.
type Governs = fn(&mut Facts, &Facts);

const CONTAINER: &str = "/spec/template/spec/containers/0";

/// Grants of the manifest, by the beginning of their path, in the agent's container where it begins with a dot.
#[rustfmt::skip]
const MANIFEST: &[(&str, &str, Governs)] = &[
    ("DaemonSet", "./securityContext/capabilities", |facts, well| { held(facts, well); tried(facts, well); }),
    ("DaemonSet", "./securityContext/privileged", |facts, well| { held(facts, well); filtered(facts, well); facts.lsm = well.lsm.clone(); }),
    ("DaemonSet", "./securityContext/allowPrivilegeEscalation", |facts, well| process(facts).no_new_privs = process_of(well).no_new_privs),
    ("DaemonSet", "./securityContext/seccompProfile", |facts, well| { filtered(facts, well); tried(facts, well); }),
    ("DaemonSet", "./securityContext/seLinuxOptions", |facts, well| { facts.lsm = well.lsm.clone(); tried(facts, well); runtimes(facts, well); }),
    ("DaemonSet", "./securityContext/appArmorProfile", |facts, well| { facts.lsm = well.lsm.clone(); tried(facts, well); }),
    ("DaemonSet", "./securityContext/readOnlyRootFilesystem", |facts, well| around(facts).read_only_root = around_of(well).read_only_root.clone()),
    ("DaemonSet", "./resources/limits/memory", |facts, well| { facts.memory = well.memory.clone(); facts.resources = well.resources.clone(); tried(facts, well); }),
    ("DaemonSet", "./resources/limits/cpu", |facts, well| facts.resources = well.resources.clone()),
    ("DaemonSet", "./volumeMounts", |facts, well| { mounted(facts, well); runtimes(facts, well); socket(facts, well); }),
    ("DaemonSet", "/spec/template/spec/volumes", runtimes),
    ("DaemonSet", "/spec/template/spec/securityContext/runAsUser", user),
    ("DaemonSet", "/spec/template/spec/securityContext/runAsNonRoot", |_, _| {}),
    ("DaemonSet", "/spec/template/spec/securityContext/supplementalGroups", runtimes),
    ("DaemonSet", "/spec/template/spec/hostUsers", |facts, well| { around(facts).user_namespace = around_of(well).user_namespace.clone(); tried(facts, well); runtimes(facts, well); }),
    ("DaemonSet", "/spec/template/spec/hostPID", |facts, well| own(facts, well, "pid")),
    ("DaemonSet", "/spec/template/spec/hostNetwork", |facts, well| { own(facts, well, "network"); own(facts, well, "uts"); }),
    ("DaemonSet", "/spec/template/spec/hostIPC", |facts, well| own(facts, well, "ipc")),
    ("DaemonSet", "./env", |facts, well| { facts.config = well.config.clone(); facts.live = well.live.clone(); }),
    ("DaemonSet", "./resources/requests/cpu", |facts, well| facts.live = well.live.clone()),
    ("DaemonSet", "/spec/template/spec/securityContext/seLinuxOptions", runtimes),
    ("DaemonSet", "/spec/template/spec/securityContext/appArmorProfile", runtimes),
];

/// Settings by their key.
#[rustfmt::skip]
const SETTINGS: &[(&str, Governs)] = &[
    ("profile", |facts, well| facts.profile = well.profile.clone()),
    ("log.target", |facts, well| { facts.log = well.log.clone(); facts.live = well.live.clone(); }),
    ("capture.ring_size", |facts, well| { metadata(facts, well); facts.live = well.live.clone(); facts.memory = well.memory.clone(); }),
    ("capture.backend", |facts, well| { facts.capture = well.capture.clone(); facts.live = well.live.clone(); }),
    ("events", |facts, well| facts.live = well.live.clone()),
    ("runtime.socket", runtimes),
    ("runtime.call_timeout", metadata),
    ("runtime.lookup_budget", metadata),
];

/// Parts of the node by their name.
#[rustfmt::skip]
const NODE: &[(&str, Governs)] = &[
    ("kernel command line lockdown", |facts, well| { facts.kernel = well.kernel.clone(); tried(facts, well); facts.live = well.live.clone(); }),
    ("kernel command line systemd.unified_cgroup_hierarchy", |facts, well| around(facts).cgroup = around_of(well).cgroup.clone()),
    ("sysctl net.core.bpf_jit_enable", |facts, well| facts.kernel.value.as_mut().unwrap().jit = well.kernel.value.as_ref().unwrap().jit),
    ("file capabilities of the agent", on_binary),
    ("node image", |facts, well| { facts.kernel = well.kernel.clone(); tried(facts, well); facts.runtimes = well.runtimes.clone(); }),
    ("suppressions", |facts, well| facts.suppressions = well.suppressions.clone()),
    ("kernel", |facts, well| { facts.capture = well.capture.clone(); facts.canary = well.canary.clone(); }),
    ("agent", restarted),
    ("doctor", |facts, well| facts.live = well.live.clone()),
    ("hooks of the agent", |facts, well| facts.live = well.live.clone()),
    ("configuration", |facts, well| facts.config = well.config.clone()),
    ("journald", |facts, well| { facts.log = well.log.clone(); facts.live = well.live.clone(); }),
    ("destination of the log", |facts, well| facts.live = well.live.clone()),
    ("directory of the admin socket", |facts, well| facts.live = well.live.clone()),
    ("disk of the output", |facts, well| facts.live = well.live.clone()),
    ("rules", |facts, well| facts.live = well.live.clone()),
    ("receiver of alerts", |facts, well| facts.live = well.live.clone()),
    ("rule files", |facts, well| facts.live = well.live.clone()),
    ("reader of the output", |facts, well| { facts.live = well.live.clone(); facts.canary = well.canary.clone(); }),
    ("memory of the node", |facts, well| facts.live = well.live.clone()),
    ("workloads", |facts, well| facts.live = well.live.clone()),
    ("CPU share of the agent", |facts, well| facts.live = well.live.clone()),
    ("container runtime", runtimes),
    ("containerd configuration", runtimes),
    ("version of the container runtime", runtimes),
    ("mode of the runtime's socket", runtimes),
    ("security module", |facts, well| { tried(facts, well); runtimes(facts, well); }),
    ("cgroups", metadata),
    ("images", metadata),
];

/// An agent that was started anew reads its settings as they are now.
fn restarted(facts: &mut Facts, well: &Facts) {
    metadata(facts, well);
    (facts.live, facts.canary) = (well.live.clone(), well.canary.clone());
    let Ok(LiveFacts::Answers(agent)) = &mut facts.live.value else {
        return;
    };
    agent.second.profile.clone_from(&facts.profile.name);
    for setting in &mut agent.second.settings {
        if let Some(now) = facts.config.setting(&setting.key) {
            (setting.value, setting.origin) = (now.value.clone(), now.origin.clone());
        }
    }
}

fn process(facts: &mut Facts) -> &mut ProcessFacts {
    facts.process.value.as_mut().unwrap()
}

fn process_of(facts: &Facts) -> &ProcessFacts {
    facts.process.value.as_ref().unwrap()
}

fn around_of(facts: &Facts) -> &MountFacts {
    facts.mounts.value.as_ref().unwrap()
}

fn around(facts: &mut Facts) -> &mut MountFacts {
    facts.mounts.value.as_mut().unwrap()
}

/// What the container sees of the host, and its own /proc where something covered it.
fn mounted(facts: &mut Facts, well: &Facts) {
    let of = around_of(well).clone();
    if around(facts).proc != of.proc {
        facts.process = well.process.clone();
        facts.mounts = well.mounts.clone();
    }
    let seen = around(facts);
    (seen.host, seen.admin) = (of.host, of.admin);
}

/// The binary's capabilities give what the bounding set allows.
fn on_binary(facts: &mut Facts, well: &Facts) {
    let of = process_of(well).clone();
    let own = process(facts);
    (own.file, own.permitted) = (of.file, of.permitted & own.bounding);
    if own.permitted == of.permitted {
        tried(facts, well);
    }
}

/// What bpf(2) allows.
fn tried(facts: &mut Facts, well: &Facts) {
    facts.seccomp = well.seccomp.clone();
    facts.capture = well.capture.clone();
}

/// The capabilities of the container and of what runs in it.
fn held(facts: &mut Facts, well: &Facts) {
    let of = process_of(well);
    let own = process(facts);
    (own.permitted, own.bounding, own.effective) = (of.permitted, of.bounding, of.effective);
    if let Ok(LiveFacts::Answers(agent)) = &mut facts.live.value {
        for thread in &mut agent.second.threads {
            thread.cap_bounding = of.bounding;
        }
    }
}

/// The container's filter, and what only comes through where it allows it.
fn filtered(facts: &mut Facts, well: &Facts) {
    process(facts).seccomp = process_of(well).seccomp;
    if let (Ok(LiveFacts::Answers(agent)), Ok(LiveFacts::Answers(other))) = (&mut facts.live.value, &well.live.value) {
        agent.second.landlock = other.second.landlock.clone();
    }
}

/// The user, also of the running agent, which the change starts anew.
fn user(facts: &mut Facts, well: &Facts) {
    process(facts).uid = process_of(well).uid;
    if let Ok(LiveFacts::Answers(agent)) = &mut facts.live.value {
        agent.uid = Some(process_of(well).uid);
    }
}

/// A namespace of its own.
fn own(facts: &mut Facts, well: &Facts, name: &'static str) {
    let shared = around_of(well).shared[name].clone();
    around(facts).shared.insert(name, shared);
}

/// What hangs on a runtime that can be asked: how it looks, who this process is to it, and what the agent makes of it.
fn runtimes(facts: &mut Facts, well: &Facts) {
    facts.runtimes = well.runtimes.clone();
    facts.process = well.process.clone();
    if let (Some(agent), Some(well)) = (agent_of(facts), told_of(well)) {
        agent.second.runtimes = well.second.runtimes.clone();
        agent.second.conditions = well.second.conditions.clone();
    }
    facts.canary = well.canary.clone();
    metadata(facts, well);
}

/// Whether the agent can be asked. One that can be is not made well by it.
fn socket(facts: &mut Facts, well: &Facts) {
    if agent_of(facts).is_none() {
        facts.live = well.live.clone();
    }
}

/// What lookups give and cost.
fn metadata(facts: &mut Facts, well: &Facts) {
    facts.join = well.join.clone();
    let (Some(agent), Some(well)) = (agent_of(facts), told_of(well)) else {
        return;
    };
    let (second, well) = (&mut agent.second, &well.second);
    second.lookups = well.lookups;
    second.latency = well.latency;
    second.metadata_status = well.metadata_status.clone();
    second.metadata_reason = well.metadata_reason.clone();
    second.metadata_fields = well.metadata_fields.clone();
    second.window = well.window.clone();
}

fn agent_of(facts: &mut Facts) -> Option<&mut LiveAgent> {
    match &mut facts.live.value {
        Ok(LiveFacts::Answers(agent)) => Some(agent),
        _ => None,
    }
}

fn told_of(facts: &Facts) -> Option<&LiveAgent> {
    match &facts.live.value {
        Ok(LiveFacts::Answers(agent)) => Some(agent),
        _ => None,
    }
}

/// Applies every change of the remedy.
pub(super) fn apply(facts: &mut Facts, well: &Facts, remedy: &Remedy) {
    for change in &remedy.patch {
        let found: Option<Governs> = match change {
            Change::Manifest { kind, op, path, value } => {
                assert_eq!(value.is_none(), *op == Op::Remove, "{change:?}");
                assert!(path.starts_with('/'), "no JSON Pointer: {change:?}");
                let short = path.strip_prefix(CONTAINER).map(|rest| format!(".{rest}"));
                let path = short.as_ref().unwrap_or(path);
                MANIFEST
                    .iter()
                    .find(|(of, prefix, _)| of == kind && path.starts_with(prefix))
                    .map(|(_, _, governs)| *governs)
            }
            Change::Setting { key, .. } => SETTINGS.iter().find(|(of, _)| of == key).map(|(_, governs)| *governs),
            Change::Node { what, .. } => NODE.iter().find(|(of, _)| of == what).map(|(_, governs)| *governs),
        };
        let governs = found.unwrap_or_else(|| panic!("nothing is known of what this governs: {change:?}"));
        governs(facts, well);
    }
}
