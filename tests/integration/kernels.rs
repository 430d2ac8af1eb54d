//! One static binary on the kernels of four Debian releases, with the backend that each allows and with the other.

use serde_json::{Value, json};

use crate::event::{agent, is_call};
use crate::lab::kernels::Kernel;
use crate::lab::vm::{Finished, Machine};
use crate::lost::{lost, unless_lost};

/// Runs the agent, waits until it tells, does something, waits until it was told, ends the agent, prints the events.
/// busybox's shell has no floating sleep in every build, so `usleep` it is; each wait ends after 300 s.
const SCENARIO: &str = r#"
cat >/tmp/rules.yaml <<'END'
- rule: Values
  desc: What kernels keep in different places.
  condition: evt.type=execve and proc.args=the-values
  output: >
    %proc.exe_ino %proc.exe_ino.ctime %proc.exe_ino.mtime %proc.sid %proc.pgid %proc.vpgid %evt.arg.flags %proc.pid.ts
    %proc.pidns_init_start_ts
  priority: NOTICE
END
agent run --rules /tmp/rules.yaml --output json --events process,file,network --log-target stderr --log-level info,pinhole::capture=debug,pinhole::pipeline=debug --control-socket /run/agent.sock \
    ARGS >/tmp/events 2>/tmp/log &
agent=$!
wait_for() {
    tries=0
    until "$@"; do
        kill -0 $agent 2>/dev/null || { echo "the agent ended early" >>/tmp/log; cat /tmp/log; return 1; }
        tries=$((tries + 1)); [ $tries -lt 3000 ] || { cat /tmp/log; return 1; }
        usleep 100000
    done
}
# Ready is when a program that runs is told of.
# (The brackets keep grep from finding itself.)
canary() { /bin/true the-canary; grep -q 'the-canar[y]' /tmp/events; }
wait_for canary || exit 3
cat /etc/hostname >/dev/null
cat /no/such/file 2>/dev/null
nc 127.0.0.1 9 </dev/null 2>/dev/null
# Of version 1 the hierarchy of the pids controller counts, and the others do not.
for controller in cpu memory pids .; do
    [ -e /sys/fs/cgroup/$controller/cgroup.procs ] || continue
    mkdir -p /sys/fs/cgroup/$controller/come/and && rmdir /sys/fs/cgroup/$controller/come/and
done
# The executable's times have nanoseconds, and its last change was looked at.
touch /bin/busybox; chmod 755 /bin/busybox
stat -c 'inode %i|%z|%y' /bin/busybox >/tmp/values
/bin/true the-values
stat -c 'inode %i|%z|%y' /bin/busybox >/tmp/values
echo "groups $(cut -d' ' -f5,6 /proc/$$/stat)" >>/tmp/values
# Again and again, because the first may be lost.
last() { /bin/true the-last-one; grep -q 'the-last-on[e]' /tmp/events; }
wait_for last || exit 4
kill -TERM $agent
wait $agent
code=$?
cat /tmp/events
echo VALUES
cat /tmp/values
echo LOG
cat /tmp/log
exit $code
"#;

fn run(suite: &str, args: &str, parameters: &[&str]) -> Finished {
    let machine = Machine::new(Kernel::of(suite).unwrap()).program("agent", agent());
    let machine = parameters
        .iter()
        .fold(machine, |machine, parameter| machine.parameter(parameter));
    machine.run(&SCENARIO.replace("ARGS", args)).unwrap()
}

fn captures(suite: &str, args: &str, backend: &str, parameters: &[&str]) {
    unless_lost(
        || run(suite, args, parameters),
        |finished| {
            let mut lines = finished.output.lines();
            let summary = lines.find(|line| line.contains("\"type\":\"summary\""));
            summary.map_or(0, |line| lost(&serde_json::from_str(line).unwrap()))
        },
        |finished| told(finished, suite, backend, parameters),
    );
}

