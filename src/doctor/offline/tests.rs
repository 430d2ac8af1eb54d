//! Every profile's manifest is well; each harm to one raises exactly its one root finding, and the patch of that finding,
//! applied to the harmed objects by the rules of RFC 6902, mends it.

mod breaks;
mod patched;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::facts::manifests::Manifests;
use super::super::registry::find;
use super::super::report::{Check, FailOn, Mode, Status};
use super::{Input, gather};
use crate::cli::doctor::command_line;
use crate::manifest::{Options, as_list};
use crate::platform::profile;
use crate::privilege::seccomp::{AGENT_RUN, AGENT_SETUP};

/// Profiles that have objects.
const PROFILES: [&str; 6] = ["aks", "openshift", "eks", "gke", "k3s", "generic"];

fn read(files: &[(&str, Vec<u8>)], profile: Option<&str>) -> Manifests {
    try_read(files, profile).unwrap_or_else(|error| panic!("{error}"))
}

fn try_read(files: &[(&str, Vec<u8>)], profile: Option<&str>) -> Result<Manifests, super::Error> {
    let files: Vec<(PathBuf, Vec<u8>)> = files
        .iter()
        .map(|(name, bytes)| (PathBuf::from(name), bytes.clone()))
        .collect();
    gather(&Input {
        files: &files,
        profile,
        command_line: &command_line,
    })
}

fn checks(manifests: &Manifests) -> Vec<Check> {
    super::examine::examine(manifests)
}

/// Root findings: warn, fail and unknown.
fn roots(checks: &[Check]) -> Vec<(String, Status)> {
    checks
        .iter()
        .filter(|check| matches!(check.status, Status::Warn | Status::Fail | Status::Unknown))
        .map(|check| (check.id.to_string(), check.status))
        .collect()
}

