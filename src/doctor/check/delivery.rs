//! Delivery: whether alerts reach the channels that are on.

use serde_json::{Value, json};

use super::super::change::Change;
use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::{agent, commands, no_agent};
use crate::control::api::{Channel, Delivery};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[Definition {
    id: "PIN-DLV-001",
    area: "delivery",
    title: "Alerts reach their channels",
    weight: Weight::Major,
    needs: &[Need::Agent],
    depends_on: &[Edge::Through("PIN-LIVE-001")],
    judge: Some(reach),
    offline: None,
    page: include_str!("../pages/PIN-DLV-001.md"),
}];

/// PIN-DLV-001.
fn reach(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let Some(delivery) = &agent.second.delivery else {
        return Finding::skipped("no channel is on: alerts, where there are rules, go to standard output alone");
    };
    // What grew while the doctor watched is going on.
    let before = agent.first.delivery.clone().unwrap_or_else(|| delivery.clone());
    let loses = delivery.lost > before.lost;
    let drops: Vec<&str> = channels(delivery)
        .filter(|(name, channel)| {
            let gone = |channel: &Channel| channel.dropped + channel.failed;
            gone(channel) > before.channels.get(*name).map_or(0, gone)
        })
        .map(|(name, _)| name)
        .collect();
    let failing: Vec<String> = channels(delivery)
        .filter(|(_, channel)| channel.failing)
        .map(|(name, channel)| format!("{name} ({}), {} alerts wait", error(channel), channel.waiting))
        .collect();
    let finding = if !delivery.running {
        gone(
            facts,
            format!(
                "the delivery process has ended: no alert reaches {}, and {} could not be handed over",
                names(delivery),
                delivery.lost
            ),
        )
    } else if delivery.hangs {
        gone(
            facts,
            format!(
                "the delivery process has said nothing for {} s: it hangs, and no alert reaches {}",
                delivery.silence_ms / 1000,
                names(delivery)
            ),
        )
    } else if loses {
        let more = delivery.lost - before.lost;
        slow(
            facts,
            Finding::fail(format!(
                "{more} alerts were lost while the doctor watched: the delivery process takes them more slowly than they come"
            )),
        )
    } else if !drops.is_empty() {
        refused(
            facts,
            Finding::fail(format!("alerts are lost in front of {}", drops.join(", "))),
        )
    } else if !failing.is_empty() {
        refused(facts, Finding::warn(format!("a channel fails: {}", failing.join("; "))))
    } else {
        let delivered: u64 = channels(delivery).map(|(_, channel)| channel.delivered).sum();
        Finding::ok(format!("{delivered} alerts were delivered to {}", names(delivery)))
    };
    finding
        .observed(told(delivery))
        .expected(json!({ "running": true, "hangs": false, "failing": false, "lost": before.lost }))
        .evidence(&facts.live, "GetStatus delivery, twice", told(delivery))
}

/// In the order of their names.
fn channels(delivery: &Delivery) -> impl Iterator<Item = (&str, &Channel)> {
    let mut channels: Vec<_> = delivery.channels.iter().map(|(name, it)| (name.as_str(), it)).collect();
    channels.sort_by_key(|(name, _)| *name);
    channels.into_iter()
}

fn names(delivery: &Delivery) -> String {
    channels(delivery).map(|(name, _)| name).collect::<Vec<_>>().join(", ")
}

fn error(channel: &Channel) -> &str {
    channel.last_error.as_deref().unwrap_or("it does not say why")
}

fn told(delivery: &Delivery) -> Value {
    let channels: serde_json::Map<String, Value> = channels(delivery)
        .map(|(name, it)| {
            let mut told = json!({
                "delivered": it.delivered, "failed": it.failed, "dropped": it.dropped, "waiting": it.waiting, "failing": it.failing,
            });
            if let Some(error) = &it.last_error {
                told["last_error"] = json!(error);
            }
            (name.to_owned(), told)
        })
        .collect();
    json!({
        "running": delivery.running, "hangs": delivery.hangs, "handed_over": delivery.handed_over, "lost": delivery.lost, "channels": channels,
    })
}

fn gone(facts: &Facts, summary: String) -> Finding {
    Finding::fail(summary)
        .impact(
            "Alerts reach no channel. They are counted, and on standard output where delivery.stdout leaves them there; the agent \
             itself goes on.",
            &["delivery", "health"],
            &[],
        )
        .remedy(
            "The log, or the kernel's audit log (type=SECCOMP) and its log of killed processes, says what ended it: memory, a signal, the \
             process's own filter. Where it hangs, /proc/PID/stack says in what: a disk that does not answer, a signal that stopped it. It \
             is started with the agent only, because nothing may be started later: start the agent anew.",
            &[commands::log(facts.place), commands::restart(facts.place)],
        )
        .change(Change::node("agent", "restarted"))
}

fn slow(facts: &Facts, finding: Finding) -> Finding {
    finding
        .impact("These alerts reach no channel. The summary counts them.", &["delivery"], &[])
        .remedy(
            "A rule that holds too often is limited by delivery.limit; see which one does in the summary. More memory in front of the \
             process helps against short floods.",
            &["agent run --delivery-buffer 16MiB", commands::log(facts.place)],
        )
        .change(Change::node("rules", "hold less often"))
}

fn refused(facts: &Facts, finding: Finding) -> Finding {
    finding
        .impact(
            "Alerts wait for this channel, and are dropped once its queue is full or delivery.*.retry.give_up has passed. Other channels \
             go on.",
            &["delivery"],
            &[],
        )
        .remedy(
            "The last error says what the receiver, the network or the disk answers. Mend it there, or the channel's settings; what waits is \
             delivered by itself then.",
            &[commands::log(facts.place)],
        )
        .change(Change::node("receiver of alerts", "takes alerts"))
}
