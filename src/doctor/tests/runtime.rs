//! Runtimes, beyond the grid: whose view counts, and what is no finding.

use std::time::Duration;

use serde_json::json;

use super::super::facts::{Closed, Facts, Gathered, JoinFact, Place, RuntimeClass, RuntimeFact, SocketFile};
use super::super::fixture::{absent, agent, cold, containerd, live, status};
use super::super::grid::harm::{class, runtime_of};
use super::super::report::Status;
use super::{check, roots};
use crate::container::Rank;
use crate::control::api::Setting;

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
