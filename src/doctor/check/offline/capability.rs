//! PIN-CAP-001 and PIN-CAP-002 in manifests.

use caps::Capability;
use serde_json::{Value, json};

use super::super::super::change::Change;
use super::super::super::facts::manifests::{AgentPod, Manifests};
use super::super::super::finding::Finding;
use super::super::thread::names;
use super::limits::may_lift;
use super::patch::{push, put, take_items};
use super::{Read, agent, waits};
use crate::privilege::Capabilities;
use crate::privilege::capabilities::NEEDED;

const CONTEXT: &str = "/securityContext/capabilities";
const WANTED: &str = "securityContext:\n  capabilities:\n    drop: [ALL]\n    add: [BPF, PERFMON]";

/// PIN-CAP-001.
pub(in super::super) fn needed(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    let (held, needed) = (agent.container.security.capabilities, Capabilities::of(&NEEDED));
    let missing = needed.without(held);
    let impact = "The agent cannot load its programs and ends at its start with exit code 78.";
    let finding = if agent.workload.pod.user_namespace {
        Finding::fail("the pod has a user namespace of its own, in which no capability counts for bpf()")
            .impact(impact, &["capture"], &[])
            .remedy("Let the pod stay in the host's user namespace.", &["hostUsers: true"])
            .change(put(&agent.object, &agent.in_pod("/hostUsers"), true))
            .read(&agent.object, &agent.in_pod("/hostUsers"))
    } else if missing.is_empty() {
        Finding::ok(format!("{needed} are granted"))
    } else if held.has(Capability::CAP_SYS_ADMIN) && agent.container.security.run_as_user == Some(0) {
        Finding::ok(format!("CAP_SYS_ADMIN stands in for {missing}"))
    } else {
        let verb = if missing.bits().count_ones() == 1 { "is" } else { "are" };
        Finding::fail(format!("{missing} {verb} not granted to the container"))
            .impact(impact, &["capture"], &[])
            .remedy("Grant them in the container's security context.", &[WANTED])
            .changes(grant(agent, missing))
    };
    finding
        .observed(json!(held.names()))
        .expected(names(needed.bits()))
        .read(&agent.object, &agent.in_container(CONTEXT))
}

/// Adds them, and takes them out of what is dropped by name. Where nothing is said of capabilities everything is.
fn grant(agent: &AgentPod, missing: Capabilities) -> Vec<Change> {
    let object = &agent.object;
    if nothing_said(agent) {
        return vec![put(
            object,
            &agent.in_container(CONTEXT),
            json!({"drop": ["ALL"], "add": short(missing)}),
        )];
    }
    let list = |key: &str| agent.in_container(&format!("{CONTEXT}/{key}"));
    let (add, drop) = (list("add"), list("drop"));
    let within = |list: &str| -> Vec<usize> {
        let names = object.items(list).enumerate();
        names
            .filter(|(_, name)| name.as_str().is_some_and(|name| short(missing).contains(&plain(name))))
            .map(|(index, _)| index)
            .collect()
    };
    let mut changes = take_items(object, &drop, within(&drop));
    let there: Vec<String> = object.items(&add).filter_map(Value::as_str).map(plain).collect();
    let absent: Vec<String> = short(missing)
        .into_iter()
        .filter(|name| !there.contains(name))
        .collect();
    if object.at(&add).is_some_and(Value::is_array) {
        changes.extend(absent.iter().map(|name| push(object, &add, name.clone())));
    } else {
        changes.push(put(object, &add, json!(absent)));
    }
    changes
}

fn nothing_said(agent: &AgentPod) -> bool {
    agent.object.at(&agent.in_container(CONTEXT)).is_none()
}

/// As manifests write them.
fn short(capabilities: Capabilities) -> Vec<String> {
    capabilities.names().iter().map(|name| plain(name)).collect()
}

fn plain(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    name.strip_prefix("CAP_").unwrap_or(&name).to_owned()
}

/// PIN-CAP-002.
pub(in super::super) fn surplus(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    let (object, security) = (&agent.object, &agent.container.security);
    let mut wanted = Capabilities::of(&NEEDED);
    if may_lift(manifests) {
        wanted = wanted.or(Capabilities::of(&[Capability::CAP_SYS_RESOURCE]));
    }
    let surplus = security.capabilities.without(wanted);
    let (impact, advice) = (
        "The agent drops them at its start, but until then, and for every other process in its container, they are an opening \
         that nothing needs.",
        "Drop everything and add only the two.",
    );
    // What is asked for by name and has a use stays; what comes by default or with the privilege does not.
    let added = object
        .items(&agent.in_container(&format!("{CONTEXT}/add")))
        .filter_map(Value::as_str);
    let mut own = short(Capabilities::of(&NEEDED));
    own.extend(
        added
            .map(plain)
            .filter(|name| name == "SYS_RESOURCE" && may_lift(manifests)),
    );
    let right = put(
        object,
        &agent.in_container(CONTEXT),
        json!({"drop": ["ALL"], "add": own}),
    );
    let context = |key: &str| agent.in_container(&format!("/securityContext/{key}"));
    let finding = if security.privileged {
        let refused = security.no_new_privs;
        let finding = if refused {
            Finding::fail(
                "privileged and allowPrivilegeEscalation: false exclude each other: the API server refuses the object",
            )
        } else {
            Finding::warn("the container is privileged: every capability, every device, no filter and no label")
        };
        finding
            .impact(
                "Whoever takes over the agent during its start, or anything else in its container, is root on the node.",
                &["privilege"],
                &[],
            )
            .remedy("Take the privilege away and add the two capabilities.", &["securityContext:\n  privileged: false"])
            .change(put(object, &context("privileged"), false))
            .changes((!refused).then(|| put(object, &context("allowPrivilegeEscalation"), false)))
            .change(right)
            .read(object, &context("privileged"))
    } else if surplus.is_empty() {
        Finding::ok("nothing beyond the needed capabilities is granted")
    } else if nothing_said(agent) {
        return waits("PIN-CAP-001");
    } else {
        Finding::warn(format!(
            "{} capabilities more than needed are granted",
            surplus.bits().count_ones()
        ))
        .impact(impact, &["privilege"], &[])
        .remedy(advice, &[WANTED])
        .change(right)
    };
    finding
        .observed(json!(surplus.names()))
        .expected(json!([]))
        .read(object, &agent.in_container(CONTEXT))
}
