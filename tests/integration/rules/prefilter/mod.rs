//! What the kernel side keeps back is nothing that a rule would have alerted for: agents with and without prefilters see the
//! same load, and raise the same alerts. Here and, with fewer agents, on other kernels.

mod here;
mod machines;
mod reloaded;
pub(super) mod wander;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// Conditions by groups: each group is the rules of one agent, so that no rule lets through what another one would not get.
/// `HOME` is the directory that the load is about.
const GROUPS: [&[&str]; 13] = [
    &["evt.is_open_read=true and fd.num>=0 and fd.name startswith HOME/sub/"],
    &[
        "evt.is_open_write=true and fd.name in (HOME/plain, /auth.log, /sub/dir/id_rsa, /a-long-directory-name/with-more-than-sixteen/bytes, /dev/null)",
    ],
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
    &["(container.id = host or not evt.is_open_write=true) and fd.directory = /etc and fd.num>=0"],
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

/// The names of the rules of some conditions.
fn names(conditions: &[&str]) -> Vec<String> {
    rules(conditions, Path::new(""))
        .lines()
        .filter_map(|line| line.strip_prefix("- rule: ").map(str::to_owned))
        .collect()
}

/// Alerts by rule and the words of their outputs.
type Alerts = BTreeMap<(String, String), u32>;

/// How often each alert was raised. Of what is undecided the first counts.
fn alerts(events: &[Value]) -> Alerts {
    let mut all = Alerts::new();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for alert in events.iter().filter(|event| event.get("rule").is_some()) {
        let output = text(&alert["output"]);
        // Its beginning is the time.
        let (_, words) = output.split_once(": ").unwrap();
        *all.entry((text(&alert["rule"]), words.to_owned())).or_default() += 1;
    }
    all
}

/// A counter of all calls of the load together.
fn of_calls(summary: &Value, counter: &str) -> u64 {
    const CALLS: [&str; 9] = [
        "open", "openat", "openat2", "creat", "dup", "dup2", "connect", "socket", "ptrace",
    ];
    let hooks = summary["hooks"].as_object().unwrap();
    CALLS
        .iter()
        .filter_map(|call| hooks.get(*call)?[counter].as_u64())
        .sum()
}

/// Of the alerts of an agent without prefilters those of the rules of these conditions, all of which some alert is of.
fn wanted(of: &Alerts, conditions: &[&str]) -> Alerts {
    let names = names(conditions);
    let mut wanted = of.clone();
    wanted.retain(|(rule, _), _| names.contains(rule));
    for name in names {
        let met = wanted.keys().any(|(rule, _)| *rule == name);
        assert!(met, "the load triggers no {name}: {conditions:?}");
    }
    wanted
}
