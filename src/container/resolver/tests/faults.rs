//! Runtimes that are absent, broken, slow, hung or restarted.

use std::os::unix::net::UnixListener;

use k8s_cri::v1::ContainerStatusResponse;

use super::*;
use crate::container::entry::{RETRY_FIRST, RETRY_MOST};
use crate::container::pacing::Breaker;

#[test]
fn without_a_runtime_the_path_still_tells_what_it_can() {
    let dir = TempDir::new().unwrap();
    let mut resolver = resolver(&[&dir.path().join("nothing")]);
    let outcome = resolver.resolve(1, Some(&path(UNKNOWN)));
    assert_eq!(missing(&outcome), Some(Reason::NoRuntimeSocket));
    assert_eq!(outcome.container.as_ref().unwrap().id, UNKNOWN);
    let kubernetes = outcome.kubernetes.as_ref().unwrap();
    assert_eq!(kubernetes.qos, Some(Qos::Burstable));
    let uid = kubernetes.pod.as_ref().unwrap().uid.as_deref();
    assert_eq!(uid, Some("11111111-2222-3333-4444-555555555555"));
    // Nothing was waited for: an absent socket that never answered is no runtime that starts.
    assert!(outcome.metadata.lookup_us.unwrap() < 100_000);
}

#[test]
fn each_fault_has_its_reason_within_the_budget() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    let served = |name: &str, answer: Answer| {
        let fake = Fake::recorded(&at(name), FOLDER);
        fake.default(CONTAINER_STATUS, answer);
        fake
    };
    drop(UnixListener::bind(at("stale")).unwrap());
    let bytes = fixture(FOLDER, "ContainerStatus.web.app.bin");
    let mut huge = ContainerStatusResponse::default();
    huge.info.insert("info".into(), "x".repeat(17 << 20));
    let fakes = [
        (Fake::start(&at("silent"), Behaviour::Silent), Reason::RuntimeTimeout),
        (
            Fake::start(&at("garbage"), Behaviour::Garbage(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
            Reason::SocketProtocol,
        ),
        (Fake::start(&at("no-cri"), Behaviour::Serve), Reason::CriUnimplemented),
        (served("never", Answer::Never), Reason::RuntimeTimeout),
        (
            served("late", Answer::Late(Duration::from_secs(30), bytes.clone())),
            Reason::RuntimeTimeout,
        ),
        (served("another-id", Answer::Message(bytes)), Reason::AnswerUnusable),
        (
            served("undecodable", Answer::Message(vec![0xff; 64])),
            Reason::AnswerUnusable,
        ),
        (served("empty", Answer::Message(Vec::new())), Reason::AnswerUnusable),
        (
            served("huge", Answer::Message(huge.encode_to_vec())),
            Reason::AnswerUnusable,
        ),
        (
            served("error", Answer::Status(Code::Internal, "broken")),
            Reason::RuntimeError,
        ),
        (
            served("unknown", Answer::Status(Code::NotFound, "no such container")),
            Reason::ContainerUnknown,
        ),
    ];
    let stale = (at("stale"), Reason::SocketRefused);
    let sockets = fakes
        .iter()
        .map(|(fake, reason)| -> (PathBuf, Reason) { (fake.socket().to_owned(), *reason) })
        .chain([stale]);
    for (socket, reason) in sockets {
        let mut settings = settings(&[&socket]);
        if socket.ends_with("huge") {
            // The fake's 17 MiB take a busy machine longer than what a runtime is given.
            (settings.lookup_budget, settings.call_timeout) = (Duration::from_secs(10), Duration::from_secs(10));
        }
        let mut resolver = Resolver::with_clock(&settings, clock).unwrap();
        let started = Instant::now();
        let outcome = resolver.resolve(1, Some(&path(UNKNOWN)));
        let took = started.elapsed();
        assert_eq!(missing(&outcome), Some(reason), "{}", socket.display());
        // The rest is the machine's.
        let most = settings.lookup_budget + Duration::from_secs(1);
        assert!(took < most, "{}: {took:?}", socket.display());
    }
}

#[test]
fn a_slow_answer_within_the_deadline_is_taken() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    let id = fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    let bytes = fixture(FOLDER, "ContainerStatus.web.app.bin");
    fake.on(CONTAINER_STATUS, &id, Answer::Late(Duration::from_millis(100), bytes));
    let outcome = resolver(&[fake.socket()]).resolve(1, Some(&path(&id)));
    assert_eq!(outcome.metadata.status, Status::Complete);
    assert!(outcome.metadata.lookup_us.unwrap() >= 100_000);
}

/// A thousand containers meet a runtime that has stopped answering: three calls, then nobody is asked any more.
#[test]
fn a_hung_runtime_costs_a_bounded_time_once() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    fake.default(CONTAINER_STATUS, Answer::Never);
    let mut resolver = resolver(&[fake.socket()]);
    for number in 0..1000 {
        let reason = missing(&resolver.resolve(number as u64, Some(&numbered(number))));
        let expected = if number < Breaker::FAILURES as usize {
            Reason::RuntimeTimeout
        } else {
            Reason::CircuitOpen
        };
        assert_eq!(reason, Some(expected), "{number}");
    }
    assert_eq!(fake.calls("ContainerStatus"), Breaker::FAILURES as usize);

    // After the cool-down one trial is made, and one only.
    skip(Breaker::COOLDOWN);
    for number in 1000..1100 {
        resolver.resolve(number as u64, Some(&numbered(number)));
    }
    assert_eq!(fake.calls("ContainerStatus"), Breaker::FAILURES as usize + 1);

    // Once it answers again, so does the resolver, for old and new containers.
    let id = fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    skip(Duration::from_secs(60));
    assert_eq!(
        resolver.resolve(5000, Some(&path(&id))).metadata.status,
        Status::Complete
    );
}

