//! The grid: facts that lack one thing each, and the one root finding that each must raise. And what holds for the
//! registry as a whole.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::baseline;
use super::examine::{examine, judge, report};
use super::facts::host::BpfAnswer;
use super::facts::{
    Closed, Facts, Gap, Gathered, JoinFact, LockdownFact, MemoryFacts, OsError, Place, RuntimeClass, RuntimeFact,
    SocketFile,
};
use super::fixture::{CONTAINERD, absent, agent, cold, containerd, live, rate, refusal, status};
use super::graph;
use super::grid;
use super::grid::harm::{class, dropped, each_reading, runtime_of};
use super::registry::{Definition, Edge, RETIRED, checks, find};
use super::report::{Check, Confined, Counts, FailOn, Report, Status, Suppressed};
use super::saved::Saved;
use crate::capture::memory::{Estimate, Sizes};
use crate::config::{Overrides, Sources, load};
use crate::container::Rank;
use crate::control::api::Setting;
use crate::platform::{Confidence, profile};
use crate::privilege::file::FileCapabilities;

/// Root findings: warn, fail and unknown; what is blocked is not among them.
pub(super) fn roots(facts: &Facts) -> Vec<(&'static str, Status)> {
    examine(facts)
        .into_iter()
        .filter(|check| matches!(check.status, Status::Warn | Status::Fail | Status::Unknown))
        .map(|check| (super::registry::find(&check.id).unwrap().id, check.status))
        .collect()
}

pub(super) fn check(facts: &Facts, id: &str) -> Check {
    examine(facts).into_iter().find(|check| check.id == id).unwrap()
}

#[test]
fn hooks_under_way_in_every_reading_are_no_fault() {
    let mut facts = live();
    // Never zero, always something under way on one of four CPUs.
    each_reading(&mut facts, |hook, reading| hook.seen += 1 + reading % 3);
    assert_eq!(roots(&facts), []);
    let mut facts = live();
    // A negative difference: the counters moved between the reading of `seen` and that of `delivered`.
    each_reading(&mut facts, |hook, reading| hook.delivered += 1 + reading % 2);
    assert_eq!(roots(&facts), []);
}

#[test]
fn losses_of_more_than_an_hour_ago_are_told_and_no_longer_warned_of() {
    let mut facts = live();
    dropped(&mut facts, 100);
    agent(&mut facts)
        .second
        .rates
        .insert("1h".to_owned(), rate(3640.0, 0.0));
    let found = check(&facts, "PIN-LOSS-001");
    assert_eq!(found.status, Status::Ok);
    assert!(found.summary.contains("100 of"), "{}", found.summary);
    // Not even that is known of an agent that is younger.
    agent(&mut facts)
        .second
        .rates
        .insert("1h".to_owned(), rate(3000.0, 0.0));
    assert_eq!(check(&facts, "PIN-LOSS-001").status, Status::Warn);
}

#[test]
fn a_loss_within_a_minute_is_judged_by_that_minute() {
    let mut facts = live();
    dropped(&mut facts, 2);
    assert_eq!(check(&facts, "PIN-LOSS-001").status, Status::Warn);
    agent(&mut facts).second.rates.insert("1m".to_owned(), rate(60.0, 1.0));
    let found = check(&facts, "PIN-LOSS-001");
    assert_eq!(found.status, Status::Fail);
    assert!(
        found.summary.contains("1.0 a second in the last minute"),
        "{}",
        found.summary
    );
}

#[test]
fn an_agent_that_tells_no_rates_is_judged_by_its_life() {
    let mut facts = live();
    dropped(&mut facts, 100);
    agent(&mut facts).second.rates.clear();
    assert_eq!(check(&facts, "PIN-LOSS-001").status, Status::Fail);
}

#[test]
fn healthy_facts_raise_nothing() {
    for facts in [cold(), live()] {
        assert_eq!(roots(&facts), []);
    }
    let checks = examine(&live());
    // Nobody accepts anything there.
    let of_a_node = |check: &&Check| find(&check.id).unwrap().judge.is_some() && check.id != "PIN-CFG-005";
    assert!(
        checks.iter().filter(of_a_node).all(|check| check.status == Status::Ok),
        "{checks:#?}"
    );
}

