//! The doctor's tools as they are called: waiting, comparing, accepting, merging, explaining.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::event::agent;
use crate::lab::place::Place;

/// The doctor outside of any container, with a configuration that may be wrong.
fn doctor(place: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(agent());
    command
        .args(["doctor", "--config"])
        .arg(place.join("agent.toml"))
        .args(arguments)
        .env_clear()
        .env("PINHOLE_CONTROL_SOCKET", place.join("agent.sock"))
        .stdin(Stdio::null());
    command
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn check<'a>(report: &'a Value, id: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks
        .iter()
        .find(|check| check["id"] == id)
        .unwrap_or_else(|| panic!("no {id}"))
}

const WRONG: &str = "[capture]\nrign_size = \"8MiB\"\n";

#[test]
fn waiting_ends_as_soon_as_what_is_waited_for_is_mended() {
    let place = Place::new().unwrap();
    let config = place.path().join("agent.toml");
    fs::write(&config, WRONG).unwrap();
    let mut child = doctor(place.path(), &["--wait", "60s", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = said.next().unwrap().unwrap();
    assert!(
        line.starts_with("still waiting for PIN-CFG-001 (The configuration loads)"),
        "{line}"
    );
    fs::write(&config, "").unwrap();
    let report = json(&child.wait_with_output().unwrap());
    assert_eq!(check(&report, "PIN-CFG-001")["status"], "ok", "{report:#}");
}

#[test]
fn a_baseline_leaves_only_what_is_new_to_the_exit_code() {
    let place = Place::new().unwrap();
    let config = place.path().join("agent.toml");
    fs::write(&config, "").unwrap();
    let baseline = place.path().join("before.json");
    let before = doctor(place.path(), &["--format", "json"]).output().unwrap();
    fs::write(&baseline, &before.stdout).unwrap();
    let against = ["--format", "json", "--baseline", baseline.to_str().unwrap()];

    let same = doctor(place.path(), &against).output().unwrap();
    assert_ne!(same.status.code(), Some(2), "{:#}", json(&same)["changes"]);
    fs::write(&config, WRONG).unwrap();
    let worse = doctor(place.path(), &against).output().unwrap();
    assert_eq!(worse.status.code(), Some(2));
    let report = json(&worse);
    let changed = report["changes"]["checks"].as_array().unwrap();
    let changed = changed.iter().find(|changed| changed["id"] == "PIN-CFG-001").unwrap();
    assert_eq!(
        (&changed["change"], &changed["from"], &changed["to"]),
        (&"new".into(), &"ok".into(), &"fail".into())
    );
    let text = doctor(place.path(), &["--baseline", baseline.to_str().unwrap()])
        .output()
        .unwrap();
    let page = String::from_utf8_lossy(&text.stdout);
    assert!(
        page.contains("  new    PIN-CFG-001 The configuration loads (ok > fail)"),
        "{page}"
    );
    assert!(
        page.ends_with("exit 2: findings at or above fail are new or worse\n"),
        "{page}"
    );

    fs::write(&baseline, "{\"schema_version\": 7}").unwrap();
    let other = doctor(place.path(), &against).output().unwrap();
    assert_eq!(other.status.code(), Some(64));
    assert!(
        String::from_utf8_lossy(&other.stderr).contains("schema_version is 7"),
        "{other:?}"
    );
}

#[test]
fn what_is_accepted_is_marked_and_does_not_count() {
    let place = Place::new().unwrap();
    fs::write(place.path().join("agent.toml"), WRONG).unwrap();
    let file = place.path().join("accepted.toml");
    let entry = |until: &str| {
        format!("[[suppress]]\nid = \"PIN-CFG-001\"\nreason = \"mended with the next roll-out\"\nuntil = \"{until}\"\n")
    };
    let arguments = ["--format", "json", "--suppress", file.to_str().unwrap()];
    fs::write(&file, entry("9999-12-31")).unwrap();
    let accepted = json(&doctor(place.path(), &arguments).output().unwrap());
    let mark = check(&accepted, "PIN-CFG-001");
    assert_eq!(
        (&mark["status"], &mark["suppressed"]["until"]),
        (&"fail".into(), &"9999-12-31".into())
    );
    assert_eq!(accepted["counts"]["suppressed"], 1);
    assert_eq!(check(&accepted, "PIN-CFG-005")["status"], "ok");

    fs::write(&file, entry("2020-02-29")).unwrap();
    let over = doctor(place.path(), &arguments).output().unwrap();
    assert_eq!(over.status.code(), Some(2));
    let over = json(&over);
    assert!(check(&over, "PIN-CFG-001").get("suppressed").is_none());
    assert_eq!(check(&over, "PIN-CFG-005")["status"], "warn");

    fs::write(&file, "[[suppress]]\nid = \"PIN-CFG-001\"\nuntil = \"9999-12-31\"\n").unwrap();
    let without = doctor(place.path(), &arguments).output().unwrap();
    assert_eq!(without.status.code(), Some(64));
    assert!(
        String::from_utf8_lossy(&without.stderr).contains("missing field `reason`"),
        "{without:?}"
    );
}

#[test]
fn reports_of_several_nodes_become_one() {
    let place = Place::new().unwrap();
    let mut files = Vec::new();
    for (node, config) in [("node-a", ""), ("node-b", WRONG), ("node-c", WRONG)] {
        fs::write(place.path().join("agent.toml"), config).unwrap();
        // A wrong configuration has no name of the node either: that is where the file's comes from.
        let report = doctor(place.path(), &["--format", "json", "--node-name", node])
            .output()
            .unwrap();
        let file = place.path().join(format!("{node}.json"));
        fs::write(&file, &report.stdout).unwrap();
        files.push(file);
    }
    fs::write(place.path().join("bad.json"), "[]").unwrap();
    files.push(place.path().join("bad.json"));
    files.push(place.path().join("gone.json"));
    let merge = |more: &[&str]| {
        let mut command = Command::new(agent());
        command
            .args(["doctor", "merge"])
            .args(more)
            .args(&files)
            .env_clear()
            .output()
            .unwrap()
    };
    let merged = merge(&["--format", "json"]);
    assert_eq!(merged.status.code(), Some(2), "{merged:?}");
    let fleet = json(&merged);
    assert_eq!(fleet["nodes"].as_array().unwrap().len(), 3, "{fleet:#}");
    assert_eq!(fleet["checks"][0]["id"], "PIN-CFG-001", "{fleet:#}");
    assert_eq!(fleet["checks"][0]["counts"]["fail"], 2, "{fleet:#}");
    let left: Vec<&str> = fleet["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|left| left["file"].as_str().unwrap())
        .collect();
    assert!(
        left[0].ends_with("bad.json") && left[1].ends_with("gone.json"),
        "{left:?}"
    );
    let page = String::from_utf8(merge(&[]).stdout).unwrap();
    assert!(
        page.contains("PIN-CFG-001  The configuration loads\n  fail     2 of 3: "),
        "{page}"
    );
}

#[test]
fn a_check_is_explained_without_a_network_or_a_machine() {
    let explain = |arguments: &[&str]| {
        Command::new(agent())
            .args(["doctor", "explain"])
            .args(arguments)
            .env_clear()
            .output()
            .unwrap()
    };
    let page = explain(&["PIN-RUN-001", "--format", "markdown"]);
    let wanted = include_str!("../../../docs/checks/PIN-RUN-001.md");
    assert_eq!(String::from_utf8(page.stdout).unwrap(), wanted);
    let text = String::from_utf8(explain(&["pin-run-001"]).stdout).unwrap();
    assert!(
        text.starts_with("PIN-RUN-001: A container runtime answers\n") && !text.contains('|'),
        "{text}"
    );
    let wrong = explain(&["PIN-RUNN-001"]);
    assert_eq!(wrong.status.code(), Some(64));
    assert!(
        String::from_utf8_lossy(&wrong.stderr).contains("did you mean PIN-RUN-001"),
        "{wrong:?}"
    );
}
