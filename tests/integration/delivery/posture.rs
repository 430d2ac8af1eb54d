//! What the delivery process is and may do, what the sensor is beside it, and what is left when one of them is gone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::receiver::{Receiver, free_port};
use super::{Node, mark, printed, process_of, until};
use crate::lab::agent::{AGENT_ID, ARRIVES, threads_of};
use crate::lab::tool;
use crate::lab::turn::Turn;

fn both_channels(port: u16) -> String {
    format!(
        "[delivery.http]\nenabled = true\nurl = \"http://127.0.0.1:{port}/\"\nretry.first = \"100ms\"\n\
         [delivery.file]\nenabled = true\npath = \"RUN/alerts.log\"\n"
    )
}

fn threads(pid: Pid) -> Vec<BTreeMap<String, String>> {
    threads_of(pid.as_raw().unsigned_abs().into()).unwrap()
}

/// What a process has open, by number.
fn descriptors(pid: Pid) -> BTreeMap<u32, String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    entries
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let target = fs::read_link(entry.path()).ok()?;
            Some((number, target.to_string_lossy().into_owned()))
        })
        .collect()
}

#[test]
fn it_holds_nothing_but_its_own_and_the_sensor_is_as_it_was() {
    let _turn = Turn::take().unwrap();
    let port = free_port();
    let _receiver = Receiver::start(port, None);
    let node = Node::new(&both_channels(port));
    let agent = node.start();
    let child = process_of(&agent);
    // Threads of the runtime among them, which names and files are for.
    mark("posture");
    node.account(&agent, "http", |http| http.delivered == 1);
    node.account(&agent, "file", |file| file.delivered == 1);
    let id = AGENT_ID.to_string();
    let of_child = threads(child);
    assert_eq!(of_child[0]["Name"], "agent-delivery");
    for thread in of_child.iter().chain(&threads(agent.pid())) {
        for key in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(thread[key], "0000000000000000", "{key} of {thread:#?}");
        }
        assert_eq!((&*thread["NoNewPrivs"], &*thread["Seccomp"]), ("1", "2"), "{thread:#?}");
        assert!(thread["Uid"].split_whitespace().all(|uid| uid == id), "{thread:#?}");
    }
    let inherited = descriptors(Pid::this());
    for (number, target) in descriptors(child) {
        let known = match number {
            0 | 1 => target == "/dev/null",
            2 => target.starts_with("pipe:"),
            _ => {
                let own = ["socket:", "anon_inode:[eventpoll]", "anon_inode:[eventfd]"];
                let is_own = own.iter().any(|kind| target.starts_with(kind));
                // The directory of /proc is kept for Landlock.
                is_own || target.ends_with("/run/alerts.log") || *target == format!("/proc/{child}")
            }
        };
        // What the test's own parent left open passes through all of them.
        assert!(known || inherited.get(&number) == Some(&target), "{number} is {target}");
    }
    let sensor = descriptors(agent.pid());
    assert!(sensor.values().any(|target| target.contains("bpf-map")));
    assert!(
        sensor.values().all(|target| !target.ends_with("alerts.log")),
        "{sensor:?}"
    );
    assert_eq!(threads(agent.pid()).len(), 2);
    // The doctor takes it for no second agent.
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}", stopped.stderr);
    assert!(
        !Path::new(&format!("/proc/{child}")).exists(),
        "it ends with the sensor"
    );
}

#[test]
fn signals_for_the_group_leave_it_at_its_work() {
    let _turn = Turn::take().unwrap();
    let port = free_port();
    let receiver = Receiver::start(port, None);
    let node = Node::new(&both_channels(port));
    let agent = node.start();
    let child = process_of(&agent);
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1] {
        kill(child, signal).unwrap();
    }
    mark("after");
    until("the alert", &agent, || (receiver.got().len() == 1).then_some(()));
    // The sensor dies without a word, and what waits is delivered all the same.
    mark("last");
    printed(&agent, "last");
    kill(agent.pid(), Signal::SIGKILL).unwrap();
    until("the last alert", &agent, || (receiver.got().len() == 2).then_some(()));
    until("its end", &agent, || {
        (!Path::new(&format!("/proc/{child}")).exists()).then_some(())
    });
}

#[test]
fn without_it_the_sensor_goes_on_and_says_so() {
    let _turn = Turn::take().unwrap();
    let port = free_port();
    let receiver = Receiver::start(port, None);
    let node = Node::new(&both_channels(port));
    let agent = node.start();
    mark("before");
    node.account(&agent, "http", |http| http.delivered == 1);
    kill(process_of(&agent), Signal::SIGKILL).unwrap();
    until("the word of it", &agent, || (!node.delivery().running).then_some(()));
    for word in ["one", "two"] {
        mark(word);
        printed(&agent, word);
    }
    assert_eq!(receiver.got().len(), 1);
    let context = || format!("{:?}\n{}", node.delivery(), agent.stderr());
    let lost = || Ok((node.delivery().lost == 2).then_some(()));
    tool::poll("the count", ARRIVES, context, lost).unwrap();
    let (code, text) = crate::health::curl(&node.installed, "/readyz", "Accept: */*");
    assert_eq!(code, 503, "{text}");
    assert!(text.contains("[-] delivery: the delivery process has ended"), "{text}");
    let (_, metrics) = crate::health::curl(&node.installed, "/metrics", "Accept: */*");
    for line in ["pinhole_delivery_up 0", "pinhole_delivery_lost_total 2"] {
        assert!(metrics.lines().any(|told| told == line), "{line}: {metrics}");
    }
    let report = doctor(&node);
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == "PIN-DLV-001").unwrap();
    assert_eq!(check["status"], "fail", "{check}");
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}", stopped.stderr);
    assert_eq!(
        stopped
            .stderr
            .matches("the delivery process has ended: no alert")
            .count(),
        1,
        "{}",
        stopped.stderr
    );
    let told = &stopped.summary().unwrap()["delivery"];
    assert_eq!((&told["running"], &told["lost"]), (&false.into(), &2.into()), "{told}");
}

fn doctor(node: &Node) -> Value {
    let config = node.config.to_str().unwrap();
    let mut command = node
        .installed
        .command(["doctor", "--format", "json", "--config", config])
        .unwrap();
    let output = command.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    })
}
