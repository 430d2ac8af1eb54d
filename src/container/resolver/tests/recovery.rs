//! Runtimes that come back: what failed without them is asked for again at once.

use super::*;
use crate::container::entry::RETRY_MOST;
use crate::container::pacing::Breaker;

const VERSION: &str = "/runtime.v1.RuntimeService/Version";

/// Makes the runtime hang as a whole.
fn hang(fake: &Fake, id: &str) {
    for method in [CONTAINER_STATUS, VERSION] {
        fake.default(method, Answer::Never);
    }
    fake.on(CONTAINER_STATUS, id, Answer::Never);
}

fn answer_again(fake: &Fake) {
    fake.default(VERSION, Answer::Message(fixture(FOLDER, "Version.bin")));
    fake.container(FOLDER, "web.app");
}

/// Neither the pauses of the container nor those of the circuit are waited for.
#[test]
fn a_runtime_that_hung_is_asked_as_soon_as_it_answers() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    let id = fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    let mut resolver = resolver(&[fake.socket()]);
    hang(&fake, &id);
    for number in 0..Breaker::FAILURES {
        settled(&mut resolver, u64::from(number), Some(&numbered(number as usize)));
    }
    let outcome = settled(&mut resolver, 100, Some(&path(&id)));
    assert_eq!(missing(&outcome), Some(Reason::CircuitOpen));
    // The runtime is seen to hang before it answers again.
    settle_until(&mut resolver, |_| fake.calls("RuntimeService/Version") >= 3);
    answer_again(&fake);
    let answers = Instant::now();
    while resolver.resolve(100, None).metadata.status != Status::Complete {
        assert!(answers.elapsed() < Breaker::COOLDOWN, "{:?}", resolver.stats());
        resolver.wait(&[], Duration::from_millis(5)).unwrap();
        resolver.turn();
    }
}

/// That a runtime tells its version proves nothing of the calls that hang: these are left alone as ever.
#[test]
fn a_runtime_of_which_some_calls_hang_is_left_alone() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    fake.default(CONTAINER_STATUS, Answer::Never);
    let mut resolver = resolver(&[fake.socket()]);
    for number in 0..10 {
        settled(&mut resolver, number as u64, Some(&numbered(number)));
    }
    settle_until(&mut resolver, |_| fake.calls("RuntimeService/Version") >= 2);
    let outcome = settled(&mut resolver, 100, Some(&numbered(100)));
    assert_eq!(missing(&outcome), Some(Reason::CircuitOpen));
    assert_eq!(fake.calls("ContainerStatus"), Breaker::FAILURES as usize);
}

#[test]
fn what_was_missing_without_a_socket_is_asked_for_when_it_is_back() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("socket");
    let mut resolver = resolver(&[&socket]);
    let id = {
        let fake = Fake::recorded(&dir.path().join("other"), FOLDER);
        fake.container(FOLDER, "web.app")
    };
    // Often enough for the longest pause.
    for _ in 0..10 {
        let outcome = settled(&mut resolver, 1, Some(&path(&id)));
        assert_eq!(missing(&outcome), Some(Reason::NoRuntimeSocket));
        skip(RETRY_MOST);
    }
    settled(&mut resolver, 1, None);
    let fake = Fake::recorded(&socket, FOLDER);
    fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    settle_until(&mut resolver, |resolver| {
        resolver.runtimes()[0].state.as_str() == "answers"
    });
    assert_eq!(name(&resolver.resolve(1, None)), Some("app"));
}

fn lists(fake: &Fake) {
    for list in ["ListContainers", "ListPodSandbox"] {
        let answer = Answer::Message(fixture(FOLDER, &format!("{list}.bin")));
        fake.default(&format!("/runtime.v1.RuntimeService/{list}"), answer);
    }
}

/// What started while the runtime was away is known before its next event.
#[test]
fn a_runtime_that_comes_back_is_asked_for_what_it_has() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("socket");
    let mut resolver = resolver(&[&socket]);
    resolver.inventory();
    let fake = Fake::recorded(&socket, FOLDER);
    lists(&fake);
    let id = fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    settle_until(&mut resolver, |resolver| resolver.by_container.contains(&id));
    drop(fake);
    std::fs::remove_file(&socket).unwrap();
    resolver.by_container.clear();
    let outcome = settled(&mut resolver, 1, Some(&path(&id)));
    assert_eq!(outcome.metadata.status, Status::Missing, "{outcome:?}");
    let fake = Fake::recorded(&socket, FOLDER);
    lists(&fake);
    fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    settle_until(&mut resolver, |resolver| {
        let entry = resolver.by_container.peek(&id);
        entry.is_some_and(|entry| entry.outcome.metadata.status == Status::Complete)
    });
}
