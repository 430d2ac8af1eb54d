//! What the kernel side keeps back is nothing that a rule would have alerted for: agents with and without prefilters see the
//! same load, and raise the same alerts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::deeds;
use super::wander::furnish;
use crate::event::agent;
use crate::lab::agent::{Installed, Stopped};
use crate::lab::tool;
use crate::lab::turn::Turn;

/// Conditions by groups: each group is the rules of one agent, so that no rule lets through what another one would not get.
/// `HOME` is the directory that the load is about, `ROOT` its first name.
const GROUPS: [&[&str]; 12] = [
    &["evt.is_open_read=true and fd.num>=0 and fd.name startswith HOME/sub/"],
    &["evt.is_open_write=true and fd.name in (HOME/plain, /auth.log, /sub/dir/id_rsa, /dev/null)"],
    &[
        "evt.arg.flags contains O_TRUNC and evt.is_open_write=true and fd.filename in (auth.log, leaf.log, new.log)",
        "fd.name endswith release_agent and evt.res=SUCCESS",
    ],
    &[
        "fd.nameraw contains '../' and fd.nameraw glob '*../*../*'",
        "fd.nameraw contains 'b/../p'",
    ],
    &["fd.name pmatch (/etc/pam.d, /proc/self, HOME/level-0) and fd.num>=0"],
    &["fd.directory in (/etc, /sub/dir, HOME/sub, HOME/sub/dir, /etc/pam.d) and not evt.failed=true"],
    &[
        "not fd.name startswith HOME and fd.typechar='f' and evt.rawres<0",
        "fs.path.name = /etc/pam.conf",
    ],
    &["fd.name glob 'HOME/link*' or fd.name glob '*/a-name-of-*'"],
    &["fd.name = /proc/self/status or fd.name endswith /thread-self/comm or fd.name = /"],
    &["fd.name startswith HOME/mounted/ or fd.name startswith /mounted or fd.filename = 0123456789abcdef"],
    &[
        "evt.type in (dup, dup2, connect) and fd.typechar in ('4', '6')",
        "evt.type=socket and evt.arg.domain in (AF_PACKET, AF_INET6)",
        "evt.type=ptrace and evt.arg.request in (PTRACE_ATTACH, PTRACE_SEIZE)",
    ],
    &[
        "evt.type in (dup, dup2) and not fd.type in (ipv4, ipv6) and fd.num in (40, 41)",
        "evt.type=connect and not fd.type=unix and evt.res in (EINPROGRESS, ECONNREFUSED, SUCCESS)",
        "evt.type=socket and evt.arg.domain=AF_ALG",
    ],
];

/// Rules for some conditions. Those of opens say so nowhere else.
fn rules(conditions: &[&str], home: &Path) -> String {
    let mut text = String::new();
    for condition in conditions {
        let at = GROUPS
            .iter()
            .flat_map(|group| *group)
            .position(|other| other == condition)
            .unwrap();
        let opens = if condition.contains("evt.type") {
            ""
        } else {
            "evt.type in (open, openat, openat2, creat) and "
        };
        let condition = condition.replace("HOME", home.to_str().unwrap());
        text += &format!(
            "- rule: Rule {at}\n  desc: d\n  priority: INFO\n  condition: >\n    {opens}proc.cmdline contains rules::deeds::act and ({condition})\n  \
             output: '%evt.type %evt.res %fd.name %fd.nameraw %thread.tid %evt.arg.flags %evt.arg.domain %evt.arg.request'\n"
        );
    }
    text
}

/// How often each alert was raised, in the words of its output. Of what is undecided the first counts.
fn alerts(stopped: &Stopped) -> BTreeMap<(String, String), u32> {
    let mut all = BTreeMap::new();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for alert in stopped.events.iter().filter(|event| event.get("rule").is_some()) {
        let output = text(&alert["output"]);
        // Its beginning is the time.
        let (_, words) = output.split_once(": ").unwrap();
        *all.entry((text(&alert["rule"]), words.to_owned())).or_default() += 1;
    }
    all
}

fn of_calls(stopped: &Stopped, counter: &str) -> u64 {
    let hooks = stopped.summary().unwrap()["hooks"].as_object().unwrap();
    let calls = [
        "open", "openat", "openat2", "creat", "dup", "dup2", "connect", "socket", "ptrace",
    ];
    calls
        .iter()
        .filter_map(|call| hooks.get(*call)?[counter].as_u64())
        .sum()
}

#[test]
fn no_alert_is_missing_with_prefilters() {
    let _turn = Turn::take().unwrap();
    let places: Vec<Installed> = (0..=GROUPS.len()).map(|_| Installed::new(agent()).unwrap()).collect();
    let home = tempfile::tempdir().unwrap();
    furnish(home.path());
    let all = GROUPS.concat();
    let started: Vec<_> = places
        .iter()
        .zip(GROUPS.iter().copied().chain([&*all]))
        .map(|(place, conditions)| {
            let file = place.dir().join("rules.yaml");
            fs::write(&file, rules(conditions, home.path())).unwrap();
            let prefilter = if conditions.len() == all.len() { "false" } else { "true" };
            let words = [
                "--rules",
                file.to_str().unwrap(),
                "--rules-matching",
                "all",
                "--rules-prefilter",
                prefilter,
            ];
            place.run(words).unwrap()
        })
        .collect();
    tool::run(&mut deeds::here("wander", home.path().to_str().unwrap())).unwrap();
    let mut stopped: Vec<Stopped> = started.into_iter().map(|agent| agent.stop().unwrap()).collect();
    let without = stopped.pop().unwrap();
    assert_eq!(of_calls(&without, "dropped"), 0);
    let wanted = alerts(&without);
    for (group, stopped) in GROUPS.iter().zip(&stopped) {
        let (seen, told) = (of_calls(stopped, "seen"), of_calls(stopped, "delivered"));
        println!("{told} of {seen} calls crossed: {}", group.join(" | "));
        let mut wanted = wanted.clone();
        let found = alerts(stopped);
        let names: Vec<String> = rules(group, home.path())
            .lines()
            .filter_map(|line| line.strip_prefix("- rule: ").map(str::to_owned))
            .collect();
        wanted.retain(|(rule, _), _| names.contains(rule));
        assert_eq!(found, wanted, "{group:?}\n{}", stopped.stderr);
        for name in names {
            assert!(
                wanted.keys().any(|(rule, _)| *rule == name),
                "the load triggers no {name}: {group:?}"
            );
        }
        assert!(told < seen, "nothing was kept back: {group:?}");
    }
}