#[test]
fn facts_that_were_not_gathered_are_unknown_never_ok() {
    let mut facts = cold();
    let gap = || Gap::NotGathered("the test withholds it".to_owned());
    facts.kernel = Gathered::gap(gap());
    facts.process = Gathered::gap(gap());
    facts.capture = Gathered::gap(gap());
    facts.memory = Gathered::gap(gap());
    facts.seccomp = Gathered::gap(gap());
    facts.lsm = Gathered::gap(gap());
    facts.mounts = Gathered::gap(gap());
    facts.resources = Gathered::gap(gap());
    facts.runtimes = Gathered::gap(gap());
    facts.own = Gathered::gap(gap());
    facts.join = Gathered::gap(gap());
    facts.live = Gathered::gap(gap());
    facts.canary = Gathered::gap(gap());
    facts.log = Gathered::gap(gap());
    for check in examine(&facts) {
        if check.area == "configuration" || check.area == "profile" {
            continue;
        }
        assert!(
            matches!(check.status, Status::Unknown | Status::Skipped),
            "{}: {:?}",
            check.id,
            check.status
        );
        assert!(check.reason.is_some(), "{}", check.id);
    }
    assert_eq!(report(&facts, String::new(), None).counts.exit_code(FailOn::Fail), 3);
}

#[test]
fn an_unreadable_lockdown_file_is_no_riddle_where_programs_load() {
    let mut facts = cold();
    facts.kernel.value.as_mut().unwrap().lockdown = LockdownFact::Absent;
    assert_eq!(check(&facts, "PIN-KRN-002").status, Status::Ok);
    facts.capture = Gathered::gap(Gap::Crashed);
    assert_eq!(check(&facts, "PIN-KRN-002").status, Status::Unknown);
    // What is unknown about lockdown does not hide what is known about loading.
    assert_eq!(check(&facts, "PIN-BPF-001").status, Status::Unknown);
}

#[test]
fn the_dispatcher_is_a_choice_with_a_price_not_a_fault() {
    let mut facts = cold();
    facts.capture.value.as_mut().unwrap().trampoline = Err(refusal("load fexit/__x64_sys_openat", libc::EPERM));
    let backend = check(&facts, "PIN-BPF-002");
    assert_eq!(backend.status, Status::Ok);
    assert_eq!(backend.observed.unwrap()["trampoline"]["errno"], "EPERM");
    assert!(backend.impact.unwrap().text.contains("1.6 times"));
}

#[test]
fn a_refused_socket_is_blamed_on_mode_or_on_a_security_module() {
    let mut facts = cold();
    class(&mut facts, RuntimeClass::Permission, Some(libc::EACCES));
    // Group 0 may write: the mode is not the cause.
    assert!(check(&facts, "PIN-RUN-001").summary.contains("security module"));
    facts.process.value.as_mut().unwrap().gids = vec![65532];
    let by_mode = check(&facts, "PIN-RUN-001");
    assert!(by_mode.summary.contains("0:0 0660"), "{}", by_mode.summary);
    assert!(by_mode.remedy.unwrap().commands[0].contains("supplementalGroups: [0]"));
    // The owner's bits count for the owner even where the group's would let it in.
    facts.process.value.as_mut().unwrap().uid = 0;
    runtime_of(&mut facts).file = Some(SocketFile {
        mode: 0o060,
        uid: 0,
        gid: 65532,
        open: false,
    });
    assert!(check(&facts, "PIN-RUN-001").summary.contains("keeps out"));
    // CAP_DAC_OVERRIDE passes every mode.
    facts.process.value.as_mut().unwrap().effective = 1 << 1;
    assert!(check(&facts, "PIN-RUN-001").summary.contains("security module"));
    // But where the owner has no number in the own user namespace it counts for nothing.
    runtime_of(&mut facts).file = Some(SocketFile {
        mode: 0o660,
        uid: 65534,
        gid: 65534,
        open: false,
    });
    assert_eq!(
        check(&facts, "PIN-RUN-001").observed.unwrap()[0]["cause"],
        "user_namespace"
    );
    // Nobody is blamed where the file cannot be seen.
    runtime_of(&mut facts).file = None;
    let unclear = check(&facts, "PIN-RUN-001");
    assert!(unclear.summary.starts_with("no permission"));
    assert_eq!(unclear.observed.unwrap()[0].get("cause"), None);
    // A directory above it may be what is closed, to whoever may not pass its mode.
    runtime_of(&mut facts).closed = Some(Closed {
        path: "/run/containerd".into(),
        file: SocketFile {
            mode: 0o700,
            uid: 7,
            gid: 7,
            open: false,
        },
    });
    let cause = |facts: &Facts| check(facts, "PIN-RUN-001").observed.unwrap()[0]["cause"].clone();
    assert_eq!(cause(&facts), "lsm_denied");
    facts.process.value.as_mut().unwrap().effective = 0;
    assert_eq!(cause(&facts), "file_mode");
    assert!(
        check(&facts, "PIN-RUN-001")
            .summary
            .contains("the directory /run/containerd (7:7 0700)")
    );
}

