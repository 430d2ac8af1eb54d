//! The checks of a running agent beyond the grid: what must not be a finding, and what the numbers say.

use serde_json::json;

use super::super::change::Change;
use super::super::facts::{CanaryFact, Facts, Gap, Gathered, LiveAgent, LockdownFact, Place, SettingFact, View};
use super::super::fixture::{agent, cold, live};
use super::super::grid::harm::{dropped, full_disk, late, lately, lost_lately, refused, unmet};
use super::super::report::{Check, Remedy, Status};
use super::super::tests::{check, roots};
use crate::control::api::Setting;

/// An agent of before it told all this: it is skipped with a reason, and nothing is found.
#[test]
fn an_agent_that_tells_less_raises_nothing() {
    let mut facts = live();
    let it = agent(&mut facts);
    for status in [&mut it.first, &mut it.second] {
        status.conditions.clear();
        status.settings.clear();
        (status.window, status.ring, status.output, status.log) = (None, None, None, None);
        (status.unix_time_ns, status.health_listen) = (0, String::new());
        (status.privilege_checks, status.latency) = (None, None);
    }
    it.probe = None;
    assert_eq!(roots(&facts), []);
    for id in [
        "PIN-CFG-002",
        "PIN-CFG-003",
        "PIN-LOSS-003",
        "PIN-LOSS-006",
        "PIN-LOSS-007",
        "PIN-LIVE-004",
        "PIN-LIVE-005",
        "PIN-LIVE-006",
        "PIN-LIVE-007",
        "PIN-LIVE-008",
    ] {
        let check = check(&facts, id);
        assert_eq!(check.status, Status::Skipped, "{id}");
        assert!(check.reason.is_some_and(|reason| !reason.is_empty()), "{id}");
    }
}

/// Of a few lookups the slowest one proves nothing; that most of them are slow does.
#[test]
fn few_lookups_are_judged_by_most_of_them() {
    for (p50_us, status) in [(3_000, Status::Ok), (400_000, Status::Warn)] {
        let mut facts = live();
        let lookups = agent(&mut facts).second.lookups.as_mut().unwrap();
        (lookups.count, lookups.p50_us, lookups.p99_us) = (4, p50_us, 650_000);
        assert_eq!(check(&facts, "PIN-META-002").status, status, "{p50_us}");
    }
}

/// Beside a running agent the doctor loads nothing.
#[test]
fn an_agent_that_runs_is_proof_enough_of_what_can_be_loaded() {
    let mut facts = live();
    facts.capture = Gathered::gap(Gap::NotGathered(
        "the running agent's own programs are the proof".to_owned(),
    ));
    assert_eq!(roots(&facts), []);
}

/// From the host nothing of a container's files, environment and network is known.
#[test]
fn an_agent_in_another_container_is_not_measured_by_the_doctors_surroundings() {
    let mut facts = live();
    facts.place = Place::Host;
    facts.log.value.as_mut().unwrap().journald = Err(refused());
    facts
        .config
        .settings
        .iter_mut()
        .for_each(|it| it.value = "1".to_owned());
    facts.profile.name = "standalone".to_owned();
    (facts.profile.declared, facts.profile.detected) = (false, Ok(Some("standalone".to_owned())));
    let it = agent(&mut facts);
    (it.seen_as, it.probe) = (Some(4711), None);
    it.second.log.as_mut().unwrap().failures = 0;
    assert_eq!(roots(&facts), []);
    for id in ["PIN-CFG-003", "PIN-CFG-004", "PIN-PRF-003", "PIN-LIVE-008"] {
        assert_eq!(check(&facts, id).status, Status::Skipped, "{id}");
    }
}

fn set(facts: &mut Facts, key: &str, running: (&str, &str), now: (&str, &str)) {
    let owned = |(value, origin): (&str, &str)| (value.to_owned(), origin.to_owned());
    let ((value, origin), (its_value, its_origin)) = (owned(now), owned(running));
    let settings = &mut facts.config.settings;
    settings.retain(|it| it.key != key);
    settings.push(SettingFact {
        key: key.to_owned(),
        value,
        origin,
    });
    let told = &mut agent(facts).second.settings;
    told.retain(|it| it.key != key);
    told.push(Setting {
        key: key.to_owned(),
        value: its_value,
        origin: its_origin,
    });
}

