//! What the pod is granted: each thing that it lacks or has too much of is the one finding, and the report's own changes to
//! the manifest mend it.

use std::process::Command;

use serde_json::{Value, json};

use super::manifest::Manifest;
use super::node;
use super::table::{self, Case, Mends};
use crate::event::agent;
use crate::lab::agent_image::project;
use crate::lab::containerd::Containerd;
use crate::lab::tool;
use crate::lab::turn::Turn;

/// Takes a word out of a list.
fn withdraw(list: &mut Value, word: &str) {
    let items = list.as_array_mut().unwrap();
    let before = items.len();
    items.retain(|item| item != word);
    assert_eq!(items.len(), before - 1, "{word}");
}

fn add(list: &mut Value, item: Value) {
    list.as_array_mut().unwrap().push(item);
}

const LACKING: &[Case] = &[
    Case {
        name: "without BPF",
        harm: |manifest, _| withdraw(&mut manifest.security()["capabilities"]["add"], "BPF"),
        roots: &[("PIN-CAP-001", "fail")],
        mends: Mends::Manifest,
    },
    Case {
        name: "without PERFMON",
        harm: |manifest, _| withdraw(&mut manifest.security()["capabilities"]["add"], "PERFMON"),
        roots: &[("PIN-CAP-001", "fail")],
        mends: Mends::Manifest,
    },
    Case {
        name: "without any capability",
        harm: |manifest, _| manifest.security()["capabilities"]["add"] = json!([]),
        roots: &[("PIN-CAP-001", "fail")],
        mends: Mends::Manifest,
    },
    Case {
        name: "seccomp refuses bpf",
        harm: |manifest, kubelet| {
            let mut profile: Value = serde_json::from_str(include_str!("../../../seccomp/agent-setup.json")).unwrap();
            for rule in profile["syscalls"].as_array_mut().unwrap() {
                rule["names"].as_array_mut().unwrap().retain(|name| name != "bpf");
            }
            profile["defaultAction"] = json!("SCMP_ACT_ERRNO");
            kubelet
                .install_seccomp("without-bpf.json", &profile.to_string())
                .unwrap();
            manifest.security()["seccompProfile"] =
                json!({"type": "Localhost", "localhostProfile": "without-bpf.json"});
        },
        roots: &[("PIN-SEC-001", "fail")],
        mends: Mends::Manifest,
    },
    Case {
        name: "without the socket's group",
        harm: |manifest, _| manifest.pod()["securityContext"]["supplementalGroups"] = json!([]),
        roots: &[("PIN-RUN-001", "fail")],
        mends: Mends::Manifest,
    },
    Case {
        name: "without hostPath",
        harm: |manifest, _| manifest.unmount("runtime"),
        roots: &[("PIN-RUN-001", "fail")],
        mends: Mends::Manifest,
    },
    Case {
        name: "without a place for the admin socket",
        harm: |manifest, _| manifest.unmount("run"),
        roots: &[("PIN-MNT-002", "fail")],
        mends: Mends::Manifest,
    },
    Case {
        name: "BTF hidden",
        harm: |manifest, _| manifest.mount("hidden", json!({"emptyDir": {}}), "/sys/kernel/btf"),
        roots: &[("PIN-BTF-001", "fail")],
        mends: Mends::Words("/sys"),
    },
    Case {
        name: "memory limit too small for the ring",
        harm: |manifest, _| manifest.set("PINHOLE_CAPTURE_RING_SIZE", "128MiB"),
        roots: &[("PIN-BPF-003", "fail")],
        mends: Mends::Manifest,
    },
    Case {
        name: "without its node's name",
        harm: |manifest, _| manifest.unset("NODE_NAME"),
        roots: &[("PIN-CFG-004", "warn")],
        mends: Mends::Manifest,
    },
    Case {
        name: "an unknown key in a read-only configuration",
        harm: |manifest, _| {
            let settings = format!("{}\n[capture]\nring_sise = \"1MiB\"\n", manifest.settings());
            manifest.object("ConfigMap")["data"]["agent.toml"] = json!(settings);
        },
        roots: &[("PIN-CFG-001", "fail")],
        mends: Mends::Words("configmap"),
    },
];

