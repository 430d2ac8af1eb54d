//! `agent doctor --manifest`: the manifest of each profile, as the agent prints it, is one that the agent has nothing to say
//! against; and what is wrong with files is told where it stands. Needs no root, no cluster and no machine that is like the nodes.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Every platform that has objects.
const PROFILES: [&str; 6] = ["aks", "openshift", "eks", "gke", "k3s", "generic"];

fn agent(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_agent"))
        .args(arguments)
        // Settings of whoever runs the test are none of the manifests'.
        .env("PINHOLE_CAPTURE_RING_SIZE", "no size at all")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The agent may refuse its arguments before it reads anything.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn manifest(profile: &str) -> Vec<u8> {
    let output = agent(&["manifest", "--profile", profile], b"");
    assert!(output.status.success(), "{}", text(&output.stderr));
    output.stdout
}

#[test]
fn the_manifest_of_every_profile_is_well() {
    for profile in PROFILES {
        let arguments = ["doctor", "--manifest", "-", "--profile", profile, "--fail-on", "warn"];
        let output = agent(&arguments, &manifest(profile));
        let page = text(&output.stdout);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{profile}: {page}{}",
            text(&output.stderr)
        );
        assert!(page.contains("offline: manifests, before they are applied"), "{page}");
        // What manifests do not tell takes no line of each check.
        assert!(
            page.lines().count() < 60,
            "{profile}: {} lines\n{page}",
            page.lines().count()
        );
    }
}

#[test]
fn a_finding_names_the_file_and_offers_a_patch() {
    let harmed = text(&manifest("aks")).replace("- PERFMON", "- SYS_PTRACE");
    let output = agent(
        &["doctor", "--manifest", "-", "--profile", "aks", "--format", "json"],
        harmed.as_bytes(),
    );
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["mode"], "offline");
    assert!(report["host"].get("kernel").is_none());
    let check = |id: &str| {
        let mut checks = report["checks"].as_array().unwrap().iter();
        checks.find(|check| check["id"] == id).unwrap().clone()
    };
    let missing = check("PIN-CAP-001");
    assert_eq!(missing["status"], "fail");
    assert_eq!(
        missing["remedy"]["patch"][0]["path"],
        "/spec/template/spec/containers/0/securityContext/capabilities/add/-"
    );
    assert_eq!(missing["remedy"]["patch"][0]["value"], "PERFMON");
    let evidence = &missing["evidence"][0];
    assert_eq!(evidence["view"], "manifest");
    assert!(
        evidence["source"]
            .as_str()
            .unwrap()
            .starts_with("-, document 5: DaemonSet pinhole-agent /spec/"),
        "{evidence}"
    );
    assert_eq!(check("PIN-CAP-002")["status"], "warn");
    assert_eq!(report["fix_first"][0]["id"], "PIN-CAP-001");
}

#[test]
fn a_seccomp_profile_is_known_by_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let printed = agent(&["seccomp", "setup"], b"");
    let (manifests, profile) = (folder.path().join("all.yaml"), folder.path().join("agent-setup.json"));
    fs::write(&manifests, manifest("openshift")).unwrap();
    fs::write(&profile, &printed.stdout).unwrap();
    let judge = || {
        let files = [manifests.to_str().unwrap(), profile.to_str().unwrap()];
        agent(
            &[
                "doctor",
                "--profile",
                "openshift",
                "--format",
                "json",
                "--manifest",
                files[0],
                files[1],
            ],
            b"",
        )
    };
    let output = judge();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    fs::write(&profile, text(&printed.stdout).replace("\"bpf\"", "\"bpf_is_missing\"")).unwrap();
    let output = judge();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stdout).contains("agent-setup.json refuses bpf"),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn what_cannot_be_judged_is_wrong_usage_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.yaml");
    fs::write(&broken, "kind: DaemonSet\nspec: [\n").unwrap();
    let broken = broken.to_str().unwrap();
    for (arguments, said) in [
        (
            vec!["--manifest", "/does/not/exist.yaml"],
            "/does/not/exist.yaml: cannot be read",
        ),
        (vec!["--manifest", broken], "broken.yaml: document 1: "),
        (
            vec!["--manifest", "-", "--profile", "standalone"],
            "for hosts outside Kubernetes",
        ),
        (
            vec!["--manifest", "-", "--capture-ring-size", "1MiB"],
            "--capture-ring-size has no meaning with --manifest",
        ),
        (vec!["--manifest", "-", "--live-timeout", "1s"], "cannot be used with"),
        (vec!["--manifest"], "a value is required"),
    ] {
        let output = agent(&[vec!["doctor"], arguments.clone()].concat(), b"");
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {complaint}");
        assert!(complaint.contains(said), "{arguments:?}: {complaint}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

/// Pods of other programs are not judged by what ours needs.
#[test]
fn other_peoples_pods_are_not_judged() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/exposure");
    for file in ["falco-default.yaml", "tetragon-default.yaml"] {
        let path = format!("{folder}/{file}");
        let output = agent(&["doctor", "--manifest", &path, "--profile", "generic"], b"");
        let page = text(&output.stdout);
        assert_eq!(output.status.code(), Some(2), "{page}");
        assert!(page.contains("PIN-MAN-001  The manifests hold an agent"), "{page}");
        assert!(!page.contains("PIN-CAP-002  "), "{page}");
    }
}
