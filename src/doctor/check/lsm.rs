//! Security modules: whether SELinux and AppArmor let the agent work.

use serde_json::{Value, json};

use super::super::change::Change;
use super::super::facts::host::BpfAnswer;
use super::super::facts::{Facts, Place, ProbeFailure};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::cause::Cause;
use super::seccomp::refused_by;
use super::thread::privileged;
use super::{agent, errno_name, grant};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-LSM-001",
        area: "privilege",
        title: "SELinux lets the agent work",
        weight: Weight::Blocks,
        needs: &[Need::Process, Need::Capture, Need::Agent],
        depends_on: &[Edge::Needs("PIN-SEC-001"), Edge::Needs("PIN-CAP-001")],
        judge: Some(selinux),
        offline: Some(super::offline::security_module::selinux),
        page: include_str!("../pages/PIN-LSM-001.md"),
    },
    Definition {
        id: "PIN-LSM-002",
        area: "privilege",
        title: "AppArmor lets the agent work",
        weight: Weight::Blocks,
        needs: &[Need::Process, Need::Capture, Need::Agent],
        depends_on: &[Edge::Needs("PIN-SEC-001"), Edge::Needs("PIN-CAP-001")],
        judge: Some(apparmor),
        offline: Some(super::offline::security_module::apparmor),
        page: include_str!("../pages/PIN-LSM-002.md"),
    },
];

const LABEL: &str = "/proc/self/attr/current";

/// What a security module refused: making a map, or loading a program on which the verifier had no word.
fn denied(facts: &Facts) -> Option<Value> {
    if agent(facts).is_some() {
        return None;
    }
    if refused_by(facts) == Some(Cause::LsmDenied)
        && let Ok(probe) = &facts.seccomp.value
        && probe.unknown_command == BpfAnswer::Reached
    {
        return Some(json!({ "map_create": errno_name(probe.map_create), "cause": Cause::LsmDenied.as_str() }));
    }
    let capture = facts.capture.value.as_ref().ok()?;
    let unsaid = |failure: &&ProbeFailure| failure.errno == Some(libc::EACCES) && failure.verifier.is_none();
    let failure = [&capture.object, &capture.base]
        .into_iter()
        .filter_map(|result| result.as_ref().err())
        .find(unsaid)?;
    Some(json!({ "step": failure.step, "errno": errno_name(failure.errno), "cause": Cause::LsmDenied.as_str() }))
}

/// The check that finds a security module which denies bpf(2), where one does.
pub(super) fn denies(facts: &Facts) -> Option<&'static str> {
    let lsm = facts.lsm.value.as_ref().ok()?;
    let label = lsm.label.as_deref()?;
    let confining = match selinux_type(label) {
        Some(_) => lsm.selinux_enforcing != Some(false),
        None => label.ends_with("(enforce)"),
    };
    (confining && denied(facts).is_some()).then(|| match selinux_type(label) {
        Some(_) => "PIN-LSM-001",
        None => "PIN-LSM-002",
    })
}

/// user:role:type:level; the type decides.
fn selinux_type(label: &str) -> Option<&str> {
    let mut parts = label.split(':').skip(2);
    parts.next().filter(|kind| !kind.is_empty() && !label.ends_with(')'))
}

