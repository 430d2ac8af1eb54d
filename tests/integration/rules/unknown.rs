//! A container runtime that hangs: rules that exclude an image neither flood nor fall silent, what is said meanwhile is
//! marked and bounded, and all is as it should be afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::event::{agent, assert_nothing_dropped};
use crate::lab::agent::Installed;
use crate::lab::containerd::Containerd;
use crate::lab::image;
use crate::lab::pod::{Pod, PodSpec};
use crate::lab::proxy::{Mode, Proxy};
use crate::lab::turn::Turn;

/// Executes something every few hundredths of a second. By its path: a busybox that looks for itself is called `exe`.
const TICKING: [&str; 3] = ["/bin/sh", "-c", "while true; do /bin/sleep 0.03; done"];

/// The image that runs is the one that is excluded, and another rule says nothing of images.
fn rules() -> String {
    format!(
        r#"
- rule: Not of our image
  desc: Somebody else's image executes something.
  condition: evt.type=execve and container.id != host and proc.name=sleep and proc.args=0.03 and not container.image.repository in ({excluded})
  output: ran %proc.cmdline image=%container.image.repository
  priority: WARNING
- rule: Held
  desc: The same, of which nobody wants to hear while it is unknown.
  condition: evt.type=execve and container.id != host and proc.name=sleep and proc.args=0.03 and not container.image.repository endswith /busybox
  output: ran %proc.cmdline
  priority: WARNING
- rule: In a container
  desc: What hangs on nothing but the cgroup.
  condition: evt.type=execve and container.id != host and proc.name=sleep and proc.args=0.03
  output: ran %proc.cmdline pod=%k8s.pod.name
  priority: NOTICE
"#,
        excluded = image::BUSYBOX_REPOSITORY
    )
}

fn by_rule(alerts: &[Value]) -> BTreeMap<&str, Vec<&Value>> {
    let mut by_rule: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for alert in alerts {
        if let Some(rule) = alert["rule"].as_str() {
            by_rule.entry(rule).or_default().push(alert);
        }
    }
    by_rule
}

fn hangs_for(time: Duration) {
    let _turn = Turn::take().unwrap();
    let lab = Containerd::start().unwrap();
    let proxy = Proxy::start(&lab.socket()).unwrap();
    let installed = Installed::new(agent()).unwrap().with_default_limits();
    let file = installed.dir().join("rules.yaml");
    fs::write(&file, rules()).unwrap();
    let (file, socket) = (file.to_str().unwrap(), proxy.socket());
    let running = installed
        .run([
            "--rules",
            file,
            "--rules-matching",
            "all",
            "--rules-unknown-hold",
            "Held",
            "--runtime-socket",
            socket.to_str().unwrap(),
        ])
        .unwrap();
    let pod = Pod::run(
        &lab,
        PodSpec::new("shop", "web-7d9c5b", "5b0f1c9a-0000-4a57-b8a3-90a5f1f0c0fb"),
    )
    .unwrap();
    proxy.switch(Mode::Hang);
    let began = Instant::now();
    let during = pod.start("during", &TICKING).unwrap();
    // Whoever watches sees alerts all the time, of the rule that asks for nothing that is missing.
    let mut mark = 0;
    while began.elapsed() < time {
        running
            .explained(
                running
                    .events()
                    .wait_from(mark, "an alert", Duration::from_secs(5), |event| {
                        event["rule"] == "In a container"
                    }),
            )
            .unwrap();
        mark = running.events().len();
    }
    let marked = running.events().all();
    proxy.switch(Mode::Pass);
    running
        .wait_for("a complete alert", |event| {
            event["rule"] == "In a container" && event["output_fields"]["k8s.pod.name"] == "web-7d9c5b"
        })
        .unwrap();
    let recovered = running.events().len();
    for _ in 0..20 {
        let mark = running.events().len();
        running
            .explained(
                running
                    .events()
                    .wait_from(mark, "an alert afterwards", Duration::from_secs(5), |event| {
                        event["rule"] == "In a container"
                    }),
            )
            .unwrap();
    }
    during.remove().unwrap();
    let stopped = running.stop().unwrap();
    assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
    assert_nothing_dropped(&stopped);

    let meanwhile = by_rule(&marked);
    let unknown = &meanwhile["Not of our image"];
    assert_eq!(unknown.len(), 1, "once per container and rule: {unknown:?}");
    let undecided = &unknown[0]["pinhole"]["undecided"];
    let reason = undecided["container.image.repository"].as_str().unwrap();
    assert!(
        ["lookup_pending", "runtime_timeout", "circuit_open"].contains(&reason),
        "{}",
        unknown[0]
    );
    let said = unknown[0]["output"].as_str().unwrap();
    assert!(
        said.ends_with(&format!("(metadata unknown: container.image.repository: {reason})")),
        "{said}"
    );
    assert_eq!(meanwhile.get("Held"), None, "{meanwhile:?}");
    let always = &meanwhile["In a container"];
    for alert in always {
        assert!(alert["pinhole"].get("undecided").is_none(), "{alert}");
        assert_eq!(alert["output_fields"]["k8s.pod.name"], Value::Null, "{alert}");
        let why = &alert["pinhole"]["missing"]["k8s.pod.name"];
        assert_eq!(*why, alert["pinhole"]["metadata"]["reason"], "{alert}");
        assert!(why.is_string(), "{alert}");
    }
    let later = by_rule(&stopped.events[recovered..]);
    assert_eq!(
        later.keys().copied().collect::<Vec<_>>(),
        ["In a container"],
        "the image is known, and excluded"
    );
    for alert in &later["In a container"] {
        assert_eq!(alert["pinhole"]["metadata"]["status"], "complete", "{alert}");
        assert_eq!(alert["pinhole"].get("missing"), None, "{alert}");
    }
    let told = &stopped.summary().unwrap()["rules"];
    assert_eq!(told["Not of our image"]["matched"], json!(0), "{told}");
    assert_eq!(told["Not of our image"]["undecided"], json!(1), "{told}");
    let held = told["Held"]["held_back"].as_u64().unwrap();
    assert_eq!(
        held,
        told["Not of our image"]["held_back"].as_u64().unwrap() + 1,
        "{told}"
    );
    assert_eq!(told["In a container"]["held_back"], json!(0), "{told}");
    println!(
        "hung for {} s: {} alerts, 1 undecided, {} held back",
        time.as_secs(),
        always.len(),
        told["Not of our image"]["held_back"]
    );
}

#[test]
fn a_runtime_that_hangs_causes_no_flood_and_no_silence() {
    hangs_for(Duration::from_secs(4));
}

#[test]
#[ignore = "takes a minute; `just test-runtimes`"]
fn a_runtime_that_hangs_for_a_minute_causes_no_flood_and_no_silence() {
    hangs_for(Duration::from_secs(60));
}
