//! What was recorded gives the same alerts once more, without a kernel.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::event::agent;
use crate::lab::agent::{AGENT_ID, Installed};
use crate::lab::containerd::Containerd;
use crate::lab::pod::{Pod, PodSpec};
use crate::lab::tool;
use crate::lab::turn::Turn;

const RULES: &str = r#"
- list: readers
  items: [cat, head]
- macro: opened
  condition: (evt.type in (open, openat, openat2) and evt.is_open_read=true)
- rule: Read by a reader
  desc: A file of this test was read.
  condition: opened and proc.name in (readers) and fd.name endswith /read-me
  output: read file=%fd.name by=%proc.cmdline parent=%proc.pname in=%container.name
  priority: WARNING
  tags: [test, file]
- rule: Ran in the shop
  desc: A program was executed in a pod of the shop.
  condition: evt.type=execve and k8s.ns.name=shop and proc.args contains marked
  output: ran %proc.exepath %proc.args image=%container.image.repository
  priority: NOTICE
- rule: Never
  desc: Nothing does that.
  condition: evt.type=openat and fd.name=/pinhole/is/not/there and evt.num=0
  output: never
  priority: DEBUG
"#;

/// Runs the agent's program as anybody would.
fn tried(words: &[&str]) -> Output {
    Command::new(agent())
        .args(words)
        .env_clear()
        .env("PINHOLE_PROFILE", "standalone")
        .output()
        .unwrap()
}

fn alerts(text: &str) -> Vec<Value> {
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line.get("rule").is_some()).collect()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_recording_gives_the_alerts_of_the_run_once_more() {
    let _turn = Turn::take().unwrap();
    let lab = Containerd::start().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let (rules, place) = (installed.dir().join("rules.yaml"), installed.dir().join("recordings"));
    fs::write(&rules, RULES).unwrap();
    fs::create_dir(&place).unwrap();
    chown(&place, Some(AGENT_ID), Some(AGENT_ID)).unwrap();
    let recording = place.join("events.pinhole");
    let file = installed.dir().join("read-me");
    fs::write(&file, "text").unwrap();
    let running = installed
        .run([
            "--rules",
            path(&rules),
            "--record",
            path(&recording),
            "--runtime-socket",
            path(&lab.socket()),
        ])
        .unwrap();
    let pod = Pod::run(
        &lab,
        PodSpec::new("shop", "web-0", "3a0c1b7e-0000-4000-8000-00000000beef"),
    )
    .unwrap();
    let container = pod.start("app", &["/bin/sleep", "1000"]).unwrap();
    tool::run(Command::new("cat").arg(&file)).unwrap();
    tool::run(Command::new("tail").arg(&file)).unwrap();
    container.exec(&["echo", "marked"]).unwrap();
    running
        .wait_for("the second alert", |event| event["rule"] == "Ran in the shop")
        .unwrap();
    let stopped = running.stop().unwrap();
    assert!(stopped.status.success(), "{}", stopped.stderr);
    let live: Vec<&Value> = stopped
        .events
        .iter()
        .filter(|event| event.get("rule").is_some())
        .collect();
    assert_eq!(live.len(), 2, "{live:?}");
    assert_eq!(live[0]["output_fields"]["fd.name"], path(&file), "{live:?}");
    assert_eq!(live[1]["output_fields"]["container.name"], "app", "{live:?}");
    assert_eq!(
        stopped.events.len(),
        3,
        "with rules nothing but alerts and the summary is printed"
    );

    let said = fs::metadata(&recording).unwrap();
    assert_eq!((said.uid(), said.permissions().mode() & 0o777), (AGENT_ID, 0o600));
    let output = tried(&[
        "rules",
        "test",
        path(&rules),
        "--output",
        "json",
        "--recording",
        path(&recording),
    ]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let again = alerts(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(again.iter().collect::<Vec<_>>(), live, "{errors}");
    assert!(errors.contains("2 alerts"), "{errors}");

    let expect = |wanted: &[&str]| {
        let mut words = vec![
            "rules",
            "test",
            path(&rules),
            "--output",
            "count",
            "--recording",
            path(&recording),
        ];
        words.extend(wanted.iter().flat_map(|wanted| ["--expect", wanted]));
        let output = tried(&words);
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    assert_eq!(expect(&["Read by a reader=1", "Ran in the shop", "*=0"]).0, Some(0));
    let (code, said) = expect(&["Read by a reader=2", "Never"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("expected 2 alerts of `Read by a reader`: there are 1"),
        "{said}"
    );
    assert!(said.contains("expected an alert of `Never`"), "{said}");
    let (code, said) = expect(&["Read by a raeder"]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("did you mean `Read by a reader`?"), "{said}");

    // What was recorded stays: nothing is written over.
    let again = installed.spawn(["--record", path(&recording)]).unwrap();
    let left = again.collect().unwrap();
    assert_eq!(left.status.code(), Some(78), "{}", left.stderr);
    assert!(
        left.stderr.contains("cannot make the recording") && left.stderr.contains("File exists"),
        "{}",
        left.stderr
    );
    let output = tried(&["rules", "test", path(&rules), "--recording", path(&rules)]);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("this is no recording"),
        "{output:?}"
    );
}
