//! How the kernel was built and set up: its configuration, and whether it compiles programs.

use serde_json::{Value, json};

use super::super::change::Change;
use super::super::facts::Facts;
use super::super::facts::host::BuildFact;
use super::super::finding::Finding;
use super::super::registry::{Definition, Need, Weight};
use super::{agent, grant};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-KRN-003",
        area: "kernel",
        title: "The kernel is built with what the agent needs",
        weight: Weight::Blocks,
        needs: &[Need::Kernel, Need::Capture, Need::Agent],
        depends_on: &[],
        judge: Some(built),
        offline: None,
        page: include_str!("../pages/PIN-KRN-003.md"),
    },
    Definition {
        id: "PIN-KRN-004",
        area: "kernel",
        title: "Programs are compiled, not interpreted",
        weight: Weight::Minor,
        needs: &[Need::Kernel],
        depends_on: &[],
        judge: Some(compiled),
        offline: None,
        page: include_str!("../pages/PIN-KRN-004.md"),
    },
];

/// What nothing works without: loading, tracing programs, and the kernel's types to fit them to.
const FOR_PROGRAMS: [&str; 3] = ["CONFIG_BPF_SYSCALL", "CONFIG_BPF_EVENTS", "CONFIG_DEBUG_INFO_BTF"];
/// What a running agent has besides: cgroups that name containers, and the filter that it puts over itself.
const BESIDES: [&str; 2] = ["CONFIG_CGROUPS", "CONFIG_SECCOMP_FILTER"];

/// PIN-KRN-003.
fn built(facts: &Facts) -> Finding {
    let kernel = match &facts.kernel.value {
        Ok(kernel) => kernel,
        Err(gap) => return Finding::gap(gap),
    };
    let (file, options) = match &kernel.build {
        BuildFact::Read { file, options } => (file.display().to_string(), options),
        BuildFact::Absent => {
            return Finding::skipped("neither /proc/config.gz nor the file of this kernel in /boot is in sight");
        }
        BuildFact::Unreadable(why) => return Finding::skipped(format!("the configuration cannot be read: {why}")),
    };
    let live = agent(facts).is_some();
    let loads = live || matches!(&facts.capture.value, Ok(capture) if capture.object.is_ok() && capture.base.is_ok());
    let unset = |names: &[&'static str]| -> Vec<&'static str> {
        names
            .iter()
            .copied()
            .filter(|name| !options.contains_key(*name))
            .collect()
    };
    // What works is there, whatever the file says: a file may be another kernel's, or lack what a vendor has renamed.
    let mut lacks = if loads { Vec::new() } else { unset(&FOR_PROGRAMS) };
    if !live {
        lacks.extend(unset(&BESIDES));
    }
    let finding = if lacks.is_empty() {
        Finding::ok(format!("what the agent needs is set in {file}, or works"))
    } else {
        Finding::fail(format!("the kernel is built without {}", lacks.join(", ")))
            .impact(
                "The agent cannot load its programs, name containers or confine itself; it ends at its start.",
                &["capture"],
                &[],
            )
            .remedy(
                "No setting brings it back: choose a node image whose kernel is built with it. Those of AKS, EKS, GKE and \
                 OpenShift are.",
                &[&format!("zgrep -E '{}' /proc/config.gz", lacks.join("|")), "uname -r"],
            )
            .change(grant::node_image(&format!("a kernel with {}", lacks.join(", "))))
    };
    let all = [FOR_PROGRAMS.as_slice(), &BESIDES].concat();
    finding
        .observed(json!({ "unset": unset(&all), "set": options }))
        .expected(json!({ "set": all }))
        .evidence(&facts.kernel, file, json!(options))
}

/// PIN-KRN-004.
fn compiled(facts: &Facts) -> Finding {
    const SETTING: &str = "net.core.bpf_jit_enable";
    let kernel = match &facts.kernel.value {
        Ok(kernel) => kernel,
        Err(gap) => return Finding::gap(gap),
    };
    let option = |name: &str| match &kernel.build {
        BuildFact::Read { options, .. } => Some(options.contains_key(name)),
        _ => None,
    };
    let source = format!("sysctl {SETTING}");
    let finding = match (kernel.jit, option("CONFIG_BPF_JIT_ALWAYS_ON"), option("CONFIG_BPF_JIT")) {
        (Some(1), ..) => Finding::ok("the kernel compiles programs").observed(1),
        (_, Some(true), _) => Finding::ok("the kernel has no interpreter, so it compiles programs").observed(1),
        (Some(0), ..) => interpreted(&format!("{SETTING} is 0: the kernel interprets programs")).observed(0),
        (None, _, Some(false)) => interpreted("the kernel has no compiler for programs").observed("none"),
        (Some(other), ..) => interpreted(&format!(
            "{SETTING} is {other}: the kernel compiles programs and prints each one to its log"
        ))
        .observed(other),
        (None, ..) => {
            return Finding::skipped(format!("{SETTING} is in sight in the host's network only"));
        }
    };
    let value = kernel.jit.map_or(Value::from("not in sight"), Value::from);
    finding.expected(1).evidence(&facts.kernel, source, value)
}

fn interpreted(summary: &str) -> Finding {
    Finding::warn(summary)
        .impact(
            "Every event costs the node several times the CPU time that a compiled program takes, on the path of the system \
             call that it watches.",
            &["capture"],
            &[],
        )
        .remedy(
            "Let the kernel compile programs, and keep it so over restarts in a file of /etc/sysctl.d.",
            &["sysctl -w net.core.bpf_jit_enable=1"],
        )
        .change(Change::node("sysctl net.core.bpf_jit_enable", 1))
}
