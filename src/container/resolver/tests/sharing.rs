//! Who asks, who waits how long, and who shares the answer.

use k8s_cri::v1::ContainerStatusResponse;

use super::*;

/// Ids that nobody will ever know must not stop the pipeline: the waiting ends when patience does.
#[test]
fn unknown_ids_exhaust_the_patience_and_no_more() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), "cri-o-1.36.3");
    let mut resolver = resolver(&[fake.socket()]);
    let started = Instant::now();
    for number in 0..200 {
        let outcome = resolver.resolve(number as u64, Some(&numbered(number)));
        let reason = missing(&outcome).unwrap();
        assert!(
            [Reason::ContainerUnknown, Reason::LookupPending].contains(&reason),
            "{reason:?}"
        );
    }
    // 2 s of patience, and a quarter of the passing time on top.
    let took = started.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    let stats = resolver.stats();
    assert!(stats.waited_us <= 2_000_000 + 1_000_000, "{stats:?}");
    assert!(stats.longest_wait_us < 1_500_000, "{stats:?}");
    // Every one is asked for, as often as one that is waited for, and no longer than an event may wait.
    settle(&mut resolver);
    let calls = fake.calls("ContainerStatus");
    assert!((200..200 * 12).contains(&calls), "{calls} calls");
    let last = resolver.resolve(199, None);
    assert_eq!(missing(&last), Some(Reason::ContainerUnknown));
}

/// CRI-O answers NotFound while it makes a container: the event waits for it.
#[test]
fn a_container_that_is_still_being_made_is_waited_for() {
    let dir = TempDir::new().unwrap();
    let folder = "cri-o-1.36.3";
    let fake = Fake::recorded(&dir.path().join("socket"), folder);
    fake.sandbox(folder, "web");
    let bytes = fixture(folder, "ContainerStatus.web.app.bin");
    let id = ContainerStatusResponse::decode(bytes.as_slice())
        .unwrap()
        .status
        .unwrap()
        .id;
    let mut resolver = resolver(&[fake.socket()]);
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            // The record appears once the resolver has asked in vain for the second time.
            let end = Instant::now() + Duration::from_secs(5);
            while fake.calls("ContainerStatus") < 2 && Instant::now() < end {
                std::thread::yield_now();
            }
            fake.on(CONTAINER_STATUS, &id, Answer::Message(bytes));
        });
        resolver.resolve(1, Some(&path(&format!("crio-{id}"))))
    });
    assert_eq!(outcome.metadata.status, Status::Complete, "{:?}", outcome.metadata);
    assert!(fake.calls("ContainerStatus") >= 3);
}

/// A runtime whose answer is late by `delay`, and the path of its container.
fn late(dir: &TempDir, delay: Duration) -> (Fake, String) {
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    let id = fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    let bytes = fixture(FOLDER, "ContainerStatus.web.app.bin");
    fake.on(CONTAINER_STATUS, &id, Answer::Late(delay, bytes));
    (fake, path(&id))
}

/// Settings under which an event waits 100 ms at most, and a call may take far longer.
fn impatient(sockets: &[&Path]) -> crate::config::settings::Runtime {
    crate::config::settings::Runtime {
        call_timeout: Duration::from_secs(10),
        lookup_budget: Duration::from_millis(100),
        ..settings(sockets)
    }
}

/// A runtime that takes longer than an event may wait ends up in the cache all the same.
#[test]
fn a_late_answer_is_there_for_the_next_event() {
    let dir = TempDir::new().unwrap();
    let (fake, path) = late(&dir, Duration::from_millis(800));
    let mut resolver = Resolver::with_clock(&impatient(&[fake.socket()]), clock).unwrap();
    let first = resolver.resolve(1, Some(&path));
    assert_eq!(missing(&first), Some(Reason::LookupPending));
    assert_eq!(resolver.stats().in_flight, 1);
    settle(&mut resolver);
    // The cgroup was told about before: no path is needed, nothing is asked and nothing is waited for.
    let (calls, waited) = (fake.all_calls().len(), resolver.stats().waited_us);
    assert_eq!(resolver.resolve(1, None).metadata.status, Status::Complete);
    assert_eq!((fake.all_calls().len(), resolver.stats().waited_us), (calls, waited));
    assert_eq!(fake.calls("ContainerStatus"), 1);
}