const SURPLUS: &[Case] = &[
    Case {
        name: "a capability too many",
        harm: |manifest, _| add(&mut manifest.security()["capabilities"]["add"], json!("NET_ADMIN")),
        roots: &[("PIN-CAP-003", "warn")],
        mends: Mends::Manifest,
    },
    Case {
        name: "the runtime's default capabilities",
        harm: |manifest, _| manifest.security()["capabilities"]["drop"] = json!([]),
        roots: &[("PIN-CAP-003", "warn")],
        mends: Mends::Manifest,
    },
    Case {
        name: "without no_new_privs",
        harm: |manifest, _| manifest.security()["allowPrivilegeEscalation"] = json!(true),
        roots: &[("PIN-PRV-001", "warn")],
        mends: Mends::Manifest,
    },
    Case {
        name: "as root",
        harm: |manifest, _| {
            manifest.pod()["securityContext"]["runAsNonRoot"] = json!(false);
            manifest.pod()["securityContext"]["runAsUser"] = json!(0);
        },
        roots: &[("PIN-PRV-003", "warn")],
        mends: Mends::Manifest,
    },
    Case {
        name: "unconfined by seccomp",
        harm: |manifest, _| manifest.pod()["securityContext"]["seccompProfile"] = json!({"type": "Unconfined"}),
        roots: &[("PIN-SEC-002", "warn")],
        mends: Mends::Manifest,
    },
    Case {
        name: "a root that can be written to",
        harm: |manifest, _| manifest.security()["readOnlyRootFilesystem"] = json!(false),
        roots: &[("PIN-MNT-001", "warn")],
        mends: Mends::Manifest,
    },
    Case {
        name: "the host's root mounted",
        harm: |manifest, _| manifest.mount("host", json!({"hostPath": {"path": "/"}}), "/host"),
        roots: &[("PIN-MNT-003", "warn")],
        mends: Mends::Manifest,
    },
    Case {
        name: "in the host's network",
        harm: |manifest, _| manifest.pod()["hostNetwork"] = json!(true),
        roots: &[("PIN-MNT-005", "warn")],
        mends: Mends::Manifest,
    },
];

#[test]
fn what_the_pod_lacks_is_named_and_mended() {
    let _turn = Turn::take().unwrap();
    table::cold(&node::start(), "generic", LACKING);
}

#[test]
fn what_the_pod_has_too_much_of_is_named_and_mended() {
    let _turn = Turn::take().unwrap();
    table::cold(&node::start(), "generic", SURPLUS);
}

/// What the image gives its binary: a name, the words of setcap, the roots.
type Carried = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const CARRIED: &[Carried] = &[
    ("none", "", &[("PIN-CAP-001", "fail")]),
    (
        "one-too-many",
        "cap_bpf,cap_perfmon,cap_net_admin=p",
        &[("PIN-CAP-004", "warn")],
    ),
    ("effective", "cap_bpf,cap_perfmon=ep", &[("PIN-CAP-004", "warn")]),
];

/// Builds the agent's image with these file capabilities; gives its reference.
fn carrying(lab: &Containerd, name: &str, capabilities: &str) -> String {
    let dir = lab.daemon().place().subdir(&format!("image-{name}")).unwrap();
    let reference = format!("registry.example/pinhole/agent-{name}:1");
    tool::run(
        Command::new(project().join("image/build"))
            .args([agent(), &dir])
            .arg(&reference)
            .env("FILE_CAPABILITIES", capabilities),
    )
    .unwrap();
    lab.import_archive(&dir.join("pinhole-agent.tar"), &reference).unwrap();
    reference
}

#[test]
fn what_the_binary_carries_is_named() {
    let _turn = Turn::take().unwrap();
    let lab = node::start();
    let kubelet = node::kubelet(&lab);
    let mut verdict = table::Verdict::default();
    for (name, capabilities, roots) in CARRIED {
        let mut manifest = Manifest::of("generic").patient();
        manifest.container()["image"] = json!(carrying(&lab, name, capabilities));
        let report = node::cold(&kubelet, &manifest, "runc");
        verdict.expect(&format!("file capabilities: {name}"), &report, roots);
    }
    verdict.end();
}
