//! Kernels that are locked down for confidentiality, where no program may read kernel memory by a helper: the agent runs
//! reduced, tells what is left, says what is not, and the doctor names the cause.

use serde_json::{Value, json};

use crate::event::{agent, assert_never_silently_null, balanced_hooks, is_call, is_exec};
use crate::lab::kernels::Kernel;
use crate::lab::vm::Machine;
use crate::lost::{lost, unless_lost};

/// The doctor before the agent, the agent with something to tell, the doctor beside it.
const SCENARIO: &str = r#"
agent doctor --timeout 5m --format json --fail-on warn >/tmp/cold 2>/tmp/cold.log
cold=$?
agent run --output json --events process,file,network --log-target stderr --control-socket /run/agent.sock \
    >/tmp/events 2>/tmp/log &
agent=$!
wait_for() {
    tries=0
    until "$@"; do
        kill -0 $agent 2>/dev/null || { echo "the agent ended early"; cat /tmp/log /tmp/cold; return 1; }
        tries=$((tries + 1)); [ $tries -lt 3000 ] || { cat /tmp/log /tmp/events; return 1; }
        usleep 100000
    done
}
# (The brackets keep grep from finding itself.)
canary() { /bin/true the-canary; grep -q 'the-canar[y]' /tmp/events; }
wait_for canary || exit 3
mkdir $BOX
sh -c 'echo $$ >$BOX/cgroup.procs && exec setsid /bin/cat /etc/hostname' >/dev/null
cat /no/such/file 2>/dev/null
sh -c 'exec /bin/true "the parent is $PPID"'
sh -c 'exit 7'
nc 127.0.0.1 9 </dev/null 2>/dev/null
# Again and again, because the first may be lost.
last() { /bin/true the-last-one; grep -q 'the-last-on[e]' /tmp/events; }
wait_for last || exit 4
agent doctor --timeout 5m --live-timeout 30s --format json --control-socket /run/agent.sock >/tmp/live 2>/tmp/live.log
kill -TERM $agent
wait $agent
code=$?
for part in "cold $cold" "box $(stat -c %i $BOX)" "shell $$"; do echo "$part"; done
for file in cold live events log; do echo "@@$file"; cat /tmp/$file; done
exit $code
"#;

/// What came of it.
struct Told {
    cold: Value,
    live: Value,
    events: Vec<Value>,
    log: String,
    /// Exit code of the doctor before the agent, inode of the cgroup's directory, pid of the shell.
    numbers: [u64; 3],
}

fn told(suite: &str, cgroup: Option<&str>) -> Told {
    let mut machine = Machine::new(Kernel::of(suite).unwrap())
        .program("agent", agent())
        .parameter("lockdown=confidentiality");
    if cgroup.is_some() {
        machine = machine.parameter("lab.cgroup=1");
    }
    let place = cgroup.map_or("/sys/fs/cgroup/box".to_owned(), |controller| {
        format!("/sys/fs/cgroup/{controller}/box")
    });
    let finished = machine.run(&format!("export BOX={place}\n{SCENARIO}")).unwrap();
    assert_eq!(finished.code, 0, "{}\n{}", finished.output, finished.console);
    assert!(!finished.output.contains("panicked"), "{}", finished.output);
    let mut parts = finished.output.split("@@");
    let numbers: Vec<u64> = parts
        .next()
        .unwrap()
        .lines()
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .collect();
    let mut part = |name: &str| {
        let text = parts.next().and_then(|part| part.strip_prefix(name));
        text.unwrap_or_else(|| panic!("no {name} in {}", finished.output))
            .to_owned()
    };
    let json = |text: &str| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    Told {
        cold: json(&part("cold")),
        live: json(&part("live")),
        events: part("events")
            .lines()
            .filter(|line| !line.is_empty())
            .map(json)
            .collect(),
        log: part("log"),
        numbers: numbers.try_into().unwrap(),
    }
}

fn finding<'a>(report: &'a Value, id: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["id"] == id).unwrap()
}

/// Runs one kernel. Before Linux 5.11 system calls have no typed task, so that they are lost too.
fn runs_reduced(suite: &str, cgroup: Option<&str>, calls: bool) {
    unless_lost(
        || told(suite, cgroup),
        |told| told.events.last().map_or(0, lost),
        |told| tells_what_is_left(told, calls),
    );
}

