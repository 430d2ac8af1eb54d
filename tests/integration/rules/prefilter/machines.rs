//! On other kernels, in virtual machines, by both backends: one agent for those groups whose conditions leave something to
//! keep back together, and one without prefilters.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::{Alerts, GROUPS, alerts, of_calls, rules, wanted};
use crate::deeds::machines::unpacked;
use crate::event::agent;
use crate::lab::kernels::Kernel;
use crate::lab::vm::{Finished, Machine};
use crate::lost::{lost, lost_of, unless_lost};
use crate::rules::deeds;

/// These ask for little, each in another way.
const TOGETHER: [usize; 6] = [0, 1, 2, 3, 5, 10];
const HOME: &str = "/tmp/home";

/// Starts both, does the deed, and prints what both told, packed because a serial line is slow.
const SCENARIO: &str = r#"
start() {
    agent run --output json --events process --rules /$1.yaml --rules-matching all --rules-prefilter $2 BACKEND \
        --log-target stderr --control-socket /run/$1.sock >/tmp/$1 2>/tmp/$1.log &
}
start with true; with=$!
start without false; without=$!
wait_for() {
    tries=0
    # (The brackets keep grep from finding itself.)
    until /bin/true the-canary; grep -q 'the-canar[y]' /tmp/$1; do
        tries=$((tries + 1)); [ $tries -lt 3000 ] || { cat /tmp/$1.log; return 1; }
        usleep 100000
    done
}
wait_for with && wait_for without || exit 3
mkdir HOME
WORDS >/tmp/said 2>&1 || { cat /tmp/said; exit 4; }
kill -TERM $with $without
wait $with || { cat /tmp/with.log; exit 5; }
wait $without || { cat /tmp/without.log; exit 6; }
for events in with without; do
    gzip -c /tmp/$events | base64
    echo ===
done
"#;

fn compared(suite: &str, backend: &str) {
    let home = Path::new(HOME);
    let conditions: Vec<&str> = TOGETHER.iter().flat_map(|group| GROUPS[*group]).copied().collect();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("rules.yaml");
    std::fs::write(&file, rules(&conditions, home)).unwrap();
    let this = std::env::current_exe().unwrap();
    let machine = Machine::new(Kernel::of(suite).unwrap())
        .program("agent", agent())
        .program("deeds", &this)
        .file("with.yaml", &file)
        .file("without.yaml", &file);
    let scenario = SCENARIO
        .replace("BACKEND", &format!("--capture-backend {backend}"))
        .replace(
            "WORDS",
            &deeds::words(Path::new("/bin/deeds"), "wander-anywhere", HOME).join(" "),
        )
        .replace("HOME", HOME);
    // An agent that missed how the process came to be says nothing of all that it did.
    let lives = |summary: &Value| -> u64 {
        ["exec", "fork"]
            .map(|hook| lost_of(&summary["hooks"][hook]))
            .iter()
            .sum()
    };
    unless_lost(
        || {
            let finished = machine.run(&scenario).unwrap();
            assert_eq!(finished.code, 0, "{}\n{}", finished.output, finished.console);
            accounts(&finished)
        },
        |told| told.iter().filter_map(|events| events.last()).map(lives).sum(),
        |told| no_alert_is_missing(told, backend, &conditions),
    );
}

/// What each of the two printed.
fn accounts(finished: &Finished) -> Vec<Vec<Value>> {
    finished
        .output
        .split("===\n")
        .take(2)
        .map(|packed| {
            unpacked(packed)
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        })
        .collect()
}

fn no_alert_is_missing(told: &[Vec<Value>], backend: &str, conditions: &[&str]) {
    let [with, without] = told else { panic!("two accounts") };
    let (summary, reference) = (with.last().unwrap(), without.last().unwrap());
    assert_eq!(summary["backend"], backend, "{summary}");
    // The kernel skips runs of a program now and then, and says so: of such an event one of the two knows nothing.
    let missed = lost(reference) + lost(summary);
    let (found, wanted) = (alerts(with), wanted(&alerts(without), conditions));
    let differ = difference(&found, &wanted);
    let count: u64 = differ.values().map(|by| by.unsigned_abs()).sum();
    assert!(
        count <= missed,
        "{count} alerts differ, {missed} events were skipped (negative: missing with prefilters): {differ:#?}\n\
         {summary}\n{reference}"
    );
    let (seen, crossed) = (of_calls(summary, "seen"), of_calls(summary, "delivered"));
    println!("{crossed} of {seen} calls crossed");
    // Some of what is opened is asked for by many of these.
    assert!(10 * crossed < 9 * seen, "{crossed} of {seen} calls crossed");
}

/// How many alerts of each kind one has more than the other, where they differ.
fn difference<'a>(one: &'a Alerts, other: &'a Alerts) -> BTreeMap<&'a (String, String), i64> {
    let keys: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let count = |of: &Alerts, key| i64::from(of.get(key).copied().unwrap_or(0));
    keys.into_iter()
        .map(|key| (key, count(one, key) - count(other, key)))
        .filter(|(_, more)| *more != 0)
        .collect()
}

macro_rules! on {
    ($($(#[$when:meta])? $name:ident: $suite:literal;)*) => {$(
        mod $name {
            $(#[$when])?
            #[test]
            fn trampoline() {
                super::compared($suite, "trampoline");
            }

            $(#[$when])?
            #[test]
            fn dispatcher() {
                super::compared($suite, "dispatcher");
            }
        }
    )*};
}

on! {
    linux_5_10: "bullseye";
    #[ignore = "takes long: just test-kernels"]
    linux_6_1: "bookworm";
    #[ignore = "takes long: just test-kernels"]
    linux_6_12: "bookworm-backports";
    newest_linux: "sid";
}