#[test]
fn only_what_a_restart_would_change_is_drift() {
    const FILE: &str = "file /etc/pinhole/agent.toml";
    const DEFAULT: &str = "built-in default";
    let status = |running: (&str, &str), now: (&str, &str)| {
        let mut facts = live();
        set(&mut facts, "loss.burst", running, now);
        check(&facts, "PIN-CFG-003").status
    };
    assert_eq!(status(("10", DEFAULT), ("5", FILE)), Status::Warn);
    assert_eq!(status(("5", FILE), ("10", DEFAULT)), Status::Warn);
    assert_eq!(status(("5", FILE), ("6", "profile aks")), Status::Warn);
    assert_eq!(status(("5", FILE), ("5", FILE)), Status::Ok);
    // Each process's own.
    assert_eq!(status(("5", "flag --loss-burst"), ("10", DEFAULT)), Status::Ok);
    let variable = "environment variable PINHOLE_LOSS_BURST";
    assert_eq!(status(("5", variable), ("10", DEFAULT)), Status::Ok);
    assert_eq!(status(("10", DEFAULT), ("5", variable)), Status::Ok);
    // Another version's.
    assert_eq!(status(("5", DEFAULT), ("10", DEFAULT)), Status::Ok);
}

#[test]
fn an_agent_with_another_file_is_not_compared() {
    let mut facts = live();
    let it = ("5", "file /etc/other.toml");
    set(&mut facts, "loss.burst", it, ("10", "built-in default"));
    let found = check(&facts, "PIN-CFG-003");
    assert_eq!(found.status, Status::Skipped);
    assert!(found.reason.unwrap().contains("file /etc/other.toml"));
}