#[test]
fn missing_capabilities_are_told_apart_by_their_cause() {
    let remedy = |facts: &Facts| {
        let remedy = check(facts, "PIN-CAP-001").remedy.unwrap();
        format!("{}\n{}", remedy.text, remedy.commands.join("\n"))
    };
    let mut facts = cold();
    let process = facts.process.value.as_mut().unwrap();
    process.permitted = 0;
    let ignored = remedy(&facts);
    assert!(
        ignored.contains("which the kernel ignored") && ignored.contains("findmnt"),
        "{ignored}"
    );
    facts.process.value.as_mut().unwrap().file = FileCapabilities::Absent;
    let bare = remedy(&facts);
    assert!(
        bare.contains("no file capabilities") && bare.contains("setcap"),
        "{bare}"
    );
    facts.place = Place::Host;
    assert!(remedy(&facts).contains("sudo setcap"));
    facts.place = Place::Kubernetes;
    facts.process.value.as_mut().unwrap().uid = 0;
    assert!(remedy(&facts).contains("taken from the permitted set of uid 0"));
    facts.process.value.as_mut().unwrap().bounding = 0;
    let withheld = remedy(&facts);
    assert!(
        withheld.contains("not in the bounding set") && withheld.contains("add: [BPF, PERFMON]"),
        "{withheld}"
    );
}

#[test]
fn a_low_limit_on_locked_memory_is_blamed_only_where_maps_count_against_it() {
    let mut facts = cold();
    let capture = facts.capture.value.as_mut().unwrap();
    capture.object = Err(refusal("create the maps", libc::EPERM));
    capture.memlock = Some(64 << 10);
    facts.kernel.value.as_mut().unwrap().release = "5.10.0-28-amd64".to_owned();
    let old = check(&facts, "PIN-RES-001").remedy.unwrap();
    assert!(old.text.contains("CAP_SYS_RESOURCE"), "{}", old.text);
    assert!(old.commands[0].contains("SYS_RESOURCE") && old.commands[2].contains("cap_sys_resource"));
    // Others are to be blamed where the limit does not count, or is none.
    facts.kernel.value.as_mut().unwrap().release = "5.11.0".to_owned();
    assert_eq!(check(&facts, "PIN-BPF-001").status, Status::Fail);
    facts.kernel.value.as_mut().unwrap().release = "5.10.0".to_owned();
    facts.capture.value.as_mut().unwrap().memlock = None;
    assert_eq!(check(&facts, "PIN-RES-001").status, Status::Ok);
    assert_eq!(check(&facts, "PIN-BPF-001").status, Status::Fail);
}