/// PIN-LSM-001.
fn selinux(facts: &Facts) -> Finding {
    let lsm = match &facts.lsm.value {
        Ok(lsm) => lsm,
        Err(gap) => return Finding::gap(gap),
    };
    let label = lsm.label.as_deref().unwrap_or("none");
    let observed = |extra: Option<Value>| {
        let mut observed = json!({ "label": label });
        if let Some(enforcing) = lsm.selinux_enforcing {
            observed["enforcing"] = json!(enforcing);
        }
        if let Some(Value::Object(extra)) = extra {
            observed
                .as_object_mut()
                .into_iter()
                .for_each(|all| all.extend(extra.clone()));
        }
        observed
    };
    let evident = |finding: Finding, extra| {
        finding
            .observed(observed(extra))
            .expected("bpf(2) allowed")
            .evidence(&facts.lsm, LABEL, label)
    };
    if agent(facts).is_some() {
        return evident(Finding::ok("the running agent has its programs attached"), None);
    }
    let Some(kind) = lsm.label.as_deref().and_then(selinux_type) else {
        return Finding::skipped("SELinux gives this process no label");
    };
    if lsm.selinux_enforcing == Some(false) {
        return evident(Finding::ok(format!("type {kind}, and SELinux only reports")), None);
    }
    let Some(denial) = denied(facts) else {
        return evident(Finding::ok(format!("type {kind} may use bpf(2)")), None);
    };
    let finding = Finding::fail(format!("SELinux does not let the type {kind} use bpf(2)"))
        .impact(
            "The agent captures nothing on this node. Connecting to the runtime's socket is refused to most such types, too.",
            &["capture", "metadata"],
            &[],
        )
        .remedy(
            "Run the agent with a type that may: spc_t is the one of the stock policy, or a type made for it that is allowed \
             class bpf (map_create, map_read, map_write, prog_load, prog_run) and to connect to the runtime's socket. On \
             OpenShift the SecurityContextConstraints must admit the type.",
            match facts.place {
                Place::Kubernetes => &["securityContext:\n  seLinuxOptions:\n    type: spc_t", "ausearch -m AVC -c agent"],
                Place::Container => &["--security-opt label=type:spc_t", "ausearch -m AVC -c agent"],
                Place::Host => &["ausearch -m AVC -c agent", "ausearch -m AVC -c agent | audit2allow -M pinhole"],
            },
        )
        .changes(grant::security(facts, "/seLinuxOptions", json!({ "type": "spc_t" })));
    evident(finding, Some(denial))
}

/// PIN-LSM-002.
fn apparmor(facts: &Facts) -> Finding {
    let lsm = match &facts.lsm.value {
        Ok(lsm) => lsm,
        Err(gap) => return Finding::gap(gap),
    };
    let label = lsm.label.as_deref().filter(|label| selinux_type(label).is_none());
    let evident = |finding: Finding, observed: Value| {
        finding
            .observed(observed)
            .expected("a profile that allows bpf(2)")
            .evidence(&facts.lsm, LABEL, label.unwrap_or("none"))
    };
    let seen = json!({ "label": label.unwrap_or("none") });
    let in_container = facts.place != Place::Host;
    match label {
        Some("unconfined") if in_container && lsm.apparmor == Some(true) => match privileged(facts) {
            Some(root) => Finding::skipped("a privileged container has no AppArmor profile").blocked_by(root),
            None => evident(
                Finding::warn("the kernel runs AppArmor, and no profile is in force in this container")
                    .impact(
                        "What the runtime's profile closes off in /proc and /sys stays open to whatever runs in the container.",
                        &["privilege"],
                        &[],
                    )
                    .remedy(
                        "Leave the field away, or name the runtime's own profile: it denies nothing that the agent needs.",
                        match facts.place {
                            Place::Kubernetes => &["securityContext:\n  appArmorProfile:\n    type: RuntimeDefault"],
                            Place::Container | Place::Host => &["--security-opt apparmor=docker-default"],
                        },
                    )
                    .changes(runtime_default(facts)),
                seen,
            ),
        },
        Some(profile) if profile.ends_with("(enforce)") && denied(facts).is_some() => {
            let mut observed = denied(facts).unwrap_or_default();
            observed["label"] = json!(profile);
            evident(
                Finding::fail(format!("the AppArmor profile {profile} does not let the agent use bpf(2)"))
                    .impact("The agent captures nothing on this node.", &["capture"], &[])
                    .remedy(
                        "Name the runtime's own profile, or allow `capability bpf` and `capability perfmon` in this one.",
                        match facts.place {
                            Place::Kubernetes => {
                                &["securityContext:\n  appArmorProfile:\n    type: RuntimeDefault", "dmesg | grep -i apparmor"]
                            }
                            Place::Container => &["--security-opt apparmor=docker-default", "dmesg | grep -i apparmor"],
                            Place::Host => &["dmesg | grep -i apparmor", "aa-complain agent"],
                        },
                    )
                    .changes(runtime_default(facts)),
                observed,
            )
        }
        _ if agent(facts).is_some() => evident(Finding::ok("the running agent has its programs attached"), seen),
        None => Finding::skipped("AppArmor gives this process no label"),
        Some(label) => evident(Finding::ok(format!("{label}: bpf(2) is not denied")), seen),
    }
}

fn runtime_default(facts: &Facts) -> Vec<Change> {
    grant::security(facts, "/appArmorProfile", json!({ "type": "RuntimeDefault" }))
}
