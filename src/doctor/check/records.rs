//! Records: whether they are whole, and whether hooks ran at all.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;

use super::super::change::Change;
use super::super::facts::{Facts, LiveAgent};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::{agent, no_agent};
use crate::control::api::HookCounters;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-LOSS-004",
        area: "loss",
        title: "Records are whole",
        weight: Weight::Minor,
        needs: &[Need::Agent],
        depends_on: &[Edge::Through("PIN-LIVE-001")],
        judge: Some(whole),
        offline: None,
        page: include_str!("../pages/PIN-LOSS-004.md"),
    },
    Definition {
        id: "PIN-LOSS-005",
        area: "loss",
        title: "Hardly a run of a hook is skipped",
        weight: Weight::Major,
        needs: &[Need::Agent],
        depends_on: &[Edge::Through("PIN-LIVE-001")],
        judge: Some(skips),
        offline: None,
        page: include_str!("../pages/PIN-LOSS-005.md"),
    },
];

/// From here on it is no chance, in percent of the delivered events, of all hooks and of one.
const MANY: u64 = 5;
/// From here on so many runs of a hook are skipped that it is no chance, in percent of them. An interrupt that comes while
/// a program runs costs one now and then on every kernel.
const MANY_SKIPS: u64 = 1;
/// A hundredth of fewer runs is a handful.
const RUNS: u64 = 1000;
/// Fewer events than this say nothing about a share.
const ENOUGH: u64 = 100;
/// The hook that tells of what ran before the agent did: kernel threads have neither arguments nor an executable to read.
const SNAPSHOT: &str = "snapshot";

/// The counters of the last ten minutes, else those since the start, and how that is called.
fn lately(agent: &LiveAgent) -> (&HashMap<String, HookCounters>, &'static str) {
    match &agent.second.window {
        Some(window) => (&window.hooks, "in the last ten minutes"),
        None => (&agent.second.hooks, "since the agent's start"),
    }
}

/// The counters of what is told by its own hook.
fn told(hooks: &HashMap<String, HookCounters>) -> impl Iterator<Item = &HookCounters> {
    hooks.iter().filter(|(hook, _)| *hook != SNAPSHOT).map(|(_, line)| line)
}

/// PIN-LOSS-004.
fn whole(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    if agent
        .second
        .backend
        .as_ref()
        .is_some_and(|backend| backend.reduced.is_some())
    {
        return Finding::skipped("the capture is reduced: it reads less by design, which PIN-KRN-002 is about");
    }
    let (hooks, when) = lately(agent);
    let shares = |part: fn(&HookCounters) -> u64| -> BTreeMap<&str, u64> {
        let enough = hooks
            .iter()
            .filter(|(hook, line)| *hook != SNAPSHOT && line.delivered >= ENOUGH);
        enough
            .map(|(hook, line)| (hook.as_str(), part(line).saturating_mul(100) / line.delivered))
            .filter(|(_, percent)| *percent > 0)
            .collect()
    };
    let (cut, unread) = (shares(|line| line.truncated), shares(|line| line.unreadable));
    // Of all records together: a rare call of one program, all of whose records lack something, is no node that is ill.
    let all: u64 = told(hooks).map(|line| line.delivered).sum();
    let many = |shares: &BTreeMap<&str, u64>, part: fn(&HookCounters) -> u64| -> Vec<String> {
        let parts: u64 = told(hooks).map(part).sum();
        let is_much = parts.saturating_mul(100) >= MANY.saturating_mul(all.max(1));
        let many = shares.iter().filter(|(_, percent)| is_much && **percent >= MANY);
        many.map(|(hook, percent)| format!("{hook} {percent} %")).collect()
    };
    let finding = match (many(&unread, |line| line.unreadable), many(&cut, |line| line.truncated)) {
        (none, nothing) if none.is_empty() && nothing.is_empty() => Finding::ok(format!(
            "hardly a record {when} had a part that was cut or could not be read"
        )),
        (unread, _) if !unread.is_empty() => Finding::warn(format!(
            "records {when} had a part that could not be read: {}",
            unread.join(", ")
        ))
        .impact(
            "The event is told without that part, and says so. A rule about it is unknown then.",
            &["capture"],
            &["process.args", "file.path"],
        )
        .remedy(
            "What a process has swapped out or not yet touched cannot be read by a program of the kernel. A node without memory to \
             spare does this much; otherwise report it with the hook's name.",
            &["cat /proc/pressure/memory", "free -m"],
        )
        .change(Change::node("memory of the node", "enough that nothing is swapped out")),
        (_, cut) => Finding::warn(format!("records {when} were longer than their limits: {}", cut.join(", ")))
            .impact(
                "The event is told with what fits, and says so. What stands behind the limit can be seen by no rule.",
                &["capture"],
                &["process.args", "file.path"],
            )
            .remedy(
                "The limits are fixed: 16 KiB of arguments, 4 KiB of a path. See whose events they are: long lists of arguments belong \
                 into a file that is named instead.",
                &["agent run --output json | grep truncated"],
            )
            .change(Change::node("workloads", "shorter arguments and paths")),
    };
    finding
        .observed(json!({ "truncated_percent": cut, "unreadable_percent": unread }))
        .expected(json!({ "truncated_percent": format!("< {MANY}"), "unreadable_percent": format!("< {MANY}") }))
        .evidence(
            &facts.live,
            "GetStatus window hooks",
            json!({ "truncated_percent": cut, "unreadable_percent": unread }),
        )
}