/// The words by which machines tell who refused.
#[test]
fn a_refusal_of_bpf_is_blamed_on_one() {
    let blamed = |harm: fn(&mut Facts)| {
        let mut facts = cold();
        harm(&mut facts);
        let found = examine(&facts).into_iter().filter(|check| check.status == Status::Fail);
        let causes: Vec<String> = found
            .filter_map(|check| Some(check.observed?["cause"].as_str()?.to_owned()))
            .collect();
        causes.join(" ")
    };
    assert_eq!(blamed(|_| {}), "");
    assert_eq!(
        blamed(|f| f.seccomp.value.as_mut().unwrap().unknown_command = BpfAnswer::Refused(libc::EPERM)),
        "seccomp_refused"
    );
    assert_eq!(
        blamed(|f| f.seccomp.value.as_mut().unwrap().unknown_command = BpfAnswer::Killed),
        "seccomp_refused"
    );
    assert_eq!(
        blamed(|f| {
            let probe = f.seccomp.value.as_mut().unwrap();
            (probe.unknown_command, probe.unprivileged_disabled) = (BpfAnswer::Refused(libc::ENOSYS), None);
        }),
        "kernel_lacks"
    );
    assert_eq!(
        blamed(|f| {
            let probe = f.seccomp.value.as_mut().unwrap();
            (probe.unknown_command, probe.capable) = (BpfAnswer::Refused(libc::EPERM), false);
        }),
        "capability_missing"
    );
    assert_eq!(
        blamed(|f| f.seccomp.value.as_mut().unwrap().map_create = Some(libc::EACCES)),
        "lsm_denied"
    );
    assert_eq!(
        blamed(|f| {
            f.capture.value.as_mut().unwrap().base = Err(refusal("load", libc::EINVAL));
            f.kernel.value.as_mut().unwrap().lockdown = LockdownFact::Absent;
        }),
        ""
    );
}

#[test]
fn the_doctors_own_rights_do_not_make_the_agents_runtimes_worse() {
    let mut facts = live();
    for harmless in [RuntimeClass::Permission, RuntimeClass::Absent, RuntimeClass::NotASocket] {
        class(&mut facts, harmless, None);
        assert_eq!(roots(&facts), [], "{harmless:?}");
    }
    class(&mut facts, RuntimeClass::Refused, Some(libc::ECONNREFUSED));
    assert_eq!(roots(&facts), [("PIN-RUN-001", Status::Fail)]);
}

#[test]
fn the_advised_mount_is_that_of_the_socket_in_question() {
    let mut facts = cold();
    let runtime = runtime_of(&mut facts);
    *runtime = absent("/run/k3s/containerd/containerd.sock");
    let commands = check(&facts, "PIN-RUN-001").remedy.unwrap().commands.join("\n");
    assert!(
        commands.contains("path: /run/k3s/containerd,") && !commands.contains("/run/crio"),
        "{commands}"
    );
}

#[test]
fn one_capability_stands_in_for_both() {
    let mut facts = cold();
    facts.process.value.as_mut().unwrap().permitted = 1 << 21;
    assert_eq!(check(&facts, "PIN-CAP-001").status, Status::Ok);
    assert_eq!(roots(&facts), [("PIN-CAP-002", Status::Warn)]);
}

#[test]
fn a_running_agent_is_better_evidence_than_the_doctors_own_privileges() {
    let mut facts = live();
    let process = facts.process.value.as_mut().unwrap();
    (process.permitted, process.bounding, process.uid, process.no_new_privs) = (0, 0, 1000, false);
    facts.capture.value.as_mut().unwrap().base = Err(refusal("load", libc::EPERM));
    facts.runtimes = Gathered::known(vec![absent(CONTAINERD)]);
    assert_eq!(roots(&facts), []);
}

#[test]
fn a_shell_on_a_host_is_not_judged_as_if_it_were_the_agent() {
    let mut facts = cold();
    facts.place = Place::Host;
    let process = facts.process.value.as_mut().unwrap();
    (process.uid, process.permitted, process.no_new_privs, process.seccomp) = (0, (1 << 41) - 1, false, 0);
    assert_eq!(roots(&facts), []);
    assert_eq!(check(&facts, "PIN-CAP-002").status, Status::Skipped);
}

#[test]
fn a_guess_contradicts_nobody_and_generic_fits_every_kubernetes() {
    let mut facts = cold();
    facts.profile.detected = Ok(Some("openshift".to_owned()));
    facts.profile.confidence = Confidence::Guess;
    assert_eq!(check(&facts, "PIN-PRF-001").status, Status::Ok);
    facts.profile.confidence = Confidence::Certain;
    facts.profile.name = "generic".to_owned();
    assert_eq!(check(&facts, "PIN-PRF-001").status, Status::Ok);
    facts.profile.detected = Ok(Some("standalone".to_owned()));
    assert_eq!(check(&facts, "PIN-PRF-001").status, Status::Warn);
}

/// CRI-O answers later than containerd, and its profile says so.
#[test]
fn the_thresholds_are_those_of_the_profile() {
    let mut facts = live();
    agent(&mut facts).second.lookups.as_mut().unwrap().p99_us = 400_000;
    assert_eq!(check(&facts, "PIN-META-002").status, Status::Warn);
    facts.profile.name = "openshift".to_owned();
    assert_eq!(check(&facts, "PIN-META-002").status, Status::Ok);
}