/// Every event of a container asks for the same lookup, and together they wait for it once.
#[test]
fn a_lookup_is_shared() {
    let dir = TempDir::new().unwrap();
    let (fake, path) = late(&dir, Duration::from_millis(800));
    let mut resolver = Resolver::with_clock(&impatient(&[fake.socket()]), clock).unwrap();
    for cgroup in 0..50 {
        let outcome = resolver.resolve(cgroup, Some(&format!("{path}/{cgroup}")));
        assert_eq!(missing(&outcome), Some(Reason::LookupPending));
    }
    let stats = resolver.stats();
    assert_eq!((stats.in_flight, stats.first.asked, stats.first.joined), (1, 1, 0));
    settle(&mut resolver);
    for cgroup in 0..50 {
        assert_eq!(resolver.resolve(cgroup, None).metadata.status, Status::Complete);
    }
    assert_eq!((fake.calls("ContainerStatus"), resolver.stats().count), (1, 1));
    // The budget is 100 ms for all of them; the rest is the machine's.
    let stats = resolver.stats();
    assert!(stats.waited_us < 400_000, "{stats:?}");
    assert!(stats.longest_wait_us >= 100_000, "{stats:?}");
}

/// Waiting for any number of containers takes no more than the share of the time, and what is in the bucket.
#[test]
fn all_events_together_wait_for_their_share() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    fake.default(CONTAINER_STATUS, Answer::Never);
    let settings = impatient(&[fake.socket()]);
    let mut resolver = Resolver::with_clock(&settings, clock).unwrap();
    let started = Instant::now();
    for number in 0..40 {
        let outcome = resolver.resolve(number as u64, Some(&numbered(number)));
        assert_eq!(missing(&outcome), Some(Reason::LookupPending));
    }
    let took = started.elapsed();
    let stats = resolver.stats();
    let share = settings.wait_share.of(took) + 2 * settings.lookup_budget;
    // Each wait may end a little late.
    let allowed = share + Duration::from_millis(100);
    assert!(
        u128::from(stats.waited_us) <= allowed.as_micros(),
        "{stats:?} in {took:?}"
    );
    assert_eq!(stats.in_flight, 40);
    // Without a share nobody waits at all.
    let never = crate::config::settings::Runtime {
        wait_share: crate::config::Share::default(),
        ..settings
    };
    let mut resolver = Resolver::with_clock(&never, clock).unwrap();
    resolver.resolve(1, Some(&numbered(1)));
    assert_eq!(resolver.stats().waited_us, 0);
}

/// A backlog is no reason to wait, nor to ask nobody: old events wait briefly.
#[test]
fn an_old_event_waits_briefly() {
    let dir = TempDir::new().unwrap();
    let (fake, path) = late(&dir, Duration::from_secs(5));
    let mut resolver = resolver(&[fake.socket()]);
    let name = CgroupName::whole(&path);
    let outcome = resolver.resolve_aged(1, Some(name), || Duration::from_secs(3600));
    assert_eq!(missing(&outcome), Some(Reason::LookupPending));
    let stats = resolver.stats();
    assert!((40_000..400_000).contains(&stats.longest_wait_us), "{stats:?}");
}

/// What is known only in part is told while it is looked up again.
#[test]
fn an_expired_entry_is_renewed_beside_the_pipeline() {
    let dir = TempDir::new().unwrap();
    let (fake, path) = late(&dir, Duration::ZERO);
    let sandbox = "/runtime.v1.RuntimeService/PodSandboxStatus";
    let whole = fake.sandbox(FOLDER, "web");
    fake.on(sandbox, &whole, Answer::Status(Code::Internal, "not now"));
    let mut resolver = resolver(&[fake.socket()]);
    assert_eq!(resolver.resolve(1, Some(&path)).metadata.status, Status::Partial);
    let bytes = fixture(FOLDER, "PodSandboxStatus.web.bin");
    fake.on(sandbox, &whole, Answer::Late(Duration::from_millis(300), bytes));
    skip(crate::container::entry::RETRY_FIRST);
    let before = resolver.stats().waited_us;
    assert_eq!(resolver.resolve(1, None).metadata.status, Status::Partial);
    let waited = resolver.stats().waited_us - before;
    assert!(waited < 250_000, "waited {waited} µs");
    settle(&mut resolver);
    assert_eq!(resolver.resolve(1, None).metadata.status, Status::Complete);
}
