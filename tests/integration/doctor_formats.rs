//! The doctor's formats as the command prints them: the same exit code in each, nothing on standard error, and redacted where
//! that is asked for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::event::AGENT;

const FORMATS: [&str; 8] = [
    "text",
    "short",
    "json",
    "sarif",
    "junit",
    "prometheus",
    "markdown",
    "html",
];

fn doctor(manifest: &Path, arguments: &[&str]) -> Output {
    Command::new(AGENT)
        .args(["doctor", "--profile", "generic", "--manifest"])
        .arg(manifest)
        .args(arguments)
        .output()
        .unwrap()
}

fn manifest() -> String {
    let output = Command::new(AGENT)
        .args(["manifest", "--profile", "generic"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_exit_code_is_the_same_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good.yaml"), folder.path().join("bad.yaml"));
    fs::write(&good, manifest()).unwrap();
    fs::write(&bad, manifest().replace("PERFMON", "NET_RAW")).unwrap();
    let mut codes = BTreeSet::new();
    for file in [&good, &bad] {
        for fail_on in ["warn", "fail"] {
            let told = FORMATS.map(|format| {
                let output = doctor(file, &["--fail-on", fail_on, "--format", format]);
                assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
                assert!(output.stdout.ends_with(b"\n"), "{format} ends within a line");
                output.status.code().unwrap()
            });
            assert_eq!(told, [told[0]; 8], "{FORMATS:?} of {file:?} with --fail-on {fail_on}");
            codes.insert(told[0]);
        }
    }
    assert!(
        codes.contains(&2) && codes.len() > 1,
        "the test proves nothing: {codes:?}"
    );
}

#[test]
fn names_go_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("zqproject-zqteam.yaml");
    let text = manifest().replace("namespace: pinhole", "namespace: zqproject");
    fs::write(&file, text.replace("PERFMON", "NET_RAW")).unwrap();
    let plain = String::from_utf8(doctor(&file, &["--format", "json"]).stdout).unwrap();
    assert!(plain.contains("zq"), "the name is not in the report anyway: {plain}");
    for format in FORMATS {
        let output = doctor(&file, &["--redact", "--format", format]);
        let page = String::from_utf8(output.stdout).unwrap();
        assert!(!page.contains("zq"), "{format}: {page}");
    }
}

#[test]
fn an_explanation_has_no_other_format_than_text_and_json() {
    let output = Command::new(AGENT)
        .args(["doctor", "--explain", "shop/web", "--format", "html"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("text or json"));
}