/// The doctor itself must not warn of what the profiles' manifests set.
#[test]
fn the_memory_limits_of_the_profiles_hold_the_kernel_side_and_the_agent() {
    for profile in profile::all().unwrap() {
        let settings = load(
            &Overrides {
                config: None,
                values: [("profile", vec![profile.name.to_owned()])].into(),
            },
            &Sources::default(),
        )
        .unwrap()
        .settings;
        let resources = &profile.platform.resources;
        let mebibytes = |text: &str| text.strip_suffix("Mi").unwrap().parse::<u64>().unwrap() << 20;
        for (cpus, limit) in [
            (4, &resources.memory_request),
            (resources.cpus, &resources.memory_limit),
        ] {
            let sizes = Sizes {
                cpus: cpus as usize,
                ring: u32::try_from(settings.capture.ring_size.as_u64()).unwrap(),
                processes: settings.capture.processes,
            };
            let mut facts = cold();
            facts.memory = Gathered::known(MemoryFacts {
                cpus: u64::from(cpus),
                per_cpu: 0,
                maps: Estimate::of(sizes).unwrap().maps,
                limit: Some(mebibytes(limit)),
            });
            let check = check(&facts, "PIN-BPF-003");
            assert_eq!(check.status, Status::Ok, "{}: {}", profile.name, check.summary);
        }
    }
}

#[test]
fn an_unknown_platform_is_no_fault() {
    let mut facts = cold();
    facts.profile.detected = Ok(None);
    assert_eq!(check(&facts, "PIN-PRF-001").status, Status::Skipped);
    facts.profile.declared = false;
    assert_eq!(check(&facts, "PIN-PRF-001").status, Status::Ok);
}

#[test]
fn the_advised_ring_fits_the_loss_and_has_a_limit() {
    let commands = |dropped_of_550: u64, ring: u64| {
        let mut facts = live();
        agent(&mut facts).second.ring_size = ring;
        dropped(&mut facts, dropped_of_550);
        check(&facts, "PIN-LOSS-001").remedy.unwrap().commands
    };
    assert_eq!(commands(10, 8 << 20), ["PINHOLE_CAPTURE_RING_SIZE=16MiB"]);
    assert_eq!(commands(2000, 8 << 20), ["PINHOLE_CAPTURE_RING_SIZE=64MiB"]);
    // 7 MiB and some of other maps, and 48 MiB for the agent.
    let largest = [
        "PINHOLE_CAPTURE_RING_SIZE=256MiB",
        "resources:\n  limits:\n    memory: 312Mi",
    ];
    assert_eq!(commands(u64::MAX / 4, 8 << 20), largest);
    assert_eq!(commands(10, 256 << 20)[0], "agent run --events process");
}

#[test]
fn drops_that_are_over_do_not_hide_drops_that_go_on() {
    let mut facts = live();
    // One in a million since the start, but half of what came in the last second.
    for (status, dropped) in [(0, 0), (1, 50)] {
        let agent = agent(&mut facts);
        let status = if status == 0 {
            &mut agent.first
        } else {
            &mut agent.second
        };
        let hook = status.hooks.get_mut("openat").unwrap();
        (hook.delivered, hook.seen) = (hook.delivered + 100_000_000, hook.seen + 100_000_000 + dropped);
        hook.dropped = dropped;
    }
    assert_eq!(roots(&facts), [("PIN-LOSS-001", Status::Fail)]);
}

#[test]
fn agents_of_another_version_do_not_break_the_doctor() {
    let mut facts = live();
    let agent = agent(&mut facts);
    agent.first = Default::default();
    agent.second = Default::default();
    agent.second.runtimes = status(1).runtimes;
    agent.second.runtimes[0].state = "a_word_of_the_future".to_owned();
    let found = check(&facts, "PIN-RUN-001");
    assert_eq!(found.status, Status::Fail);
    assert!(found.observed.unwrap().to_string().contains("a_word_of_the_future"));
    for id in ["PIN-CAP-002", "PIN-PRV-002", "PIN-LOSS-002", "PIN-BPF-002"] {
        assert_eq!(check(&facts, id).status, Status::Unknown, "{id}");
    }
}

