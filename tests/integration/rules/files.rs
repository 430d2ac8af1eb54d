//! Rule files that are wrong, as somebody who wrote them sees it.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use crate::event::agent;
use crate::lab::agent::Installed;

const WRONG: &str = r#"- macro: opened
  condition: evt.type in (open, opnat)
- rule: Slip
  desc: A slip of the pen.
  condition: opened and proc.nmae = cat and unheard
  output: "%proc.name %fd.nmae"
  priority: LOUD
- rule: Shut
  desc: A parenthesis is not closed.
  condition: evt.type = execve and (proc.name = cat
  output: x
  priority: INFO
"#;

fn checked(words: &[&str]) -> Output {
    Command::new(agent())
        .args(["rules", "check"])
        .args(words)
        .env_clear()
        .output()
        .unwrap()
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("wrong.yaml");
    fs::write(&file, WRONG).unwrap();
    let name = file.to_str().unwrap();
    let output = checked(&[name]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    for wanted in [
        format!("{name}:2:33: error: rule Slip: "),
        "did you mean `openat`?".to_owned(),
        format!("{name}:5:25: error: rule Slip: "),
        "did you mean `proc.name`?".to_owned(),
        format!("{name}:5:45: error: rule Slip: the macro `unheard` is not known"),
        format!("{name}:7:13: error: "),
        format!("{name}:10:"),
        "rule Shut".to_owned(),
    ] {
        assert!(said.contains(&wanted), "{wanted} is not in:\n{said}");
    }
    // A path that is none hides nothing of the others.
    let output = checked(&["/no/such/rules.yaml", name, "/no/such/dir"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    for wanted in [
        "error: cannot read the rules in /no/such/rules.yaml: ",
        "/no/such/dir: ",
        "rule Shut",
    ] {
        assert!(said.contains(wanted), "{wanted} is not in:\n{said}");
    }
    let output = checked(&[name, "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["usable"], false, "{report}");
    assert!(report["problems"].as_array().unwrap().len() >= 4, "{report}");
    assert_eq!(report["problems"][0]["file"], name, "{report}");

    // The agent does not start with them, and says the same.
    let installed = Installed::new(agent()).unwrap();
    let copy = installed.dir().join("wrong.yaml");
    fs::copy(&file, &copy).unwrap();
    let left = installed
        .spawn(["--rules", copy.to_str().unwrap()])
        .unwrap()
        .collect()
        .unwrap();
    assert_eq!(left.status.code(), Some(78), "{}", left.stderr);
    assert!(left.stderr.contains("did you mean `proc.name`?"), "{}", left.stderr);
}

#[test]
fn an_agent_without_any_rule_says_so() {
    let installed = Installed::new(agent()).unwrap();
    let file = installed.dir().join("off.yaml");
    fs::write(
        &file,
        "- rule: Off\n  desc: d\n  condition: evt.type=execve\n  output: x\n  priority: INFO\n  enabled: false\n",
    )
    .unwrap();
    let stopped = installed
        .run(["--rules", file.to_str().unwrap()])
        .unwrap()
        .stop()
        .unwrap();
    assert!(stopped.stderr.contains("no rule is left"), "{}", stopped.stderr);
}

#[test]
fn fields_are_listed_with_their_names() {
    let fields = |prefix: &str| {
        let output = Command::new(agent())
            .args(["rules", "fields", prefix])
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let (code, said) = fields("evt.arg");
    assert_eq!(code, Some(0), "{said}");
    for wanted in ["evt.arg.NAME", "evt.arg[KEY]", " flags, ", "whence"] {
        assert!(said.contains(wanted), "{wanted} is not in:\n{said}");
    }
    let (code, said) = fields("nosuch");
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("no field's name begins with `nosuch`"), "{said}");
}

#[test]
fn the_stable_file_is_fine_and_says_what_it_captures() {
    let Some(rules) = super::stable() else { return };
    let output = checked(&[rules.to_str().unwrap(), "--format", "json", "--fail-on", "warning"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report}");
    let all = report["rules"].as_array().unwrap();
    assert_eq!(all.len(), 25);
    assert!(all.iter().all(|rule| rule["enabled"] == true), "{report}");
    let hooks: Vec<(&str, String)> = report["hooks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hook| (hook["name"].as_str().unwrap(), hook["why"].to_string()))
        .collect();
    // Of an exec the tracepoint tells success, and the two calls failure.
    let calls: Vec<&str> = hooks
        .iter()
        .filter(|(_, why)| why.contains("rules: "))
        .map(|(name, _)| *name)
        .collect();
    let mut wanted = [
        "exec",
        "execve",
        "execveat",
        "open",
        "openat",
        "openat2",
        "connect",
        "ptrace",
        "symlink",
        "symlinkat",
        "link",
        "linkat",
        "socket",
        "dup",
        "dup2",
        "dup3",
        "init_module",
        "finit_module",
        "sendto",
        "sendmsg",
    ];
    let mut calls = calls;
    calls.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(calls, wanted);
    let (_, why) = hooks.iter().find(|(name, _)| *name == "ptrace").unwrap();
    assert!(
        why.contains("PTRACE attached to process, PTRACE anti-debug attempt"),
        "{why}"
    );
}
