//! Who did it, where processes make that hard to say: ids that come again, threads.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::actor::{self, Group, Role, THREADS};
use crate::event::{agent, assert_nothing_dropped, exec_id_of, is_call, is_exec, last_arg, of_type, pid_of};
use crate::lab::agent::Installed;
use crate::lab::tool;
use crate::lab::turn::Turn;

fn busybox() -> PathBuf {
    tool::find("busybox", "busybox-static").unwrap()
}

/// Starts programs until one has the process id that is wanted and free. Others of the machine may take it first.
fn with_pid(wanted: u64, mut start: impl FnMut() -> Child) -> Child {
    const TRIES: usize = 200;
    for _ in 0..TRIES {
        fs::write("/proc/sys/kernel/ns_last_pid", (wanted - 1).to_string()).unwrap();
        let mut child = start();
        if u64::from(child.id()) == wanted {
            return child;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    panic!("process id {wanted} did not come again in {TRIES} tries");
}

#[test]
fn a_process_id_that_comes_again_is_another_process() {
    const ROUNDS: usize = 20;
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process"]).unwrap();
    let start = |round: usize| {
        Command::new(busybox())
            .args(["true", &format!("round-{round}")])
            .spawn()
            .unwrap()
    };
    let mut first = start(0);
    let pid = u64::from(first.id());
    assert!(first.wait().unwrap().success());
    for round in 1..ROUNDS {
        assert!(with_pid(pid, || start(round)).wait().unwrap().success());
    }
    let stopped = agent.stop().unwrap();
    assert_nothing_dropped(&stopped);
    let ours = |kind| of_type(&stopped.events, kind).filter(|event| pid_of(event) == pid);
    let me = std::process::id();
    let mut ids = BTreeSet::new();
    let mut starts = BTreeSet::new();
    let mut parents = BTreeSet::new();
    for round in 0..ROUNDS {
        let event = ours("process_exec")
            .find(|event| last_arg(event) == format!("round-{round}"))
            .unwrap_or_else(|| panic!("no exec of round {round}"));
        assert_eq!(event["process"]["ppid"], me, "{event}");
        assert!(ids.insert(exec_id_of(event)), "an id of an earlier process: {event}");
        assert!(
            starts.insert(event["process"]["start_time"].as_str().unwrap()),
            "{event}"
        );
        parents.insert(event["process"]["parent_exec_id"].as_str().unwrap());
        let exits: Vec<&Value> = ours("process_exit")
            .filter(|exit| exec_id_of(exit) == exec_id_of(event))
            .collect();
        assert_eq!(exits.len(), 1, "{exits:?}");
        assert_eq!(last_arg(exits[0]), format!("round-{round}"), "{}", exits[0]);
    }
    assert_eq!(parents.len(), 1, "one parent under one name: {parents:?}");
}

/// The parent dies, and a stranger gets its process id: the child is no child of the stranger.
#[test]
fn who_takes_a_dead_parents_process_id_is_no_parent() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process"]).unwrap();
    let busybox = busybox();
    // The orphan waits on the standard input that it shares with its parent, which ends at once.
    let family = "exec 3<&0
        \"$busybox\" sh -c 'read -r _; \"$busybox\" true below-orphan; exec \"$busybox\" true orphan' <&3 3<&- >/dev/null &
        echo $!";
    let mut parent = Command::new(&busybox)
        .args(["sh", "-c", family])
        .env("busybox", &busybox)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let reused = u64::from(parent.id());
    let mut release_orphan = parent.stdin.take().unwrap();
    let mut orphan = String::new();
    BufReader::new(parent.stdout.take().unwrap())
        .read_line(&mut orphan)
        .unwrap();
    let orphan: u64 = orphan.trim().parse().unwrap();
    assert!(parent.wait().unwrap().success());

    let mut stranger = with_pid(reused, || {
        Command::new(&busybox)
            .args(["sh", "-c", "read -r _; \"$busybox\" true below-stranger; exit 0"])
            .env("busybox", &busybox)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap()
    });
    let stat = fs::read_to_string(format!("/proc/{orphan}/stat")).unwrap();
    let reaper: u64 = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split(' ')
        .nth(2)
        .unwrap()
        .parse()
        .unwrap();
    assert_ne!(reaper, reused);
    release_orphan.write_all(b"go\n").unwrap();
    agent
        .wait_for("the orphan's end", |event| {
            event["type"] == "process_exit" && event["process"]["pid"] == orphan
        })
        .unwrap();
    stranger.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(stranger.wait().unwrap().success());
    let stopped = agent.stop().unwrap();
    assert_nothing_dropped(&stopped);

    let exec = |last: &str| {
        of_type(&stopped.events, "process_exec")
            .find(|event| last_arg(event) == last)
            .unwrap_or_else(|| panic!("no exec of {last}"))
    };
    let pids_above = |event: &Value| -> Vec<u64> {
        let ancestors = event["process"]["ancestors"].as_array().unwrap();
        ancestors.iter().map(|one| one["pid"].as_u64().unwrap()).collect()
    };
    let above_orphan = pids_above(exec("orphan"));
    assert_eq!((pid_of(exec("orphan")), above_orphan[0]), (orphan, reaper));
    assert!(!above_orphan.contains(&reused), "{above_orphan:?}");
    let above_below = pids_above(exec("below-orphan"));
    assert_eq!(above_below[..2], [orphan, reaper]);
    assert!(!above_below.contains(&reused), "{above_below:?}");

    // Both had the process id; the stranger's child names the stranger.
    let images: Vec<&Value> = of_type(&stopped.events, "process_exec")
        .filter(|event| pid_of(event) == reused)
        .collect();
    let (first, last) = (images[0], images[images.len() - 1]);
    assert_ne!(exec_id_of(first), exec_id_of(last));
    let child = exec("below-stranger");
    assert_eq!(child["process"]["ppid"], reused, "{child}");
    assert_eq!(child["process"]["parent_exec_id"], exec_id_of(last), "{child}");
    assert_eq!(pids_above(child)[1], u64::from(std::process::id()), "{child}");
}

#[test]
fn an_exec_by_a_thread_that_does_not_lead_is_one_of_the_process() {
    const RUNS: usize = 10;
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process,file"]).unwrap();
    let (read, others) = (
        installed.dir().join("read-by-cat"),
        installed.dir().join("read-by-thread"),
    );
    fs::write(&read, "").unwrap();
    fs::write(&others, "").unwrap();
    let mut pids = Vec::new();
    for _ in 0..RUNS {
        let mut group = Group::start(&mut actor::command(Role::ExecFromThread, installed.dir()));
        assert!(group.0.wait().unwrap().success());
        pids.push(group.pid());
    }
    let stopped = agent.stop().unwrap();
    let (read, others) = (read.to_str().unwrap(), others.to_str().unwrap());
    for pid in pids {
        let ours = |kind| of_type(&stopped.events, kind).filter(move |event| pid_of(event) == pid);
        let execs: Vec<&Value> = ours("process_exec").collect();
        assert_eq!(execs.len(), 2, "the program and what its thread executed: {execs:?}");
        assert!(
            is_exec(execs[1], &[busybox().to_str().unwrap(), "cat", read]),
            "{}",
            execs[1]
        );
        assert_ne!(exec_id_of(execs[0]), exec_id_of(execs[1]));
        for event in &execs {
            assert_eq!(event["process"]["tid"], pid, "who executes leads: {event}");
            assert_eq!(event["process"]["ppid"], std::process::id(), "{event}");
            assert_eq!(
                event["process"]["start_time"], execs[0]["process"]["start_time"],
                "{event}"
            );
        }
        let opened = |path: &str| -> Vec<&Value> {
            let path = path.to_owned();
            ours("syscall")
                .filter(|event| is_call(event, "openat") && event["file"]["requested_path"] == *path)
                .collect()
        };
        let by_cat = opened(read);
        assert_eq!(by_cat.len(), 1);
        assert_eq!(by_cat[0]["process"]["tid"], pid, "{}", by_cat[0]);
        assert_eq!(exec_id_of(by_cat[0]), exec_id_of(execs[1]), "{}", by_cat[0]);
        let by_threads = opened(others);
        assert!(!by_threads.is_empty());
        for event in by_threads {
            assert_ne!(event["process"]["tid"], pid, "{event}");
            assert_eq!(exec_id_of(event), exec_id_of(execs[0]), "{event}");
        }
        let exits: Vec<&Value> = ours("process_exit").collect();
        assert_eq!(exits.len(), 1, "{exits:?}");
        assert_eq!(exec_id_of(exits[0]), exec_id_of(execs[1]));
        assert_eq!(exits[0]["exit"]["code"], 0, "{}", exits[0]);
    }
}

#[test]
fn two_thousand_threads_are_one_process_with_two_thousand_tids() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process,file"]).unwrap();
    let place = installed.dir().join("by-thread");
    fs::create_dir(&place).unwrap();
    let mut group = Group::start(&mut actor::command(Role::Threads, &place));
    assert!(group.0.wait().unwrap().success());
    let pid = group.pid();
    let stopped = agent.stop().unwrap();
    let ours = |kind| of_type(&stopped.events, kind).filter(|event| pid_of(event) == pid);
    let mut tids = BTreeSet::new();
    for event in ours("syscall").filter(|event| is_call(event, "openat")) {
        let Some(name) = event["file"]["requested_path"]
            .as_str()
            .and_then(|path| path.strip_prefix(place.to_str().unwrap())?.strip_prefix('/'))
        else {
            continue;
        };
        let tid: u64 = name.parse().unwrap();
        assert_eq!(event["process"]["tid"], tid, "{event}");
        assert_eq!(event["file"]["path"], event["file"]["requested_path"], "{event}");
        assert_eq!(event["process"]["ppid"], std::process::id(), "{event}");
        assert!(tids.insert(tid), "twice: {event}");
    }
    assert_eq!(tids.len(), THREADS);
    for kind in ["process_fork", "process_exec", "process_exit"] {
        assert_eq!(ours(kind).count(), 1, "{kind}");
    }
    assert!(
        of_type(&stopped.events, "process_fork").all(|event| !tids.contains(&pid_of(event))),
        "no thread is told as a process"
    );
}