/// PIN-LOSS-005.
fn skips(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let (hooks, when) = lately(agent);
    let lately = missed(hooks);
    let since_start = missed(&agent.second.hooks);
    if since_start.is_empty() && agent.second.dispatcher_missed.is_none() {
        return Finding::skipped(
            "the kernel does not count skipped runs (before 5.12), or no hook has a program of its own",
        );
    }
    let named: Vec<String> = lately
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(hook, count)| format!("{hook} {count}"))
        .collect();
    let many = lately.iter().any(|(hook, count)| {
        let runs = count.saturating_add(hooks.get(*hook).map_or(0, |line| line.seen));
        runs >= RUNS && count.saturating_mul(100) >= MANY_SKIPS.saturating_mul(runs)
    });
    let finding = if !many {
        let before = since_start.values().sum::<u64>().saturating_sub(lately.values().sum());
        Finding::ok(match (named.is_empty(), before) {
            (true, 0) => "the kernel skipped no run of a hook".to_owned(),
            (true, _) => format!("the kernel skipped no run of a hook {when}, and {before} before that"),
            (false, _) => format!("hardly a run of a hook was skipped {when}: {}", named.join(", ")),
        })
    } else {
        Finding::warn(format!("the kernel skipped runs of hooks {when}: {}", named.join(", ")))
            .impact(
                "The kernel skips a program that is already running on the same CPU. Each skip may have been an event, and no other \
                 count has it.",
                &["capture", "loss"],
                &[],
            )
            .remedy(
                "Kernels that preempt inside programs do this under load. The dispatcher's program is harder to preempt than \
                 trampolines are.",
                &["PINHOLE_CAPTURE_BACKEND=dispatcher"],
            )
            .change(Change::setting("capture.backend", "dispatcher"))
    };
    let mut observed = json!({ "lately": lately, "since_start": since_start });
    // Of the dispatcher's skips nobody knows whether they were of system calls that are watched.
    if let Some(missed) = agent.second.dispatcher_missed {
        observed["dispatcher"] = json!(missed);
    }
    finding
        .observed(observed.clone())
        .expected(json!({ "skipped_percent": format!("< {MANY_SKIPS}") }))
        .evidence(&facts.live, "GetStatus hooks: missed", observed)
}

/// Runs that the kernel skipped, by hook, where it counts them.
fn missed(hooks: &HashMap<String, HookCounters>) -> BTreeMap<&str, u64> {
    let by_hook = hooks.iter();
    by_hook
        .filter_map(|(name, line)| Some((name.as_str(), line.missed?)))
        .collect()
}