#[test]
fn a_profile_that_changed_is_one_finding_and_not_two() {
    let mut facts = live();
    agent(&mut facts).second.profile = "generic".to_owned();
    let file = "file /etc/pinhole/agent.toml";
    set(&mut facts, "profile", (r#""generic""#, file), (r#""aks""#, file));
    set(
        &mut facts,
        "runtime.socket",
        ("[]", "profile generic"),
        ("[1]", "profile aks"),
    );
    assert_eq!(roots(&facts), [("PIN-PRF-003", Status::Warn)]);
}

#[test]
fn a_pods_log_on_standard_error_is_as_it_should_be() {
    let mut facts = live();
    facts.log.value.as_mut().unwrap().journald = Err(refused());
    assert_eq!(check(&facts, "PIN-CFG-002").status, Status::Ok);
    // What was lost while journald was restarted is told.
    facts.log.value.as_mut().unwrap().journald = Ok(());
    let log = agent(&mut facts).second.log.as_mut().unwrap();
    (log.used, log.failures) = ("journald".to_owned(), 9);
    let found = check(&facts, "PIN-CFG-002");
    assert_eq!(found.status, Status::Ok);
    assert!(found.summary.contains("9 messages"), "{}", found.summary);
}

#[test]
fn a_calendar_that_was_set_and_followed_is_told_and_no_finding() {
    let mut facts = live();
    let second = &mut agent(&mut facts).second;
    (second.clock_steps, second.last_step_ms) = (2, -7_200_000);
    let found = check(&facts, "PIN-LIVE-006");
    assert_eq!(found.status, Status::Ok);
    assert!(
        found.summary.contains("2 times") && found.summary.contains("7200 s back"),
        "{}",
        found.summary
    );
    // As long as the call took it may be off, and a second.
    let it = agent(&mut facts);
    it.second.unix_time_ns = it.asked.to + 999_000_000;
    assert_eq!(check(&facts, "PIN-LIVE-006").status, Status::Ok);
    agent(&mut facts).second.unix_time_ns += 2_000_000;
    let found = check(&facts, "PIN-LIVE-006");
    assert_eq!(found.status, Status::Fail);
    assert!(found.summary.contains("1 s ahead of"), "{}", found.summary);
}

#[test]
fn an_agent_that_is_not_live_still_answers_probes() {
    let mut facts = live();
    agent(&mut facts).probe.as_mut().unwrap().answer = Ok(503);
    assert_eq!(check(&facts, "PIN-LIVE-008").status, Status::Ok);
}

#[test]
fn a_batch_is_no_lateness() {
    let mut facts = live();
    late(&mut facts, 1_100_000);
    assert_eq!(check(&facts, "PIN-LIVE-005").status, Status::Warn);
    set(
        &mut facts,
        "capture.batch",
        (r#""1s""#, "flag --capture-batch"),
        (r#""5ms""#, "built-in default"),
    );
    assert_eq!(check(&facts, "PIN-LIVE-005").status, Status::Ok);
}

/// One container that was looked up while its runtime was busy is no lack of CPU time; seconds are, whatever the reason.
#[test]
fn as_late_as_a_runtime_was_waited_for_is_no_lateness() {
    let mut facts = live();
    late(&mut facts, 494_000);
    assert_eq!(check(&facts, "PIN-LIVE-005").status, Status::Warn);
    agent(&mut facts).second.lookups.as_mut().unwrap().longest_wait_us = 480_000;
    assert_eq!(check(&facts, "PIN-LIVE-005").status, Status::Ok);
    late(&mut facts, 2_500_000);
    assert_eq!(check(&facts, "PIN-LIVE-005").status, Status::Fail);
}

fn remedy(facts: &Facts, id: &str) -> Remedy {
    check(facts, id).remedy.unwrap()
}

#[test]
fn the_ring_that_the_agent_measured_is_advised_with_the_memory_for_it() {
    let mut facts = live();
    dropped(&mut facts, 100);
    agent(&mut facts).second.ring.as_mut().unwrap().needed_bytes = 32 << 20;
    let advice = remedy(&facts, "PIN-LOSS-001");
    assert_eq!(advice.patch, [Change::setting("capture.ring_size", "32MiB")]);
    assert!(advice.text.contains("the memory limit holds it"), "{}", advice.text);
    agent(&mut facts).second.ring.as_mut().unwrap().needed_bytes = 128 << 20;
    let advice = remedy(&facts, "PIN-LOSS-001");
    let Some(Change::Manifest { path, value, .. }) = advice.patch.get(1) else {
        panic!("{:?}", advice.patch)
    };
    // The ring, 7 MiB and some of other maps, and 48 MiB for the agent.
    assert_eq!(path, "/spec/template/spec/containers/0/resources/limits/memory");
    assert_eq!(value, &Some(json!("184Mi")));
    // What was measured for a smaller ring says nothing.
    agent(&mut facts).second.ring.as_mut().unwrap().needed_bytes = 8 << 20;
    let advice = remedy(&facts, "PIN-LOSS-001");
    assert_eq!(advice.patch, [Change::setting("capture.ring_size", "16MiB")]);
}

#[test]
fn a_hook_with_few_events_has_no_share_to_speak_of() {
    let mut facts = live();
    dropped(&mut facts, 1);
    lost_lately(&mut facts, "setns", 1);
    let line = lately(&mut facts, "setns");
    (line.seen, line.delivered) = (40, 39);
    assert_eq!(roots(&facts), [("PIN-LOSS-001", Status::Warn)]);
    let found = check(&facts, "PIN-LOSS-003");
    assert_eq!(
        (found.status, found.observed.unwrap()["lost_percent"]["setns"].clone()),
        (Status::Ok, json!(2.5))
    );
}

#[test]
fn what_was_long_ago_is_told_and_no_longer_warned_of() {
    let mut facts = live();
    full_disk(&mut facts, 7_200_000);
    let found = check(&facts, "PIN-LOSS-006");
    assert_eq!(found.status, Status::Ok);
    assert!(found.summary.contains("41 lines"), "{}", found.summary);
    let mut facts = live();
    agent(&mut facts).second.hooks.get_mut("openat").unwrap().missed = Some(4);
    lately(&mut facts, "openat").missed = Some(0);
    let found = check(&facts, "PIN-LOSS-005");
    assert_eq!(found.status, Status::Ok);
    assert!(found.summary.contains("4 before that"), "{}", found.summary);
}

#[test]
fn a_run_skipped_now_and_then_is_told_and_not_warned_of() {
    let mut facts = live();
    agent(&mut facts).second.hooks.get_mut("openat").unwrap().missed = Some(4);
    let line = lately(&mut facts, "openat");
    (line.seen, line.missed) = (1115, Some(4));
    let found = check(&facts, "PIN-LOSS-005");
    assert_eq!(found.status, Status::Ok);
    assert!(found.summary.ends_with("openat 4"), "{}", found.summary);
    // Too few runs to speak of a share.
    let line = lately(&mut facts, "openat");
    (line.seen, line.missed) = (396, Some(4));
    assert_eq!(check(&facts, "PIN-LOSS-005").status, Status::Ok);
    let line = lately(&mut facts, "openat");
    (line.seen, line.missed) = (1115, Some(12));
    assert_eq!(check(&facts, "PIN-LOSS-005").status, Status::Warn);
}

#[test]
fn kernel_threads_and_reduced_captures_are_no_torn_records() {
    let mut facts = live();
    let snapshot = lately(&mut facts, "snapshot");
    (snapshot.delivered, snapshot.unreadable) = (300, 200);
    assert_eq!(check(&facts, "PIN-LOSS-004").status, Status::Ok);
    lately(&mut facts, "openat").unreadable = 500;
    assert_eq!(check(&facts, "PIN-LOSS-004").status, Status::Warn);
    agent(&mut facts).second.backend.as_mut().unwrap().reduced = Some("refused".to_owned());
    assert_eq!(check(&facts, "PIN-LOSS-004").status, Status::Skipped);
}

/// One evaluator: whatever the doctor finds by itself, it says no better of the agent than the agent does.
#[test]
fn no_check_is_ok_while_its_condition_is_not_met() {
    let conditions: Vec<(String, String)> = {
        let mut facts = live();
        let told = &agent(&mut facts).second.conditions;
        told.iter().map(|it| (it.name.clone(), it.check.clone())).collect()
    };
    assert_eq!(conditions.len(), 6);
    for (name, id) in conditions {
        let mut facts = live();
        unmet(&mut facts, &name);
        let Check {
            status,
            summary,
            evidence,
            ..
        } = check(&facts, &id);
        assert!(matches!(status, Status::Warn | Status::Fail), "{name}: {status:?}");
        assert!(summary.contains("it is not as it should be"), "{summary}");
        let told = evidence.iter().find(|it| it.source == "GetStatus conditions").unwrap();
        assert!(told.value.to_string().contains("it is not as it should be"), "{told:?}");
        assert_eq!(told.view, View::Live);
        assert_eq!(check(&facts, "PIN-LIVE-004").blocked_by.as_deref(), Some(&*id));
    }
}

/// A finding that is there keeps its words and takes the agent's reason as evidence; one that waits goes on waiting.
#[test]
fn what_the_doctor_found_itself_stays_its_finding() {
    let mut facts = live();
    dropped(&mut facts, 2);
    unmet(&mut facts, "losses");
    let found = check(&facts, "PIN-LOSS-001");
    assert_eq!(found.status, Status::Warn);
    assert!(found.summary.starts_with("2 of"), "{}", found.summary);
    assert!(found.evidence.iter().any(|it| it.source == "GetStatus conditions"));
    lost_lately(&mut facts, "connect", 20);
    let waits = check(&facts, "PIN-LOSS-001");
    assert_eq!(
        (waits.status, waits.blocked_by.as_deref()),
        (Status::Skipped, Some("PIN-LOSS-003"))
    );
    // And at the end of the chain stands the root.
    assert_eq!(
        check(&facts, "PIN-LIVE-004").blocked_by.as_deref(),
        Some("PIN-LOSS-003")
    );
}

#[test]
fn a_reduced_capture_is_why_the_canary_has_no_container() {
    let mut facts = live();
    agent(&mut facts).second.backend.as_mut().unwrap().reduced = Some("refused".to_owned());
    let Ok(CanaryFact::Seen { event, .. }) = &mut facts.canary.value else {
        unreachable!("the healthy fixture's canary is seen")
    };
    event["metadata"] = json!({ "status": "missing", "reason": "cgroup_unreadable" });
    for (mode, root) in [("confidentiality", "PIN-KRN-002"), ("none", "PIN-BPF-001")] {
        facts.kernel.value.as_mut().unwrap().lockdown = LockdownFact::Mode(mode.to_owned());
        let waits = check(&facts, "PIN-LIVE-002");
        assert_eq!(
            (waits.status, waits.blocked_by.as_deref()),
            (Status::Skipped, Some(root))
        );
    }
}

#[test]
fn without_an_agent_nothing_of_this_is_asked() {
    let facts = cold();
    let asked = [
        "PIN-CFG-003",
        "PIN-PRF-003",
        "PIN-LIVE-004",
        "PIN-LIVE-006",
        "PIN-LIVE-008",
        "PIN-LOSS-003",
        "PIN-VER-001",
    ];
    for id in asked {
        assert_eq!(check(&facts, id).blocked_by.as_deref(), Some("PIN-LIVE-001"), "{id}");
    }
    let default = LiveAgent::default();
    assert!(!default.is_here(), "nobody said who the agent is");
}
