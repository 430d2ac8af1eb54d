use crate::config::settings::Settings;
use k8s_cri::v1;
use prost::Message;
use tempfile::TempDir;

use super::*;
use crate::container::Reason;
use crate::container::testing::{Answer, Fake, fixture, settings};
use std::time::Duration;

const FOLDER: &str = "containerd-1.6.20";
const PODS: &str = "/runtime.v1.RuntimeService/ListPodSandbox";

fn pods(count: usize) -> Answer {
    let items = vec![v1::PodSandbox::default(); count];
    Answer::Message(v1::ListPodSandboxResponse { items }.encode_to_vec())
}

fn gathered(fake: &Fake, own: &[String]) -> (State, Evidence) {
    let timeout = settings(&[]).call_timeout;
    let connection = Connection::new(fake.socket().to_owned(), timeout, Instant::now);
    let event_loop = crate::container::resolver::event_loop().unwrap();
    event_loop.block_on(super::super::examine(&connection, own, timeout))
}

#[test]
fn the_own_container_and_the_own_sandbox_are_found() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    fake.default(PODS, pods(3));
    let container = fake.container(FOLDER, "web.app");
    let sandbox = fake.sandbox(FOLDER, "web");
    let stranger = "0".repeat(64);
    for own in [&container, &sandbox] {
        let (state, evidence) = gathered(&fake, &[stranger.clone(), own.clone()]);
        assert_eq!(evidence.own.as_ref(), Some(own));
        assert_eq!(evidence.pods, Some(3));
        assert_eq!(Rank::of(&state, &evidence), Rank::OwnContainer);
        assert_eq!(
            evidence.describe(),
            format!("knows this container ({}), 3 pods", &own[..12])
        );
    }
    let (state, evidence) = gathered(&fake, &[stranger]);
    assert_eq!(evidence.own, None);
    assert_eq!(Rank::of(&state, &evidence), Rank::Pods);
}

#[test]
fn only_ready_pods_are_asked_for() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    fake.default(PODS, pods(0));
    let (state, evidence) = gathered(&fake, &[]);
    assert_eq!((evidence.pods, Rank::of(&state, &evidence)), (Some(0), Rank::Answers));
    assert_eq!(fake.calls("ListPodSandbox"), 1);
    assert_eq!(fake.calls("ContainerStatus"), 0, "no id, no question");
    assert_eq!(evidence.describe(), "no pods when it was first asked");
}

#[test]
fn a_runtime_that_does_not_say_what_it_runs_still_answers() {
    let dir = TempDir::new().unwrap();
    for answer in [
        Answer::Status(tonic::Code::Unknown, "not now"),
        Answer::Never,
        Answer::Message(vec![0xff; 9]),
    ] {
        let socket = dir.path().join("socket");
        let _ = std::fs::remove_file(&socket);
        let fake = Fake::recorded(&socket, FOLDER);
        fake.default(PODS, answer);
        let (state, evidence) = gathered(&fake, &[]);
        assert_eq!(evidence, Evidence::default());
        assert_eq!(Rank::of(&state, &evidence), Rank::Answers);
    }
}

#[test]
fn a_runtime_that_answers_for_another_id_is_not_proven() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    let asked = "1".repeat(64);
    let answer = fixture(FOLDER, "ContainerStatus.web.app.bin");
    fake.on(
        "/runtime.v1.RuntimeService/ContainerStatus",
        &asked,
        Answer::Message(answer),
    );
    assert_eq!(gathered(&fake, &[asked]).1.own, None);
}

#[test]
fn ranks_are_ordered_as_the_evidence_weighs() {
    let error = || "x".to_owned();
    let answers = State::Answers {
        name: "containerd".into(),
        version: "1".into(),
        api: cri::Api::V1,
    };
    let evidence = |own: Option<&str>, pods| Evidence {
        own: own.map(str::to_owned),
        pods,
    };
    let none = Evidence::default();
    let ranks = [
        Rank::of(&State::Absent { error: error() }, &none),
        Rank::of(&State::Permission { error: error() }, &none),
        Rank::of(&State::Failing { error: error() }, &none),
        Rank::of(&answers, &evidence(None, Some(0))),
        Rank::of(&answers, &evidence(None, Some(1))),
        Rank::of(&answers, &evidence(Some("id"), Some(0))),
    ];
    assert!(ranks.is_sorted_by(|a, b| a < b), "{ranks:?}");
    for rank in Rank::ALL {
        assert_eq!(Rank::from_word(rank.as_str()), Some(rank));
    }
    let own = State::CriUnimplemented {
        containerd: Some("1".into()),
    };
    assert_eq!(Rank::of(&own, &evidence(Some("id"), None)), Rank::OwnContainer);
    // Evidence of an earlier time does not lift a socket that cannot be used now.
    assert_eq!(Rank::of(&State::Timeout, &evidence(Some("id"), Some(9))), Rank::Accepts);
}

/// k3s runs a containerd of its own; Docker's answers at the usual path, and has no pods.
#[test]
fn of_two_containerds_the_one_with_the_pods_is_asked_first() {
    let dir = TempDir::new().unwrap();
    let docker = Fake::recorded(&dir.path().join("docker"), FOLDER);
    docker.default(PODS, pods(0));
    let k3s = Fake::recorded(&dir.path().join("k3s"), FOLDER);
    k3s.default(PODS, pods(2));
    let id = k3s.container(FOLDER, "web.app");
    k3s.sandbox(FOLDER, "web");
    let mut resolver = crate::container::Resolver::new(
        &settings(&[docker.socket(), k3s.socket()]),
        &Settings::default().metadata,
    )
    .unwrap();
    let ranks: Vec<Rank> = resolver
        .runtimes()
        .iter()
        .map(crate::container::Candidate::rank)
        .collect();
    assert_eq!(ranks, [Rank::Answers, Rank::Pods]);
    assert_eq!(resolver.lookup_id(&id).metadata.reason, None);
    assert_eq!((docker.calls("ContainerStatus"), k3s.calls("ContainerStatus")), (0, 1));
    // All stay usable: what only the other has is found there.
    let other = docker.container(FOLDER, "db.db");
    docker.sandbox(FOLDER, "db");
    assert_eq!(resolver.lookup_id(&other).metadata.reason, None);
    assert_eq!(
        resolver.lookup_id(&"2".repeat(64)).metadata.reason,
        Some(Reason::ContainerUnknown)
    );
}

#[test]
fn after_a_restart_it_is_gathered_again_and_not_for_each_lookup() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("socket");
    let fake = Fake::recorded(&socket, FOLDER);
    fake.default(PODS, pods(0));
    let mut resolver = crate::container::Resolver::new(&settings(&[&socket]), &Settings::default().metadata).unwrap();
    for digit in ["1", "2", "3"] {
        resolver.lookup_id(&digit.repeat(64));
    }
    assert_eq!(fake.calls("ListPodSandbox"), 1);
    drop(fake);
    std::fs::remove_file(&socket).unwrap();
    let fake = Fake::recorded(&socket, FOLDER);
    fake.default(PODS, pods(5));
    let id = fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    let begun = Instant::now();
    assert_eq!(resolver.lookup_id(&id).metadata.reason, None);
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(fake.calls("ListPodSandbox"), 1);
    assert_eq!(resolver.runtimes()[0].evidence.pods, Some(5));
}