fn list(profile: &str) -> Value {
    as_list(profile, &Options::default()).unwrap()
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn summaries(checks: &[Check]) -> String {
    let said = checks.iter().filter(|check| !matches!(check.status, Status::Skipped));
    said.map(|check| format!("{} {:?}: {}\n", check.id, check.status, check.summary))
        .collect()
}

#[test]
fn the_manifest_of_every_profile_has_no_finding() {
    for name in PROFILES {
        let text = std::fs::read(folder().join(format!("profiles/{name}/manifest.yaml"))).unwrap();
        let shipped = checks(&read(&[("manifest.yaml", text)], Some(name)));
        assert_eq!(roots(&shipped), [], "{name}: {}", summaries(&shipped));
        let judged = shipped.iter().filter(|check| check.status == Status::Ok).count();
        assert!(judged >= 15, "{name}: only {judged} checks had anything to say");
        for options in [
            Options {
                with: vec![crate::manifest::Extra::Bundles],
                ..Options::default()
            },
            Options {
                with: vec![crate::manifest::Extra::Memlock],
                ..Options::default()
            },
            Options {
                namespace: "watch".to_owned(),
                seccomp: Some(crate::manifest::Seccomp::RuntimeDefault),
                ..Options::default()
            },
            Options {
                runtime_socket: Some("/run/other/containerd.sock".to_owned()),
                ..Options::default()
            },
            Options {
                image: format!("registry.example/agent@sha256:{}", "0".repeat(64)),
                ..Options::default()
            },
        ] {
            // Where kernels count no map against a limit, the capability that lifts it is more than is needed.
            let memlock = options.with.contains(&crate::manifest::Extra::Memlock);
            let needless = memlock && ["aks", "gke"].contains(&name);
            let bytes = serde_json::to_vec(&as_list(name, &options).unwrap()).unwrap();
            let own = checks(&read(&[("list.json", bytes)], Some(name)));
            let expected = if needless {
                vec![("PIN-CAP-002".to_owned(), Status::Warn)]
            } else {
                vec![]
            };
            assert_eq!(roots(&own), expected, "{name} {options:?}: {}", summaries(&own));
        }
    }
}

#[test]
fn each_harm_raises_its_one_root_finding_and_the_patch_mends_it() {
    let mut wrong = String::new();
    let mut count = 0;
    for case in breaks::cases() {
        for name in case.profiles {
            count += 1;
            let mut given = patched::Given::of(name);
            (case.harm)(&mut given);
            let before = checks(&given.read(name));
            let expected = [(case.root.0.to_owned(), case.root.1)];
            if roots(&before) != expected {
                wrong += &format!("{} ({name}): {:?}\n{}\n", case.name, roots(&before), summaries(&before));
                continue;
            }
            let check = before.iter().find(|check| check.id == case.root.0).unwrap();
            assert!(
                check.observed.is_some() && check.expected.is_some(),
                "{}: values",
                case.name
            );
            assert!(!check.evidence.is_empty(), "{}: evidence", case.name);
            for evidence in &check.evidence {
                assert_eq!(evidence.view, super::super::facts::View::Manifest, "{}", case.name);
            }
            assert!(check.impact.is_some(), "{}: impact", case.name);
            let remedy = check.remedy.as_ref().unwrap();
            assert!(
                !remedy.text.is_empty() && !remedy.commands.is_empty(),
                "{}: remedy",
                case.name
            );
            // Which digest an image has, and which file of two is meant, nobody can tell from here.
            assert_eq!(
                remedy.patch.is_empty(),
                case.unpatched,
                "{}: {:?}",
                case.name,
                remedy.patch
            );
            if case.unpatched {
                continue;
            }
            for other in before.iter().filter(|check| find(&check.id).unwrap().offline.is_none()) {
                assert_eq!(
                    other.blocked_by, None,
                    "{}: {} waits for nothing here",
                    case.name, other.id
                );
            }
            if let Err(problem) = given.apply(&remedy.patch) {
                wrong += &format!("{} ({name}): {problem} in {:?}\n", case.name, remedy.patch);
                continue;
            }
            let after = checks(&given.read(name));
            if !roots(&after).is_empty() {
                wrong += &format!(
                    "{} ({name}): still {:?} after {:?}\n{}\n",
                    case.name,
                    roots(&after),
                    remedy.patch,
                    summaries(&after)
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count >= 60, "{count}");
}

#[test]
fn every_check_of_manifests_is_a_root_finding_somewhere() {
    let raised: std::collections::BTreeSet<&str> = breaks::cases().map(|case| case.root.0).collect();
    for definition in super::super::registry::checks().filter(|definition| definition.offline.is_some()) {
        // No profile's kernels need it, so no manifest of a profile can lack it.
        if definition.id != "PIN-RES-001" {
            assert!(raised.contains(definition.id), "{}", definition.id);
        }
    }
}

#[test]
fn a_platform_that_needs_the_limit_lifted_is_one_where_the_capability_is_missed() {
    let bytes = serde_json::to_vec(&list("generic")).unwrap();
    let mut manifests = read(&[("list.json", bytes)], Some("generic"));
    manifests
        .profile
        .platform
        .kubernetes
        .as_mut()
        .unwrap()
        .memlock_capability = true;
    let found = checks(&manifests);
    assert_eq!(roots(&found), [("PIN-RES-001".to_owned(), Status::Fail)]);
}

#[test]
fn pods_of_others_are_not_judged() {
    for file in [
        "falco-default.yaml",
        "falco-least-privileged.yaml",
        "tetragon-default.yaml",
        "tetragon-least.yaml",
    ] {
        let text = std::fs::read(folder().join("tests/fixtures/exposure").join(file)).unwrap();
        let found = checks(&read(&[(file, text)], Some("generic")));
        assert_eq!(roots(&found), [("PIN-MAN-001".to_owned(), Status::Fail)], "{file}");
        for check in found.iter().filter(|check| find(&check.id).unwrap().offline.is_some()) {
            let waits = check.blocked_by.as_deref() == Some("PIN-MAN-001") || check.id.starts_with("PIN-SEC-00");
            assert!(
                check.id == "PIN-MAN-001" || waits,
                "{file}: {} {:?}",
                check.id,
                check.status
            );
        }
    }
}

#[test]
fn the_report_is_one_of_manifests_and_of_no_machine() {
    let bytes = serde_json::to_vec(&list("aks")).unwrap();
    let manifests = read(&[("list.json", bytes)], None);
    // The manifest declares it.
    assert_eq!(manifests.profile.name, "aks");
    let report = super::examine_manifests(&manifests, "2026-01-02T03:04:05.678Z".to_owned());
    assert_eq!(
        (report.mode, &report.host.kernel, report.host.arch.as_str()),
        (Mode::Offline, &None, "amd64")
    );
    assert_eq!(report.counts.exit_code(FailOn::Warn), 0);
    assert!(
        report
            .checks
            .iter()
            .any(|check| check.reason.as_deref() == Some("manifests do not tell it: run agent doctor on a node"))
    );
}

/// Values of variables, data of ConfigMaps and annotations may hold anything.
#[test]
fn nothing_secret_is_kept_or_told() {
    const SECRET: &str = "Tr0ub4dor";
    let mut given = patched::Given::of("aks");
    let container = given.container();
    let env = container["env"].as_array_mut().unwrap();
    env.push(json!({"name": "TOKEN", "value": SECRET}));
    given.object("DaemonSet")["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/last-applied-configuration": SECRET});
    given.object("Namespace")["metadata"]["annotations"] = json!({"note": SECRET});
    given.object("ConfigMap")["data"]["other"] = json!(SECRET);
    given.pod()["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "side", "image": "side", "env": [{"name": "PINHOLE_KEY", "value": SECRET}]}));
    let text = given.object("ConfigMap")["data"]["agent.toml"]
        .as_str()
        .unwrap()
        .to_owned();
    given.object("ConfigMap")["data"]["agent.toml"] = json!(format!("{text}\n[output\nformat = \"{SECRET}\"\n"));
    let manifests = given.read("aks");
    assert!(!format!("{manifests:?}").contains(SECRET), "{manifests:?}");
    let report = super::examine_manifests(&manifests, String::new());
    assert_eq!(roots(&report.checks), [("PIN-CFG-001".to_owned(), Status::Fail)]);
    let told = serde_json::to_string(&report).unwrap();
    assert!(!told.contains(SECRET), "{told}");
}

#[test]
fn files_that_are_none_are_refused_by_name() {
    let refused = |bytes: &[u8], profile: &str| {
        try_read(&[("given.yaml", bytes.to_vec())], Some(profile))
            .unwrap_err()
            .to_string()
    };
    assert!(refused(b"{a: [", "aks").starts_with("given.yaml: document 1: "));
    assert!(refused(b"name: x", "aks").contains("given.yaml: document 1: kind must be a string"));
    let seccomp = refused(br#"{"defaultAction": 1}"#, "aks");
    assert_eq!(
        seccomp,
        "given.yaml: no seccomp profile that a container runtime reads: defaultAction is no string"
    );
    assert!(refused(b"", "standalone").contains("standalone is for hosts outside Kubernetes"));
    assert!(refused(b"", "rke").contains("unknown profile"));
}

#[test]
fn the_agents_own_seccomp_profiles_are_told_apart() {
    let bytes = serde_json::to_vec(&list("openshift")).unwrap();
    let setup = read(
        &[("list.json", bytes.clone()), ("agent-setup.json", AGENT_SETUP.into())],
        Some("openshift"),
    );
    assert_eq!(roots(&checks(&setup)), []);
    let run = read(
        &[("list.json", bytes), ("agent-run.json", AGENT_RUN.into())],
        Some("openshift"),
    );
    let found = checks(&run);
    assert_eq!(roots(&found), [("PIN-SEC-003".to_owned(), Status::Fail)]);
    let said = &found.iter().find(|check| check.id == "PIN-SEC-003").unwrap().summary;
    assert!(said.contains("execve") && said.contains("bpf"), "{said}");
}

/// A seccomp profile is judged by itself too.
#[test]
fn a_seccomp_profile_alone_lacks_an_agent_and_is_judged_all_the_same() {
    let found = checks(&read(
        &[("x.json", br#"{"defaultAction": "SCMP_ACT_ALLOW"}"#.to_vec())],
        Some("aks"),
    ));
    assert_eq!(
        roots(&found),
        [
            ("PIN-MAN-001".to_owned(), Status::Fail),
            ("PIN-SEC-004".to_owned(), Status::Warn)
        ]
    );
}

#[test]
fn every_profile_here_is_one_that_has_objects() {
    let all: Vec<&str> = profile::all()
        .unwrap()
        .iter()
        .filter(|profile| profile.platform.kubernetes.is_some())
        .map(|profile| profile.name)
        .collect();
    assert_eq!(all, PROFILES);
}
