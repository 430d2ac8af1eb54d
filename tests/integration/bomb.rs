//! A fork bomb: very many processes at once, each below its parent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::actor::Group;
use crate::event::{agent, assert_nothing_dropped, balanced_hooks, exec_id_of, last_arg, of_type, pid_of};
use crate::lab::agent::{Installed, Stopped};
use crate::lab::tool;
use crate::lab::turn::Turn;

fn busybox() -> std::path::PathBuf {
    tool::find("busybox", "busybox-static").unwrap()
}

/// Each node is a process that writes down itself and its parent, has two children but at depth 0, and when they are gone
/// executes a program: by then all its ancestors are still there, and none has executed anything since it was born.
const BOMB: &str = r#"
node() {
    read -r me _ _ up _ </proc/self/stat
    echo "$me $up" >>"$log"
    if [ "$1" -gt 0 ]; then
        node $(($1 - 1)) & node $(($1 - 1)) & wait
    fi
    exec "$busybox" true "node-$me"
}
for burst in 1 2 3; do
    [ -z "$stopped" ] || [ "$burst" != 2 ] || kill -STOP "$stopped"
    node 9 & wait
    [ -z "$stopped" ] || kill -CONT "$stopped"
done
"#;
/// Three trees of ten levels.
const NODES: usize = 3 * 1023;

/// Sets the bomb off. Gives its first process, the parent of each node as the nodes themselves wrote it down, and what the
/// agent left.
///
/// With `lossy` the ring is small and the agent does not read it during the second tree.
fn explode(lossy: bool) -> (u64, BTreeMap<u64, u64>, Stopped) {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let small: &[&str] = if lossy { &["--capture-ring-size", "64KiB"] } else { &[] };
    let agent = installed.run(["--events", "process"].iter().chain(small)).unwrap();
    let stopped = if lossy { agent.pid().to_string() } else { String::new() };
    let log = installed.dir().join("tree");
    let mut bomb = Group::start(
        Command::new(busybox())
            .args(["sh", "-c", BOMB])
            .env("busybox", busybox())
            .env("log", &log)
            .env("stopped", stopped),
    );
    assert!(bomb.0.wait().unwrap().success());
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}", stopped.stderr);
    let parents: BTreeMap<u64, u64> = fs::read_to_string(&log)
        .unwrap()
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(me, up)| (me.parse().unwrap(), up.parse().unwrap()))
        .collect();
    assert_eq!(parents.len(), NODES, "no pid came twice, or the test proves nothing");
    (bomb.pid(), parents, stopped)
}

/// The ids of the nodes before their exec, as far as their births were told; each below its parent.
fn births<'a>(stopped: &'a Stopped, parents: &BTreeMap<u64, u64>) -> BTreeMap<u64, &'a str> {
    let mut born = BTreeMap::new();
    for event in of_type(&stopped.events, "process_fork") {
        let Some(up) = parents.get(&pid_of(event)) else {
            continue;
        };
        // Of a process whose parent was lost nothing is told but itself.
        if let Some(told) = event["process"].get("ppid") {
            assert_eq!(told, up, "{event}");
        }
        assert!(
            born.insert(pid_of(event), exec_id_of(event)).is_none(),
            "born twice: {event}"
        );
    }
    born
}

/// The execs of the nodes, after checking what is above each: not only the number, but the process that was born with it.
fn execs<'a>(
    stopped: &'a Stopped,
    top: u64,
    parents: &BTreeMap<u64, u64>,
    born: &BTreeMap<u64, &str>,
) -> Vec<&'a Value> {
    let execs: Vec<&Value> = of_type(&stopped.events, "process_exec")
        .filter(|event| parents.contains_key(&pid_of(event)))
        .collect();
    let mut ids = BTreeSet::new();
    for event in &execs {
        assert_eq!(last_arg(event), format!("node-{}", pid_of(event)), "{event}");
        assert!(ids.insert(exec_id_of(event)), "twice: {event}");
        assert_eq!(event["process"]["ppid"], parents[&pid_of(event)], "{event}");
        let mut below = pid_of(event);
        for ancestor in event["process"]["ancestors"].as_array().unwrap() {
            let Some(up) = parents.get(&below) else {
                assert_eq!(below, top, "{event}");
                break;
            };
            assert_eq!(ancestor["pid"], *up, "above {below}: {event}");
            if let Some(id) = born.get(up) {
                assert_eq!(ancestor["exec_id"], *id, "above {below}: {event}");
            }
            below = *up;
        }
    }
    execs
}

/// How often each process ended.
fn exits(stopped: &Stopped) -> BTreeMap<u64, usize> {
    let mut exits = BTreeMap::new();
    for event in of_type(&stopped.events, "process_exit") {
        *exits.entry(pid_of(event)).or_default() += 1;
    }
    exits
}

#[test]
fn in_a_fork_bomb_every_process_has_its_parent() {
    let (top, parents, stopped) = explode(false);
    assert_nothing_dropped(&stopped);
    let born = births(&stopped, &parents);
    assert_eq!(born.len(), NODES);
    assert_eq!(execs(&stopped, top, &parents, &born).len(), NODES);
    let exits = exits(&stopped);
    for pid in parents.keys() {
        assert_eq!(exits.get(pid), Some(&1), "exits of {pid}");
    }
}

#[test]
fn in_a_fork_bomb_that_is_partly_lost_nobody_gets_anothers_parent() {
    let (top, parents, stopped) = explode(true);
    let summary = stopped.summary().expect("the last line is the summary");
    let hooks = balanced_hooks(summary);
    let dropped: u64 = hooks.iter().map(|(_, [.., dropped])| dropped).sum();
    assert!(dropped > 0, "a ring that nobody reads overflows: {summary}");
    let born = births(&stopped, &parents);
    let execs = execs(&stopped, top, &parents, &born);
    // What came before the loss, and after it, is still told.
    assert!((1..NODES).contains(&execs.len()), "{summary}");
    for event in of_type(&stopped.events, "process_exit") {
        if let (Some(up), Some(told)) = (parents.get(&pid_of(event)), event["process"].get("ppid")) {
            assert_eq!(told, up, "{event}");
        }
    }
    assert!(exits(&stopped).values().all(|count| *count == 1));
}
