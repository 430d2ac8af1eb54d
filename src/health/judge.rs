//! From facts to what is so at this moment. Pure, and without memory: what was so before is the evaluator's matter.

use std::time::Duration;

use super::condition::Met;
use super::facts::Facts;
use crate::capture::{Hook, HookSet};
use crate::config::settings::{Health, RuntimeNeed};
use crate::container::{Answering, Now, Rank};
use crate::event::loss::Counts;

/// How many runtimes, and how many hooks that were turned off, a reason names.
const NAMED: usize = 4;

/// A condition at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) met: Met,
    pub(super) reason: String,
}

fn judged(met: bool, reason: impl Into<String>) -> Judgement {
    Judgement {
        met: if met { Met::Yes } else { Met::No },
        reason: reason.into(),
    }
}

fn unknown(reason: &str) -> Judgement {
    Judgement {
        met: Met::Unknown,
        reason: reason.to_owned(),
    }
}

/// What everything else is attributed to has to be attached. What somebody turned off is said, and is as wished for.
pub(super) fn hooks(facts: &Facts) -> Judgement {
    let missing = HookSet::BASE.without(facts.attached);
    if missing != HookSet::NONE {
        return judged(
            false,
            format!("not attached: {}", some_of(missing.iter().map(Hook::name))),
        );
    }
    let attached = facts.attached.iter().count();
    if facts.off == HookSet::NONE {
        return judged(true, format!("{attached} attached"));
    }
    let off = some_of(facts.off.iter().map(Hook::name));
    judged(true, format!("{attached} attached; turned off: {off}"))
}

/// A canary that is young enough has to have come through.
pub(super) fn canary(facts: &Facts, limits: &Health) -> Judgement {
    let Some(canary) = facts.canary else {
        return unknown("the kernel refused its hook");
    };
    let Some(age) = canary.age else {
        return judged(false, "none has come through the pipeline yet");
    };
    let met = age <= limits.canary;
    let took = canary.round_trip.map_or_else(String::new, |took| {
        format!(", and took {:.1} ms", took.as_secs_f64() * 1e3)
    });
    let most = if met {
        String::new()
    } else {
        format!("; health.canary allows {}", humantime::format_duration(limits.canary))
    };
    judged(
        met,
        format!(
            "the last one that came through was sent {:.1} s ago{took}{most}",
            age.as_secs_f64()
        ),
    )
}

/// Runtimes that have answered have to go on answering. A socket that has gone is a runtime that has gone, unless it had
/// pods: then it is one that is down.
pub(super) fn runtime(facts: &Facts, limits: &Health) -> Judgement {
    let counts =
        |runtime: &&Answering| runtime.has_answered && (runtime.now != Now::Absent || runtime.rank >= Rank::Pods);
    let counting: Vec<&Answering> = facts.runtimes.iter().filter(counts).collect();
    if counting.is_empty() {
        let silent = facts.runtimes.iter().filter_map(silence);
        let said = some_of(silent.filter(|words| !words.is_empty()));
        let found = if said.is_empty() {
            "no socket is there".to_owned()
        } else {
            said
        };
        return match limits.runtime {
            RuntimeNeed::Required => judged(false, format!("no container runtime has answered: {found}")),
            RuntimeNeed::Optional => judged(true, format!("none has answered, and none is required: {found}")),
        };
    }
    let silent: Vec<String> = counting
        .iter()
        .filter(|runtime| runtime.now != Now::Answers)
        .map(|runtime| silence(runtime).unwrap_or_else(|| format!("{} has gone", runtime.socket.display())))
        .collect();
    if silent.is_empty() {
        let names = counting
            .iter()
            .map(|runtime| format!("{} {} on {}", runtime.name, runtime.version, runtime.socket.display()));
        return judged(true, format!("answering: {}", some_of(names)));
    }
    judged(false, format!("not answering: {}", some_of(silent)))
}

/// What is wrong with one that is there and says nothing.
fn silence(runtime: &Answering) -> Option<String> {
    match &runtime.now {
        Now::Silent(why) => Some(format!("{} ({why})", runtime.socket.display())),
        Now::Answers | Now::Absent => None,
    }
}

/// Of what was worth handing over, not so much may have been lost.
pub(super) fn losses(lost: Counts, limits: &Health) -> Judgement {
    let wanted = lost.delivered.saturating_add(lost.dropped);
    let met = lost.dropped == 0 || !limits.loss.reached(lost.dropped, wanted);
    let window = humantime::format_duration(limits.loss_window);
    let most = if met {
        String::new()
    } else {
        format!("; health.loss is {}", limits.loss)
    };
    judged(
        met,
        format!("{} of {wanted} events lost within {window}{most}", lost.dropped),
    )
}

/// Where alerts go to channels, the process that delivers them has to be there. A receiver that is down is told, and is not the
/// agent's to mend.
pub(super) fn delivery(facts: &Facts) -> Judgement {
    let Some(delivery) = &facts.delivery else {
        return judged(true, "no channel is on: alerts go to standard output alone");
    };
    if !delivery.running {
        let lost = delivery.lost;
        return judged(
            false,
            format!("the delivery process has ended; {lost} alerts could not be handed over"),
        );
    }
    if delivery.hangs() {
        let seconds = delivery.silence.as_secs();
        return judged(
            false,
            format!("the delivery process is there and has said nothing for {seconds} s"),
        );
    }
    // Why is for those who may ask the agent: a receiver's words are not for whoever reaches the port.
    let failing = delivery
        .failing()
        .map(|(name, account)| format!("{name} ({} wait)", account.waiting));
    let failing = some_of(failing);
    if failing.is_empty() {
        let names = some_of(delivery.channels.keys());
        return judged(true, format!("the process delivers to {names}"));
    }
    judged(true, format!("the process is there; failing at the moment: {failing}"))
}

/// The pipeline's loop has to go round.
pub(super) fn pipeline(facts: &Facts, limits: &Health) -> Judgement {
    let Some(age) = facts.turn_age else {
        return unknown("the pipeline does not say when it turned");
    };
    let met = age <= limits.stall;
    let most = if met {
        String::new()
    } else {
        format!("; health.stall allows {}", humantime::format_duration(limits.stall))
    };
    judged(met, format!("its turn takes {} ms{most}", millis(age)))
}

fn millis(time: Duration) -> u128 {
    time.as_millis()
}

fn some_of(words: impl IntoIterator<Item = impl Into<String>>) -> String {
    let mut words = words.into_iter();
    let mut named: Vec<String> = words.by_ref().take(NAMED).map(Into::into).collect();
    let more = words.count();
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    named.join(", ")
}
