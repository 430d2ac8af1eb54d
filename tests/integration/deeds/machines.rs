//! The deeds on other kernels, in virtual machines: by both backends, with both versions of cgroup.
//!
//! The oldest kernel and the newest run with all tests; the rest, which takes minutes, when ignored tests are asked for.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::event::agent;
use crate::lab::kernels::Kernel;
use crate::lab::tool;
use crate::lab::vm::Machine;

use super::account::Deed;
use super::judge::{Circumstances, judge, left_undone};
use super::program;

/// Runs the agent and, once it tells, the deeds under strace; prints the three accounts, packed because a serial line is
/// slow.
const SCENARIO: &str = r#"
agent run --output json --events all BACKEND --log-target stderr --control-socket /run/agent.sock \
    >/tmp/events 2>/tmp/log &
agent=$!
wait_for() {
    tries=0
    until "$@"; do
        kill -0 $agent 2>/dev/null || { echo "the agent ended early" >>/tmp/log; cat /tmp/log; return 1; }
        tries=$((tries + 1)); [ $tries -lt 3000 ] || { cat /tmp/log; return 1; }
        usleep 100000
    done
}
# (The brackets keep grep from finding itself.)
canary() { /bin/true the-canary; grep -q 'the-canar[y]' /tmp/events; }
wait_for canary || exit 3
mkdir /tmp/deeds
PLACE=/tmp/deeds MODULE=/lib/dummy.ko strace -f -qq -v -s 65536 -e signal=none -o /tmp/strace deeds WORDS >/tmp/account 2>/tmp/said \
    || { cat /tmp/said; exit 4; }
# Again and again, because the first may be lost.
last() { cat /tmp/deeds/LAST 2>/dev/null; grep -q '/tmp/deeds/LAS[T]' /tmp/events; }
wait_for last || exit 5
kill -TERM $agent
wait $agent || { cat /tmp/log; exit 6; }
for account in account strace events; do
    gzip -c /tmp/$account | base64
    echo ===
done
"#;

fn watched(suite: &str, backend: &str, parameters: &[&str]) {
    let strace = tool::find("strace", "strace").unwrap();
    let this = std::env::current_exe().unwrap();
    let machine = Machine::new(Kernel::of(suite).unwrap())
        .program("agent", agent())
        .program("deeds", &this)
        .with_module()
        .dynamic_program("strace", &strace)
        .unwrap();
    let machine = parameters
        .iter()
        .fold(machine, |machine, parameter| machine.parameter(parameter));
    let (last, brackets) = program::LAST.split_at(program::LAST.len() - 1);
    let scenario = SCENARIO
        .replace("BACKEND", &format!("--capture-backend {backend}"))
        .replace("WORDS", &program::WORDS.join(" "))
        .replace("PLACE", program::PLACE)
        .replace("MODULE", program::MODULE)
        .replace("LAS[T]", &format!("{last}[{brackets}]"))
        .replace("LAST", program::LAST);
    let finished = machine.run(&scenario).unwrap();
    assert_eq!(finished.code, 0, "{}\n{}", finished.output, finished.console);
    let accounts: Vec<String> = finished.output.split("===\n").take(3).map(unpacked).collect();
    let [account, trace, events] = &accounts[..] else {
        panic!("three accounts: {}", finished.output)
    };

    let deeds = Deed::read(account);
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let summary = events.last().unwrap();
    assert_eq!(summary["backend"], backend, "{summary}");
    crate::event::balanced_hooks(summary);
    let circumstances = Circumstances {
        all_flows: false,
        attached: backend == "trampoline",
    };
    let undone = left_undone(&deeds, account.contains(program::NATIVE_ONLY), true);
    assert!(undone.is_empty(), "not done:\n{}", undone.join("\n"));
    let verdict = judge(&deeds, trace, &events, circumstances);
    verdict.accept(summary, deeds.len());
}

pub(crate) fn unpacked(text: &str) -> String {
    let mut child = Command::new("/bin/sh")
        .args(["-c", "base64 -d | gzip -dc"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, text) = (child.stdin.take().unwrap(), text.to_owned());
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

macro_rules! on {
    ($($(#[$when:meta])? $name:ident: $suite:literal, [$($parameter:literal)?];)*) => {$(
        mod $name {
            $(#[$when])?
            #[test]
            fn trampoline() {
                super::watched($suite, "trampoline", &[$($parameter)?]);
            }

            $(#[$when])?
            #[test]
            fn dispatcher() {
                super::watched($suite, "dispatcher", &[$($parameter)?]);
            }
        }
    )*};
}

on! {
    linux_5_10: "bullseye", [];
    #[ignore = "takes long: just test-kernels"]
    linux_6_1: "bookworm", [];
    #[ignore = "takes long: just test-kernels"]
    linux_6_1_with_cgroup_version_1: "bookworm", ["lab.cgroup=1"];
    #[ignore = "takes long: just test-kernels"]
    linux_6_12: "bookworm-backports", [];
    newest_linux: "sid", [];
}
