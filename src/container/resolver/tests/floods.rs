//! Cgroups by the thousand: whoever may make them chooses their number and their names.

use k8s_cri::v1;

use super::background::web;
use super::naming::with_a_suspect;
use super::*;
use crate::container::removal::GRACE;

thread_local! {
    static STOPPED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// A clock that stands still but for what a test skips.
fn stopped() -> Instant {
    let start = STOPPED.get().unwrap_or_else(|| {
        STOPPED.set(Some(Instant::now()));
        clock()
    });
    start + AHEAD.get()
}

fn resolver_of(fake: &Fake, cache_size: u32) -> Resolver {
    let mut settings = settings(&[fake.socket()]);
    settings.cache_size = cache_size;
    Resolver::with_clock(&settings, stopped).unwrap()
}

/// Cgroups that appear by the thousand are looked up as far as a node may have containers, and then one by one.
#[test]
fn appearing_cgroups_are_looked_up_up_to_a_rate() {
    let dir = TempDir::new().unwrap();
    let (fake, id) = web(&dir);
    let mut resolver = resolver_of(&fake, 4096);
    (0..5000).for_each(|number| resolver.prefetch(&numbered(number)));
    let stats = resolver.stats();
    assert_eq!(
        (stats.in_flight, stats.prefetched, stats.overflowed),
        (1024, 1024, 3976)
    );
    skip(Duration::from_secs(1));
    (5000..6000).for_each(|number| resolver.prefetch(&numbered(number)));
    assert_eq!(resolver.stats().prefetched, 1024 + 25);
    // An event passes all of them.
    let started = Instant::now();
    assert_eq!(resolver.resolve(1, Some(&path(&id))).metadata.status, Status::Complete);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

/// Ids that a container makes up below its own cgroup cost the runtime few calls, the pipeline little time, and nobody
/// their place in the cache.
#[test]
fn made_up_ids_below_a_container_are_asked_for_up_to_a_rate() {
    let dir = TempDir::new().unwrap();
    let (fake, victim, suspect) = with_a_suspect(&dir);
    let mut resolver = resolver_of(&fake, 16);
    assert_eq!(name(&resolver.resolve(0, Some(&path(&victim)))), Some("app"));
    assert_eq!(name(&resolver.resolve(1, Some(&suspect))), Some("db"));
    let before = fake.calls("ContainerStatus");
    for number in 0..1000_u64 {
        let outcome = resolver.resolve(100 + number, Some(&format!("{suspect}/{number:064x}")));
        assert_eq!(name(&outcome), Some("db"));
    }
    assert_eq!(fake.calls("ContainerStatus") - before, 64);
    // What was held off is asked for once there is room.
    skip(Duration::from_secs(1));
    assert_eq!(name(&resolver.resolve(1099, None)), Some("db"));
    assert_eq!(fake.calls("ContainerStatus") - before, 65);
    // The container that was there before needs no new call.
    resolver.resolve(2000, Some(&format!("{}/init.scope", path(&victim))));
    assert_eq!(fake.calls("ContainerStatus") - before, 65);
}

/// Ids that nobody knows push out no container, wherever they stand.
#[test]
fn unknown_ids_push_out_no_container() {
    let dir = TempDir::new().unwrap();
    let (fake, id) = web(&dir);
    let mut resolver = resolver_of(&fake, 16);
    resolver.resolve(0, Some(&path(&id)));
    (1..200).for_each(|number| {
        resolver.resolve(number, Some(&numbered(usize::try_from(number).unwrap())));
    });
    let calls = fake.all_calls().len();
    assert_eq!(
        resolver.resolve(500, Some(&path(&id))).metadata.status,
        Status::Complete
    );
    assert_eq!(fake.all_calls().len(), calls);
}

/// A cgroup in somebody's container that is named as another container's, path and all, takes nothing with it.
#[test]
fn the_end_of_an_imitation_forgets_nobody() {
    let dir = TempDir::new().unwrap();
    let (fake, victim, suspect) = with_a_suspect(&dir);
    let mut resolver = resolver_of(&fake, 16);
    resolver.resolve(0, Some(&path(&victim)));
    resolver.resolve(1, Some(&suspect));
    let imitation = format!("{suspect}{}", path(&victim));
    resolver.resolve(2, Some(&imitation));
    resolver.removed(2, &imitation);
    skip(GRACE);
    resolver.turn();
    assert_eq!(resolver.stats().evicted, 0);
    assert!(resolver.by_container.is_told(&victim) && !resolver.by_cgroup.contains(&2));
    // The container's own end still counts, in a nested node as well.
    resolver.removed(0, &format!("/docker/{UNKNOWN}{}", path(&victim)));
    skip(GRACE);
    resolver.turn();
    assert_eq!(
        (resolver.stats().evicted, resolver.by_container.is_told(&victim)),
        (1, false)
    );
}

/// Cgroups that nobody has met come and go without a trace: they shorten nobody's grace.
#[test]
fn removed_strangers_push_out_nothing_that_waits() {
    let dir = TempDir::new().unwrap();
    let (fake, id) = web(&dir);
    let mut resolver = resolver_of(&fake, 16);
    resolver.resolve(1, Some(&path(&id)));
    resolver.removed(1, &path(&id));
    (10..10_000).for_each(|number| resolver.removed(number, &numbered(usize::try_from(number).unwrap())));
    assert!(resolver.by_cgroup.contains(&1) && resolver.by_container.is_told(&id));
    skip(GRACE);
    resolver.turn();
    assert!(!resolver.by_cgroup.contains(&1) && resolver.by_container.len() == 0);
    assert!(resolver.removals.is_empty());
}

/// Answers that are large because of an environment are taken, one at a time, and nobody is lost over it.
#[test]
fn large_answers_are_taken_one_at_a_time() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    fake.sandbox(FOLDER, "web");
    let bytes = fixture(FOLDER, "ContainerStatus.web.app.bin");
    let mut answer = v1::ContainerStatusResponse::decode(bytes.as_slice()).unwrap();
    answer.info.insert("padding".to_owned(), "x".repeat(3 << 20));
    let ids: Vec<String> = (0..4).map(|number| format!("{number:064x}")).collect();
    for id in &ids {
        answer.status.as_mut().unwrap().id.clone_from(id);
        fake.on(CONTAINER_STATUS, id, Answer::Message(answer.encode_to_vec()));
    }
    let mut resolver = resolver_of(&fake, 64);
    let outcome = resolver.lookup_id(&ids[0]);
    assert_eq!(outcome.metadata.status, Status::Complete);
    assert_eq!(fake.calls("ContainerStatus"), 2, "for less, and for all of it");
    ids.iter().for_each(|id| resolver.prefetch(&path(id)));
    settle(&mut resolver);
    assert!(ids.iter().all(|id| resolver.by_container.is_told(id)));
}