fn told(finished: &Finished, suite: &str, backend: &str, parameters: &[&str]) {
    assert_eq!(finished.code, 0, "{}\n{}", finished.output, finished.console);
    let (events, log) = finished.output.split_once("LOG\n").unwrap();
    let (events, values) = events.split_once("VALUES\n").unwrap();
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let cat = events
        .iter()
        .find(|event| event["type"] == "process_exec" && event["process"]["args"][1] == "/etc/hostname")
        .unwrap_or_else(|| panic!("no exec of cat in {}", finished.output));
    assert_eq!(cat["process"]["args"][0], "cat", "{cat}");
    assert_eq!(cat["process"]["exe"], "/bin/busybox", "{cat}");
    assert_eq!(cat["process"]["cwd"], "/tmp", "{cat}");
    assert_eq!(cat["process"]["ancestors"][0]["pid"], cat["process"]["ppid"], "{cat}");
    let alert = events.iter().find(|event| event["rule"] == "Values");
    check_values(
        &alert.unwrap_or_else(|| panic!("no alert: {log}"))["output_fields"],
        values,
    );
    let opened = |path: &str| {
        events
            .iter()
            .find(|event| is_call(event, "openat") && event["file"]["requested_path"] == path)
            .unwrap_or_else(|| panic!("no open of {path} in {}", finished.output))
    };
    let hostname = opened("/etc/hostname");
    assert_eq!(hostname["process"]["exec_id"], cat["process"]["exec_id"], "{hostname}");
    assert_eq!(hostname["file"]["path"], "/etc/hostname", "{hostname}");
    assert!(hostname["syscall"]["ret"].as_i64().unwrap() >= 3, "{hostname}");
    assert_eq!(opened("/no/such/file")["syscall"]["error"], "ENOENT");
    let connected = events
        .iter()
        .find(|event| is_call(event, "connect"))
        .unwrap_or_else(|| panic!("no connect in {}", finished.output));
    assert_eq!(connected["syscall"]["error"], "ECONNREFUSED", "{connected}");
    assert_eq!(
        connected["network"]["destination"],
        json!({"address": "127.0.0.1", "port": 9}),
        "{connected}"
    );
    let landlock = match suite {
        "bullseye" => "none",
        "sid" => "full",
        _ => "partial",
    };
    assert!(log.contains(&format!("landlock=\"{landlock}\"")), "{log}");
    let summary = events.last().unwrap();
    assert_eq!(summary["type"], "summary", "{summary}");
    assert_eq!(summary["backend"], backend, "{log}");
    crate::event::balanced_hooks(summary);
    // Kernels count skipped runs from 5.12 on, by program: with trampolines a hook has one of its own.
    let counts = suite != "bullseye";
    let counted = |line: &Value| line["missed"].is_u64();
    assert_eq!(counted(&summary["hooks"]["exec"]), counts, "{summary}");
    assert_eq!(counted(&summary["hooks"]["cgroup_mkdir"]), counts, "{summary}");
    let canary = &summary["hooks"]["canary"];
    assert!(canary["delivered"].as_u64() > Some(0), "{summary}\n{log}");
    assert_eq!(counted(canary), counts, "{summary}");
    assert!(log.lines().any(|line| line.contains("a canary came through")), "{log}");
    // Two are made and one is removed in each hierarchy.
    let others = if parameters.contains(&"lab.cgroup=1") { 2 } else { 0 };
    for (hook, each, words) in [
        ("cgroup_mkdir", 2, "a cgroup was made"),
        ("cgroup_rmdir", 1, "a cgroup was removed"),
    ] {
        let line = &summary["hooks"][hook];
        let expected = [each * (1 + others), each * others, each, 0];
        assert_eq!(
            ["seen", "filtered", "delivered", "dropped"].map(|key| line[key].as_u64().unwrap()),
            expected,
            "{hook}: {summary}"
        );
        assert_eq!(
            log.lines().filter(|line| line.contains(words)).count() as u64,
            each,
            "{log}"
        );
        assert!(
            log.lines()
                .any(|line| line.contains(words) && line.contains("\"/come/and\"")),
            "{log}"
        );
    }
    assert_eq!(
        counted(&summary["hooks"]["openat"]),
        counts && backend == "trampoline",
        "{summary}"
    );
    assert_eq!(
        counted(&summary["dispatcher"]),
        counts && backend == "dispatcher",
        "{summary}"
    );
}

/// What is told of the executable and of the process group is what `stat` and `/proc` tell.
fn check_values(fields: &Value, values: &str) {
    let (inode, groups) = values.split_once('\n').unwrap();
    let inode: Vec<&str> = inode.strip_prefix("inode ").unwrap().split('|').collect();
    assert_eq!(fields["proc.exe_ino"].to_string(), inode[0], "{fields}");
    for (field, stated) in [("proc.exe_ino.ctime", inode[1]), ("proc.exe_ino.mtime", inode[2])] {
        // The machine's clock shows UTC: `2026-01-31 10:20:30.123456789 +0000` or without the zone.
        let text = stated.split(" +").next().unwrap().replacen(' ', "T", 1) + "Z";
        let time: jiff::Timestamp = text.parse().unwrap();
        assert_eq!(
            fields[field].as_i64().map(i128::from),
            Some(time.as_nanosecond()),
            "{field}: {fields} {values}"
        );
    }
    let groups: Vec<&str> = groups.trim().split(' ').skip(1).collect();
    assert_eq!(fields["proc.pgid"].to_string(), groups[0], "{fields}");
    assert_eq!(fields["proc.vpgid"].to_string(), groups[0], "{fields}");
    assert_eq!(fields["proc.sid"].to_string(), groups[1], "{fields}");
    assert_eq!(fields["evt.arg.flags"], "EXE_WRITABLE", "{fields}");
    let started = |field: &str| fields[field].as_i64().unwrap();
    assert!(started("proc.pidns_init_start_ts") < started("proc.pid.ts"), "{fields}");
}

macro_rules! on {
    ($($name:ident: $suite:literal;)*) => {$(
        mod $name {
            #[test]
            fn trampoline() {
                super::captures($suite, "", "trampoline", &[]);
            }

            #[test]
            fn dispatcher() {
                super::captures($suite, "--capture-backend dispatcher", "dispatcher", &[]);
            }
        }
    )*};
}

on! {
    linux_5_10: "bullseye";
    linux_6_1: "bookworm";
    linux_6_12: "bookworm-backports";
    newest_linux: "sid";
}

#[test]
fn lockdown_for_integrity_does_no_harm() {
    captures("bookworm", "", "trampoline", &["lockdown=integrity"]);
}

#[test]
fn cgroup_version_1_is_as_good() {
    captures("bookworm", "", "trampoline", &["lab.cgroup=1"]);
}
