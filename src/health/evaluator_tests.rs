use std::time::Duration;

use pinhole_delivery::account::Account;

use super::*;
use crate::capture::HookSet;
use crate::config::Share;
use crate::config::settings::RuntimeNeed;
use crate::container::{Now, Rank};
use crate::delivery::Delivered;
use crate::event::loss::Counts;
use crate::health::facts::Canary;
use crate::health::fixture::{facts, limits, runtime};

const SOCKET: &str = "/run/containerd/containerd.sock";

fn condition<'a>(report: &'a Report, name: &str) -> &'a Condition {
    let mut all = report.readiness.iter().chain(&report.liveness);
    all.find(|condition| condition.name == name).unwrap()
}

fn once(limits: Health, change: impl FnOnce(&mut Facts)) -> Report {
    let mut facts = facts();
    change(&mut facts);
    Evaluator::new(limits).evaluate(&facts)
}

fn hung(facts: &mut Facts) {
    facts.runtimes[0].now = Now::Silent("no answer in time".to_owned());
}

#[test]
fn each_condition_names_a_check_that_the_doctor_has() {
    for (name, check) in READINESS.iter().chain(&LIVENESS) {
        assert!(crate::doctor::registry::find(check).is_some(), "{name}: {check}");
    }
}

#[test]
fn an_agent_that_is_well_is_ready_and_alive() {
    let report = once(limits(), |_| ());
    assert!(report.is_ready() && report.is_live(), "{report:?}");
    assert!(report.readiness.iter().all(|condition| condition.met == Met::Yes));
}

/// Each harm by itself makes its own condition false and no other.
#[test]
fn each_harm_is_one_condition() {
    type Harm = fn(&mut Facts);
    let harms: [(&str, Harm, &str); 8] = [
        ("hooks", |facts| facts.attached = HookSet::NONE, "not attached: exec"),
        (
            "canary",
            |facts| facts.canary = Some(Canary::default()),
            "none has come through",
        ),
        (
            "canary",
            |facts| {
                facts.canary = Some(Canary {
                    age: Some(Duration::from_secs(16)),
                    round_trip: None,
                });
            },
            "16.0 s ago; health.canary allows 15s",
        ),
        (
            "runtime",
            hung,
            "not answering: /run/containerd/containerd.sock (no answer in time)",
        ),
        ("runtime", |facts| facts.runtimes.clear(), "no socket is there"),
        (
            "runtime",
            |facts| {
                facts.runtimes[0].now = Now::Absent;
                facts.runtimes[0].rank = Rank::Pods;
            },
            "has gone",
        ),
        (
            "runtime",
            |facts| facts.runtimes[0] = runtime(SOCKET, Now::Silent("permission: EACCES".to_owned())),
            "no container runtime has answered: /run/containerd/containerd.sock (permission: EACCES)",
        ),
        (
            "pipeline",
            |facts| facts.turn_age = Some(Duration::from_secs(31)),
            "31000 ms; health.stall allows 30s",
        ),
    ];
    for (name, harm, words) in harms {
        let report = once(limits(), harm);
        for told in report.readiness.iter().chain(&report.liveness) {
            assert_eq!(told.met == Met::No, told.name == name, "{name}: {told:?}");
        }
        let reason = &condition(&report, name).reason;
        assert!(reason.contains(words), "{reason} lacks {words}");
    }
}

#[test]
fn what_cannot_be_found_out_stands_in_nobodys_way() {
    let report = once(limits(), |facts| {
        facts.canary = None;
        facts.turn_age = None;
    });
    assert!(report.is_ready() && report.is_live());
    assert_eq!(condition(&report, "canary").met, Met::Unknown);
    assert_eq!(condition(&report, "pipeline").met, Met::Unknown);
}

#[test]
fn without_a_runtime_the_agent_is_ready_where_none_is_required() {
    let optional = || Health {
        runtime: RuntimeNeed::Optional,
        ..limits()
    };
    assert!(once(optional(), |facts| facts.runtimes.clear()).is_ready());
    // One that has answered has to go on.
    assert!(!once(optional(), hung).is_ready());
    // A socket that has gone, of a runtime without pods, is a runtime that was removed.
    assert!(once(optional(), |facts| facts.runtimes[0].now = Now::Absent).is_ready());
}

#[test]
fn one_that_never_answered_stands_in_nobodys_way_beside_one_that_does() {
    let report = once(limits(), |facts| {
        facts
            .runtimes
            .push(runtime("/run/docker.sock", Now::Silent("permission".to_owned())));
    });
    assert!(report.is_ready(), "{report:?}");
}

