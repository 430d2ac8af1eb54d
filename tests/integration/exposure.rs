//! `agent exposure` from the command line: manifests without any privilege, and the running agent by its admin socket.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::event::agent;
use crate::lab::agent::Installed;
use crate::lab::turn::Turn;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/exposure")
        .join(name)
}

fn exposure(arguments: &[&str], manifests: &[PathBuf]) -> Output {
    let mut command = Command::new(agent());
    command.arg("exposure").args(arguments).stdin(Stdio::null());
    if !manifests.is_empty() {
        command.arg("--manifest").args(manifests);
    }
    command.output().unwrap()
}

fn reports(output: &Output) -> Vec<Value> {
    let page: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(page["schema_version"], 1);
    page["reports"].as_array().unwrap().clone()
}

fn row<'a>(report: &'a Value, id: &str) -> &'a Value {
    let rows = report["rows"].as_array().unwrap();
    rows.iter().find(|row| row["id"] == id).unwrap()
}

#[test]
fn a_limit_decides_the_exit_code() {
    let ours = [fixture("ours.yaml")];
    let judged = reports(&exposure(&["--json"], &ours));
    let score = judged[0]["exposure"].as_f64().unwrap();
    let limit = |max: f64| exposure(&["--max", &max.to_string()], &ours).status.code();
    assert_eq!((limit(score), limit(score - 0.1)), (Some(0), Some(2)));
    assert_eq!(exposure(&["--max", "11"], &ours).status.code(), Some(64));

    let several = [fixture("ours.yaml"), fixture("falco-default.yaml")];
    let judged = reports(&exposure(&["--format", "json"], &several));
    assert_eq!(judged.len(), 2);
    assert!(judged[0]["exposure"].as_f64() < judged[1]["exposure"].as_f64());
    assert_eq!(
        exposure(&["--max", &score.to_string()], &several).status.code(),
        Some(2)
    );
}

#[test]
fn what_cannot_be_judged_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.yaml");
    for (text, code, words) in [
        ("kind: Service\n", 3, "no workload"),
        (
            "kind: Pod\nspec: {containers: 7}\n",
            78,
            "spec.containers must be a list",
        ),
        ("[[[[", 78, "x.yaml: document 1"),
    ] {
        fs::write(&file, text).unwrap();
        let output = exposure(&[], std::slice::from_ref(&file));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(words) && output.stdout.is_empty(), "{said}");
    }
    let gone = exposure(&["--pid", "4294967295"], &[]);
    assert_eq!(gone.status.code(), Some(3));
    let none = exposure(
        &["--control-socket", directory.path().join("none").to_str().unwrap()],
        &[],
    );
    assert_eq!(none.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&none.stderr).contains("--manifest FILE"));
}

#[test]
fn the_running_agent_is_judged_by_what_it_still_has() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let running = installed.run(["--events", "process"]).unwrap();
    let socket = installed.control_socket();
    let judged = reports(&exposure(
        &["--json", "--control-socket", socket.to_str().unwrap()],
        &[],
    ));
    let report = &judged[0];
    assert_eq!(report["phase"], "running");
    let rows = report["rows"].as_array().unwrap();
    for row in rows
        .iter()
        .filter(|row| row["id"].as_str().unwrap().starts_with("cap-"))
    {
        assert_eq!(row["status"], "ok", "{row:#}");
    }
    for id in ["root-user", "privilege-escalation", "token", "privileged"] {
        assert_eq!(row(report, id)["status"], "ok", "{:#}", row(report, id));
    }
    assert_eq!(
        row(report, "seccomp")["badness"],
        0.3,
        "its own filter: {:#}",
        row(report, "seccomp")
    );
    // The lab starts it on the host, with the host's files, processes and network in sight.
    for id in ["host-files", "host-pid", "host-network", "runtime-socket"] {
        assert_eq!(row(report, id)["status"], "exposed", "{:#}", row(report, id));
    }
    // The shell that started the test has more.
    let own = reports(&exposure(&["--json", "--pid", &std::process::id().to_string()], &[]));
    assert!(own[0]["exposure"].as_f64() > report["exposure"].as_f64());
    let stopped = running.stop().unwrap();
    assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
}