/// One that never answered is not even called: its state is known.
#[test]
fn a_runtime_that_hangs_from_the_start_is_called_once() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::start(&dir.path().join("socket"), Behaviour::Silent);
    let mut resolver = resolver(&[fake.socket()]);
    for number in 0..1000 {
        let outcome = resolver.resolve(number as u64, Some(&numbered(number)));
        assert_eq!(missing(&outcome), Some(Reason::RuntimeTimeout));
    }
    assert_eq!(fake.connections(), 1);
}

#[test]
fn a_miss_is_tried_again_with_growing_pauses() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    let id = fake.container(FOLDER, "web.app");
    fake.on(CONTAINER_STATUS, &id, Answer::Status(Code::Internal, "not now"));
    let mut resolver = resolver(&[fake.socket()]);
    let ask = |resolver: &mut Resolver| settled(resolver, 1, Some(&path(&id)));
    ask(&mut resolver);
    ask(&mut resolver);
    assert_eq!(fake.calls("ContainerStatus"), 1, "remembered");
    skip(RETRY_FIRST);
    ask(&mut resolver);
    assert_eq!(fake.calls("ContainerStatus"), 2);
    skip(RETRY_FIRST);
    ask(&mut resolver);
    assert_eq!(fake.calls("ContainerStatus"), 2, "the second pause is longer");
    skip(RETRY_FIRST);
    // Known by now, though not its sandbox; and no path is needed for a cgroup that was seen.
    fake.container(FOLDER, "web.app");
    let partial = settled(&mut resolver, 1, None);
    assert_eq!(
        (partial.metadata.status, partial.metadata.reason),
        (Status::Partial, Some(Reason::SandboxUnknown))
    );
    // A failed retry does not lose what is known.
    fake.on(CONTAINER_STATUS, &id, Answer::Status(Code::Internal, "not now"));
    skip(RETRY_MOST);
    assert_eq!(ask(&mut resolver).metadata.status, Status::Partial);
    fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    skip(RETRY_MOST);
    assert_eq!(ask(&mut resolver).metadata.status, Status::Complete);
    let calls = fake.all_calls().len();
    skip(10 * RETRY_MOST);
    ask(&mut resolver);
    assert_eq!(fake.all_calls().len(), calls, "complete is for good");
}

#[test]
fn a_restarted_runtime_is_found_again() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("socket");
    let fake = Fake::recorded(&socket, FOLDER);
    let first = fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    let mut resolver = resolver(&[&socket]);
    assert_eq!(
        resolver.resolve(1, Some(&path(&first))).metadata.status,
        Status::Complete
    );
    drop(fake);
    std::fs::remove_file(&socket).unwrap();
    let fake = Fake::recorded(&socket, FOLDER);
    let second = fake.container(FOLDER, "db.db");
    fake.sandbox(FOLDER, "db");
    let second = format!("/kubepods/pod44444444-aaaa-4bbb-8ccc-000000000004/{second}");
    assert_eq!(resolver.resolve(2, Some(&second)).metadata.status, Status::Complete);
    assert_eq!(resolver.runtimes()[0].state.as_str(), "answers");
}

/// While it restarts, its socket refuses or is gone: the first event waits, and meets it when it is back.
#[test]
fn a_runtime_that_restarts_is_waited_for_once() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("socket");
    let fake = Fake::recorded(&socket, FOLDER);
    let id = fake.container(FOLDER, "web.app");
    let mut resolver = resolver(&[&socket]);
    assert_eq!(
        resolver.resolve(1, Some(&numbered(1))).metadata.reason,
        Some(Reason::ContainerUnknown)
    );
    drop(fake);
    skip(Duration::from_secs(60));
    // Nobody comes back: one budget is waited, and no second one.
    assert_eq!(
        missing(&resolver.resolve(2, Some(&numbered(2)))),
        Some(Reason::SocketRefused)
    );
    let started = Instant::now();
    let outcome = resolver.resolve(3, Some(&numbered(3)));
    assert_eq!(missing(&outcome), Some(Reason::SocketRefused));
    let took = started.elapsed();
    assert!(took < Duration::from_millis(500), "waited again: {took:?}");
    std::fs::remove_file(&socket).unwrap();
    let fake = Fake::recorded(&socket, FOLDER);
    fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    skip(Duration::from_secs(60));
    assert_eq!(resolver.resolve(4, Some(&path(&id))).metadata.status, Status::Complete);
}

#[test]
fn a_runtime_that_appears_later_is_found() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("socket");
    let mut resolver = resolver(&[&socket]);
    assert_eq!(
        missing(&resolver.resolve(1, Some(&numbered(1)))),
        Some(Reason::NoRuntimeSocket)
    );
    let fake = Fake::recorded(&socket, FOLDER);
    let id = fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    assert_eq!(
        resolver.runtimes()[0].state.as_str(),
        "absent",
        "not looked at for every event"
    );
    skip(Duration::from_secs(1));
    assert_eq!(resolver.resolve(2, Some(&path(&id))).metadata.status, Status::Complete);
    assert_eq!(resolver.runtimes()[0].state.as_str(), "answers");
}
