//! Delivery on the kernels of four Debian releases, as user 0 with every capability at the start: with Landlock of each version and
//! without, into a file that rotates and to a receiver over TCP.

use serde_json::Value;

use super::tells_of;
use crate::event::agent;
use crate::lab::kernels::Kernel;
use crate::lab::vm::Machine;

const SCENARIO: &str = r#"
printf -- '- rule: Marked\n  desc: d\n  condition: evt.type=execve and proc.args contains pinhole-mark\n  output: met %%proc.cmdline\n  priority: WARNING\n' >/tmp/rules.yaml
mkdir /tmp/alerts
# With an input that does not end, or it closes.
sleep 600 | nc -l -p 601 >/tmp/received &
agent run --output json --rules /tmp/rules.yaml --log-target stderr --control-socket /run/agent.sock \
    --delivery-file-enabled true --delivery-file-path /tmp/alerts/log --delivery-file-max-size 4KiB \
    --delivery-syslog-enabled true --delivery-syslog-target tcp://127.0.0.1:601 --delivery-syslog-format json >/tmp/events 2>/tmp/log &
agent=$!
wait_for() {
    tries=0
    until "$@"; do
        kill -0 $agent 2>/dev/null || { cat /tmp/log; return 1; }
        tries=$((tries + 1)); [ $tries -lt 3000 ] || { cat /tmp/log; return 1; }
        usleep 100000
    done
}
wait_for grep -q 'watching, without' /tmp/log || exit 3
for number in 1 2 3 4 5 6 7 8; do /bin/true pinhole-mark-$number; done
wait_for grep -q 'pinhole-mark-[8]' /tmp/received || exit 4
for child in $(cat /proc/$agent/task/$agent/children); do
    grep -E '^(Name|CapPrm|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/$child/status
done
kill -TERM $agent
wait $agent
code=$?
echo FILES
cat /tmp/alerts/log.1 /tmp/alerts/log
echo LOG
cat /tmp/log
exit $code
"#;

fn delivers(suite: &str, landlock: &str) {
    let machine = Machine::new(Kernel::of(suite).unwrap()).program("agent", agent());
    let finished = machine.run(SCENARIO).unwrap();
    assert_eq!(finished.code, 0, "{}\n{}", finished.output, finished.console);
    let (status, rest) = finished.output.split_once("FILES\n").unwrap();
    for line in [
        "Name:\tagent-delivery",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(status.lines().any(|told| told == line), "{line}: {status}");
    }
    let (files, log) = rest.split_once("LOG\n").unwrap();
    let alerts: Vec<Value> = files.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for number in 1..=8 {
        let word = number.to_string();
        assert!(
            alerts.iter().any(|alert| tells_of(alert, &word)),
            "{word}: {files}\n{log}"
        );
    }
    let begun = log.lines().find(|line| line.contains("delivering, without")).unwrap();
    assert!(begun.contains(&format!("landlock=\"{landlock}\"")), "{begun}");
}

#[test]
fn on_linux_5_10_without_landlock() {
    delivers("bullseye", "none");
}

#[test]
fn on_linux_6_1_with_files_closed_off() {
    delivers("bookworm", "partial");
}

#[test]
fn on_linux_6_12_with_ports_closed_off() {
    delivers("bookworm-backports", "partial");
}

#[test]
fn on_the_newest_linux_with_all_closed_off() {
    delivers("sid", "full");
}