#[test]
fn exit_codes_follow_the_worst_that_counts() {
    let code = |warn, fail, unknown, fail_on| {
        Counts {
            warn,
            fail,
            unknown,
            ..Counts::default()
        }
        .exit_code(fail_on)
    };
    assert_eq!(code(0, 0, 0, FailOn::Warn), 0);
    assert_eq!(code(1, 0, 0, FailOn::Fail), 0);
    assert_eq!(code(1, 0, 0, FailOn::Warn), 2);
    assert_eq!(code(0, 1, 1, FailOn::Fail), 2);
    assert_eq!(code(0, 0, 1, FailOn::Warn), 3);
    assert_eq!(code(1, 0, 1, FailOn::Fail), 3);
}

#[test]
fn a_judge_that_breaks_down_is_unknown() {
    let broken = Definition {
        judge: Some(|_| panic!("on purpose")),
        ..*find("PIN-CFG-001").unwrap()
    };
    let check = judge(&broken, &cold());
    assert_eq!((check.id.as_ref(), check.status), ("PIN-CFG-001", Status::Unknown));
    assert!(check.reason.is_some());
}

#[test]
fn ids_are_unique_well_formed_and_not_reused() {
    let mut seen = BTreeSet::new();
    for definition in checks() {
        assert!(seen.insert(definition.id), "{} twice", definition.id);
        assert!(!RETIRED.contains(&definition.id), "{} is retired", definition.id);
        let parts: Vec<&str> = definition.id.split('-').collect();
        assert!(
            matches!(parts[..], ["PIN", area, number]
                if area.chars().all(|c| c.is_ascii_uppercase()) && number.len() == 3 && number.parse::<u16>().is_ok()),
            "{}",
            definition.id
        );
        assert!(!definition.title.is_empty() && !definition.area.is_empty() && !definition.needs.is_empty());
    }
}

#[test]
fn dependencies_exist_and_have_no_cycle() {
    fn depth(id: &str, path: &mut Vec<String>) {
        assert!(!path.iter().any(|seen| seen == id), "cycle: {path:?} {id}");
        path.push(id.to_owned());
        for edge in find(id).unwrap_or_else(|| panic!("{id} does not exist")).depends_on {
            depth(edge.id(), path);
        }
        path.pop();
    }
    for definition in checks() {
        depth(definition.id, &mut Vec::new());
    }
}

#[test]
fn what_hangs_on_a_blocked_check_names_the_root() {
    let mut facts = cold();
    facts.kernel.value.as_mut().unwrap().btf = Err(OsError {
        errno: Some(libc::ENOENT),
        message: "gone".to_owned(),
    });
    facts.capture = Gathered::gap(Gap::Crashed);
    let follower = check(&facts, "PIN-BPF-002");
    assert_eq!(
        (follower.status, follower.blocked_by.as_deref()),
        (Status::Skipped, Some("PIN-BTF-001"))
    );
    assert_eq!(find("PIN-BPF-002").unwrap().depends_on[0], Edge::Needs("PIN-BPF-001"));
    // Folding again changes nothing.
    let mut again = examine(&facts);
    let before = again.clone();
    graph::fold(&checks().collect::<Vec<_>>(), &mut again);
    assert_eq!(before, again);
}

/// Every key of the value must be named by the schema, every required key must be there, types and words must fit.
fn fits(value: &Value, schema: &Value, root: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        return fits(value, target, root, at);
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{at}: {value} is not one of {words:?}");
    }
    match schema["type"].as_str() {
        None => {}
        Some("object") => {
            let object = value
                .as_object()
                .unwrap_or_else(|| panic!("{at}: {value} is not an object"));
            for required in schema["required"].as_array().into_iter().flatten() {
                assert!(
                    object.contains_key(required.as_str().unwrap()),
                    "{at}: lacks {required}"
                );
            }
            for (key, value) in object {
                let at = format!("{at}.{key}");
                let property = schema["properties"]
                    .get(key)
                    .or_else(|| schema.get("additionalProperties"))
                    .unwrap_or_else(|| panic!("{at} is not in the schema"));
                fits(value, property, root, &at);
            }
        }
        Some("array") => {
            for (index, value) in value
                .as_array()
                .unwrap_or_else(|| panic!("{at}: not an array"))
                .iter()
                .enumerate()
            {
                fits(value, &schema["items"], root, &format!("{at}[{index}]"));
            }
        }
        Some("string") => assert!(value.is_string(), "{at}: {value}"),
        Some("integer") => assert!(value.is_u64(), "{at}: {value}"),
        Some("number") => assert!(value.is_number(), "{at}: {value}"),
        Some("boolean") => assert!(value.is_boolean(), "{at}: {value}"),
        Some(other) => panic!("{at}: the schema uses the type {other}, which this test does not know"),
    }
}