#[test]
fn losses_count_from_their_share_on_and_until_the_window_has_passed() {
    let mut evaluator = Evaluator::new(limits());
    let mut at = |seconds: u64, delivered, dropped| {
        let mut facts = facts();
        facts.at = Duration::from_secs(seconds);
        facts.counts = Counts {
            seen: delivered + dropped,
            delivered,
            dropped,
        };
        evaluator.evaluate(&facts).is_ready()
    };
    assert!(
        at(0, 1_000, 500),
        "what was lost before the first look is not in the window"
    );
    assert!(at(1, 2_000, 510), "ten of 1010 are less than 1%");
    assert!(!at(2, 2_000, 511), "eleven of 1011 are more");
    assert!(!at(61, 2_000, 511));
    // The window has passed, and has to hold.
    assert!(!at(62, 2_000, 511));
    assert!(at(65, 2_000, 511));
}

#[test]
fn no_threshold_means_any_loss() {
    let any = Health {
        loss: Share::default(),
        ..limits()
    };
    let mut evaluator = Evaluator::new(any);
    let mut facts = facts();
    assert!(evaluator.evaluate(&facts).is_ready());
    facts.counts.delivered = 1_000_000;
    assert!(evaluator.evaluate(&facts).is_ready());
    facts.counts.dropped = 1;
    assert!(!evaluator.evaluate(&facts).is_ready());
}

#[test]
fn a_condition_turns_false_at_once_and_true_when_it_has_held() {
    let mut evaluator = Evaluator::new(limits());
    let mut at = |millis, well: bool| {
        let mut facts = facts();
        facts.at = Duration::from_millis(millis);
        if !well {
            hung(&mut facts);
        }
        let report = evaluator.evaluate(&facts);
        let runtime = condition(&report, "runtime");
        (report.is_ready(), runtime.since.as_millis())
    };
    assert_eq!(at(0, true), (true, 0));
    assert_eq!(at(1_000, false), (false, 1_000));
    assert_eq!(at(2_000, true), (false, 1_000));
    assert_eq!(at(4_900, true), (false, 1_000));
    // It failed again: what has held before counts no more.
    assert_eq!(at(4_950, false), (false, 1_000));
    assert_eq!(at(5_000, true), (false, 1_000));
    assert_eq!(at(7_999, true), (false, 1_000));
    assert_eq!(at(8_000, true), (true, 8_000));
    assert_eq!(at(8_001, false), (false, 8_001));
}

#[test]
fn what_comes_true_for_the_first_time_is_true_at_once() {
    let mut evaluator = Evaluator::new(limits());
    let mut facts = facts();
    facts.canary = Some(Canary::default());
    assert!(!evaluator.evaluate(&facts).is_ready());
    facts.canary = Some(Canary {
        age: Some(Duration::ZERO),
        round_trip: None,
    });
    assert!(evaluator.evaluate(&facts).is_ready());
}

#[test]
fn hooks_that_were_turned_off_are_said() {
    let report = once(limits(), |facts| facts.off = HookSet::CGROUPS);
    assert!(report.is_ready());
    assert!(
        condition(&report, "hooks")
            .reason
            .ends_with("turned off: cgroup_mkdir, cgroup_rmdir"),
        "{report:?}"
    );
}

/// Whoever reaches the port learns which channel fails, and nothing of what its receiver says.
#[test]
fn delivery_has_to_be_at_work_and_its_receivers_words_stay_inside() {
    let failing = Account {
        failing: true,
        waiting: 2,
        last_error: Some("hush".to_owned()),
        ..Account::default()
    };
    let at_work = Delivered {
        running: true,
        channels: [("http".to_owned(), failing)].into(),
        ..Delivered::default()
    };
    let silence = Duration::from_secs(60);
    for (delivery, met, says) in [
        (at_work.clone(), Met::Yes, "http (2 wait)"),
        (
            Delivered {
                silence,
                ..at_work.clone()
            },
            Met::No,
            "said nothing for 60 s",
        ),
        (
            Delivered {
                running: false,
                silence,
                ..at_work
            },
            Met::No,
            "has ended",
        ),
    ] {
        let report = once(limits(), |facts| facts.delivery = Some(delivery));
        let told = condition(&report, "delivery");
        assert!(
            told.met == met && told.reason.contains(says) && !told.reason.contains("hush"),
            "{told:?}"
        );
    }
}