fn tells_what_is_left(told: &Told, calls: bool) {
    let [cold_code, inode, shell] = told.numbers;
    let summary = told.events.last().unwrap();
    assert_eq!(summary["type"], "summary", "{summary}");
    assert_eq!(summary["capture"], "reduced", "{summary}");
    assert_eq!(summary["backend"] == "none", !calls, "{summary}\n{}", told.log);
    assert_eq!(summary["hooks"].get("openat").is_some(), calls, "{summary}");
    balanced_hooks(summary);
    assert!(summary["hooks"].get("cgroup_mkdir").is_none(), "{summary}");
    assert!(summary["hooks"]["canary"]["delivered"].as_u64() > Some(0), "{summary}");
    let canary = finding(&told.live, "PIN-LIVE-003");
    assert_eq!(canary["status"], "ok", "{canary}");
    let without = told.log.lines().filter(|line| line.contains("cgroups are not watched"));
    assert_eq!(without.count(), 1, "{}", told.log);
    assert_never_silently_null(&told.events);
    let lost = told.log.lines().find(|line| line.contains("running reduced")).unwrap();
    assert!(
        lost.contains("lockdown is confidentiality") && lost.contains("paths of executables"),
        "{lost}"
    );

    let exec = |args: &[&str]| {
        let mut execs = told.events.iter().filter(|event| is_exec(event, args));
        execs
            .next()
            .unwrap_or_else(|| panic!("no exec of {args:?} in {:?}", told.events))
    };
    let cat = exec(&["/bin/cat", "/etc/hostname"]);
    let process = &cat["process"];
    assert_eq!(process["name"], "cat", "{cat}");
    assert_eq!(process["uid"], 0, "{cat}");
    assert_eq!(process["caps"]["effective"], process["caps"]["permitted"], "{cat}");
    assert_ne!(process["caps"]["effective"], "0000000000000000", "{cat}");
    for path in ["exe", "cwd"] {
        assert!(process.get(path).is_none(), "a path that cannot be known: {cat}");
        assert_eq!(process[format!("{path}_notes")], json!(["unreadable"]), "{cat}");
    }
    assert_eq!(
        cat["metadata"],
        json!({"status": "missing", "reason": "cgroup_unreadable", "cgroup_id": inode}),
        "{cat}"
    );
    let child = exec(&["/bin/true", &format!("the parent is {shell}")]);
    assert_eq!(child["process"]["ppid"], shell, "{child}");
    assert_eq!(
        child["process"]["parent_exec_id"], child["process"]["ancestors"][0]["exec_id"],
        "{child}"
    );
    assert_eq!(child["process"]["ancestors"][0]["name"], "sh", "{child}");
    // The root is known for what it is: nobody's container.
    assert_eq!(child["metadata"]["status"], "host", "{child}");
    let forked = told
        .events
        .iter()
        .find(|event| event["type"] == "process_fork" && event["process"]["pid"] == child["process"]["pid"]);
    assert_ne!(
        forked.unwrap()["process"]["exec_id"],
        child["process"]["exec_id"],
        "an exec makes another image"
    );
    let seven = exec(&["sh", "-c", "exit 7"]);
    let ended = told
        .events
        .iter()
        .find(|event| event["type"] == "process_exit" && event["process"]["exec_id"] == seven["process"]["exec_id"]);
    assert_eq!(ended.unwrap()["exit"]["code"], 7);

    if calls {
        system_calls(told, cat);
    } else {
        assert!(told.events.iter().all(|event| event["type"] != "syscall"));
    }
    verdicts(told, calls);
    assert_eq!(cold_code, 2, "a warning at the threshold: {}", told.cold);
}

/// What the process passed and what it got is told, what is behind it is not.
fn system_calls(told: &Told, cat: &Value) {
    let opened = |path: &str| {
        let mut opens = told.events.iter().filter(|event| is_call(event, "openat"));
        opens
            .find(|event| event["file"]["requested_path"] == path)
            .unwrap_or_else(|| panic!("no open of {path} in {:?}", told.events))
    };
    let hostname = opened("/etc/hostname");
    assert_eq!(hostname["process"]["exec_id"], cat["process"]["exec_id"], "{hostname}");
    assert!(hostname["syscall"]["ret"].as_i64().unwrap() >= 3, "{hostname}");
    assert!(hostname["file"].get("path").is_none(), "{hostname}");
    assert_eq!(hostname["file"]["notes"], json!(["unreadable"]), "{hostname}");
    let missing = opened("/no/such/file");
    assert_eq!(missing["syscall"]["error"], "ENOENT", "{missing}");
    assert!(missing["file"].get("notes").is_none(), "{missing}");
    let connected = told.events.iter().find(|event| is_call(event, "connect")).unwrap();
    assert_eq!(connected["syscall"]["error"], "ECONNREFUSED", "{connected}");
    assert_eq!(
        connected["network"]["destination"],
        json!({"address": "127.0.0.1", "port": 9}),
        "{connected}"
    );
    assert_eq!(connected["network"]["family"], "AF_INET", "{connected}");
}

/// The doctor names the one cause, before the agent and beside it.
fn verdicts(told: &Told, calls: bool) {
    for report in [&told.cold, &told.live] {
        let lockdown = finding(report, "PIN-KRN-002");
        assert_eq!(lockdown["status"], "warn", "{lockdown}");
        assert_eq!(lockdown["observed"], "confidentiality", "{lockdown}");
        let impact = lockdown["impact"]["text"].as_str().unwrap();
        assert!(
            impact.contains("life of processes") && impact.contains("paths of executables"),
            "{impact}"
        );
        assert!(
            lockdown["remedy"]["text"]
                .as_str()
                .unwrap()
                .contains("lockdown=integrity"),
            "{lockdown}"
        );
        let base = finding(report, "PIN-BPF-001");
        assert_eq!(
            (&base["status"], &base["observed"]),
            (&json!("ok"), &json!("reduced")),
            "{base}"
        );
        let backend = finding(report, "PIN-BPF-002");
        assert_eq!(backend["status"], if calls { "ok" } else { "fail" }, "{backend}");
    }
    assert_eq!(finding(&told.live, "PIN-LIVE-001")["status"], "ok", "{}", told.live);
}

#[test]
fn on_linux_5_10() {
    runs_reduced("bullseye", None, false);
}

#[test]
fn on_linux_6_1() {
    runs_reduced("bookworm", None, true);
}

#[test]
fn on_linux_6_12() {
    runs_reduced("bookworm-backports", None, true);
}

#[test]
fn on_the_newest_linux() {
    runs_reduced("sid", None, true);
}

#[test]
fn with_cgroup_version_1() {
    runs_reduced("bookworm", Some("pids"), true);
}