fn no_null(value: &Value, at: &str) {
    match value {
        Value::Null => panic!("{at} is null: it should be absent"),
        Value::Array(items) => items.iter().for_each(|item| no_null(item, at)),
        Value::Object(map) => map
            .iter()
            .for_each(|(key, value)| no_null(value, &format!("{at}.{key}"))),
        _ => {}
    }
}

#[test]
fn every_report_fits_the_published_schema() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/doctor-report.schema.json")).unwrap();
    let fit = |report: &Report| {
        let value = serde_json::to_value(report).unwrap();
        fits(&value, &schema, &schema, "report");
        no_null(&value, "report");
    };
    fit(&report(
        &live(),
        "2026-01-02T03:04:05.678Z".to_owned(),
        Some("node-1".to_owned()),
    ));
    for case in grid::cases() {
        let mut facts = (case.start)();
        (case.harm)(&mut facts);
        fit(&report(&facts, "2026-01-02T03:04:05.678Z".to_owned(), None));
    }
    let mut tools = report(&live(), "2026-01-02T03:04:05.678Z".to_owned(), None);
    tools.confined = Some(Confined {
        in_force: false,
        why: Some("refused".to_owned()),
    });
    let earlier = r#"{"schema_version": 1, "time": "t", "agent": {"version": "v"}, "host": {"node": "n"}, "checks": [
        {"id": "PIN-KRN-001", "title": "t", "status": "fail"}, {"id": "PIN-OLD-001", "title": "t", "status": "warn"}]}"#;
    tools.changes = Some(baseline::changes(&tools, &Saved::parse(earlier.as_bytes()).unwrap()));
    tools.checks[0].suppressed = Some(Suppressed {
        reason: "r".to_owned(),
        until: "2027-01-01".to_owned(),
    });
    fit(&tools);
    let mut several = cold();
    several.runtimes = Gathered::known(vec![containerd(), containerd()]);
    fit(&report(&several, String::new(), None));
}

#[test]
fn a_host_outside_kubernetes_need_not_have_a_runtime() {
    let mut facts = cold();
    for runtime in facts.runtimes.value.as_mut().unwrap() {
        *runtime = absent(&runtime.socket.display().to_string());
    }
    facts.profile.name = "standalone".to_owned();
    facts.profile.detected = Ok(Some("standalone".to_owned()));
    facts.place = Place::Host;
    assert_eq!(roots(&facts), []);
    assert_eq!(check(&facts, "PIN-RUN-001").status, Status::Skipped);
    // Whoever names one wants it.
    runtime_of(&mut facts).origin = "configuration".to_owned();
    assert_eq!(roots(&facts), [("PIN-RUN-001", Status::Fail)]);
    runtime_of(&mut facts).origin = "containerd".to_owned();
    facts.profile.name = "generic".to_owned();
    facts.profile.detected = Ok(Some("generic".to_owned()));
    assert_eq!(roots(&facts), [("PIN-RUN-001", Status::Fail)]);
}

/// Outside Kubernetes a runtime has no pods, and several of them are nobody's fault.
#[test]
fn runtimes_outside_kubernetes_need_no_pods() {
    let mut facts = cold();
    (facts.profile.name, facts.profile.detected) = ("standalone".to_owned(), Ok(Some("standalone".to_owned())));
    facts.place = Place::Host;
    let runtimes = facts.runtimes.value.as_mut().unwrap();
    runtimes[1] = containerd();
    for runtime in runtimes {
        (runtime.own, runtime.pods) = (None, Some(0));
    }
    assert_eq!(roots(&facts), []);
}

