//! What an agent says that it lost, and what a test does about it: kernels that preempt skip runs of programs now and then,
//! and of what was skipped nothing can be expected.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use serde_json::Value;

/// So often a scenario is played, where each time something was lost.
const TRIES: u32 = 4;

/// How many events were lost, by the agent's account.
pub(crate) fn lost(summary: &Value) -> u64 {
    let hooks = summary["hooks"].as_object().expect("a summary has hooks");
    hooks.values().map(lost_of).sum::<u64>() + lost_of(&summary["dispatcher"])
}

/// The same of one account in it.
pub(crate) fn lost_of(account: &Value) -> u64 {
    let keys = ["dropped", "missed"].iter();
    keys.filter_map(|key| account[key].as_u64()).sum()
}

/// Plays a scenario and judges it. Where the judgement is bad and something was lost, it is played again.
pub(crate) fn unless_lost<T>(play: impl Fn() -> T, lost: impl Fn(&T) -> u64, judge: impl Fn(&T)) {
    for attempt in 1.. {
        let played = play();
        let Err(why) = catch_unwind(AssertUnwindSafe(|| judge(&played))) else {
            return;
        };
        let lost = lost(&played);
        if lost == 0 || attempt == TRIES {
            resume_unwind(why);
        }
        println!("{lost} events were lost: once more");
    }
}