/// Another runtime beside the kubelet's is nobody's fault either, wherever the doctor stands.
#[test]
fn a_second_runtime_without_pods_is_no_finding() {
    for place in [Place::Kubernetes, Place::Host] {
        let mut facts = cold();
        facts.place = place;
        let runtimes = facts.runtimes.value.as_mut().unwrap();
        runtimes[1] = RuntimeFact {
            socket: "/run/k3s/containerd/containerd.sock".into(),
            ..containerd()
        };
        (runtimes[0].own, runtimes[0].pods, runtimes[0].rank) = (None, Some(0), Some(Rank::Answers));
        if place == Place::Host {
            runtimes[1].own = None;
        }
        assert_eq!(roots(&facts), [], "{place:?}");
        assert!(check(&facts, "PIN-RUN-007").summary.contains("k3s"));
    }
}

#[test]
fn an_agent_that_tells_less_is_not_blamed_for_it() {
    let mut facts = live();
    let second = &mut agent(&mut facts).second;
    (second.window, second.lookups) = (None, None);
    second.metadata_fields.clear();
    (second.runtimes[0].now, second.runtimes[0].why) = (String::new(), String::new());
    assert_eq!(roots(&facts), []);
    assert_eq!(check(&facts, "PIN-META-004").status, Status::Skipped);
    assert_eq!(check(&facts, "PIN-META-005").status, Status::Skipped);
}

/// The agent tells what it holds to root and its own user; a doctor of another user is not the agent's fault.
#[test]
fn who_is_not_told_of_containers_has_no_finding() {
    for join in [
        JoinFact::Denied("for root and the agent's own user".to_owned()),
        JoinFact::Unlisted(Vec::new()),
    ] {
        let mut facts = live();
        facts.join = Gathered::known(join);
        assert_eq!(roots(&facts), []);
        let found = check(&facts, "PIN-META-003");
        assert!(found.status == Status::Skipped && found.reason.is_some());
    }
    // Nor need it know what it is set not to look for.
    let mut facts = live();
    let Ok(JoinFact::Joined(join)) = &mut facts.join.value else {
        panic!("no join")
    };
    join.known = 1;
    agent(&mut facts).second.settings.push(Setting {
        key: "runtime.prefetch".to_owned(),
        value: "false".to_owned(),
        ..Setting::default()
    });
    assert_eq!(roots(&facts), []);
}

/// One slow call among quick ones is the node's noise.
#[test]
fn one_slow_call_of_several_is_no_finding() {
    let mut facts = cold();
    runtime_of(&mut facts).calls = [3, 1900, 2].map(Duration::from_millis).into();
    assert_eq!(roots(&facts), []);
    let observed = check(&facts, "PIN-RUN-008").observed.unwrap();
    assert_eq!(
        (&observed[0]["usual_us"], &observed[0]["longest_us"]),
        (&json!(3000), &json!(1_900_000))
    );
}

/// Docker and podman need no CRI, and no word says that they have one.
#[test]
fn docker_is_asked_in_its_own_api() {
    let mut facts = cold();
    let runtime = runtime_of(&mut facts);
    (runtime.name, runtime.version) = (Some("docker".to_owned()), Some("20.10.24".to_owned()));
    (runtime.api, runtime.protocol) = (Some("engine".to_owned()), "http".to_owned());
    facts.runtimes.value.as_mut().unwrap().truncate(1);
    let check = check(&facts, "PIN-RUN-002");
    assert_eq!(check.status, Status::Ok);
    assert_eq!(check.summary, "docker 20.10.24, Docker Engine API");
}

/// A kernel that cannot do it, or not all of it, is no fault of anybody who deploys the agent.
#[test]
fn what_the_kernels_landlock_lacks_is_told_and_is_no_finding() {
    for (abi, restricted) in [(0, "none"), (4, "partial"), (9, "full")] {
        let mut facts = live();
        let landlock = agent(&mut facts).second.landlock.as_mut().unwrap();
        (landlock.abi, landlock.restricted) = (abi, restricted.to_owned());
        landlock.why = format!("why it is {restricted}");
        let finding = super::check::landlock::closes_off(&facts);
        assert_eq!(finding.status(), Status::Ok, "{finding:?}");
        assert!(
            format!("{finding:?}").contains(&format!("why it is {restricted}")),
            "{finding:?}"
        );
    }
}
