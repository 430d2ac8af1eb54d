use std::cell::Cell;
use std::os::unix::net::UnixListener;
use std::path::Path;

use containerd_client::services::v1::{Container as Record, GetContainerResponse, ListNamespacesResponse, Namespace};
use k8s_cri::v1::ContainerStatusResponse;
use prost::Message;
use tempfile::TempDir;
use tonic::Code;

use super::*;
use crate::container::outcome::Qos;
use crate::container::pacing::Breaker;
use crate::container::testing::{Answer, Behaviour, Fake, fixture, settings};

const FOLDER: &str = "containerd-1.6.20";
const CONTAINER_STATUS: &str = "/runtime.v1.RuntimeService/ContainerStatus";
const UNKNOWN: &str = "deadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

thread_local! {
    static AHEAD: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Real time, plus what a test has skipped.
fn clock() -> Instant {
    Instant::now() + AHEAD.get()
}

fn skip(time: Duration) {
    AHEAD.set(AHEAD.get() + time);
}

fn resolver(sockets: &[&Path]) -> Resolver {
    Resolver::with_clock(&settings(sockets), clock).unwrap()
}

fn path(id: &str) -> String {
    format!("/kubepods/burstable/pod11111111-2222-3333-4444-555555555555/{id}")
}

fn cut(path: &str) -> CgroupName<'_> {
    CgroupName {
        path,
        cut: true,
        unreadable: false,
    }
}

fn numbered(number: usize) -> String {
    path(&format!("{number:064x}"))
}

fn missing(outcome: &Outcome) -> Option<Reason> {
    assert_eq!(outcome.metadata.status, Status::Missing, "{outcome:?}");
    assert_eq!(outcome.metadata.source, Some(Source::Cgroup));
    outcome.metadata.reason
}

#[test]
fn a_container_is_looked_up_once() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    let id = fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    let mut resolver = resolver(&[fake.socket()]);
    let first = resolver.resolve(1, Some(&path(&id)));
    assert_eq!(first.metadata.status, Status::Complete);
    assert_eq!(first.metadata.source, Some(Source::Cri));
    assert!(first.metadata.lookup_us.is_some());
    assert_eq!(first.kubernetes.as_ref().unwrap().qos, Some(Qos::Burstable));
    let calls = fake.all_calls().len();
    for _ in 0..1000 {
        assert!(Arc::ptr_eq(&first, &resolver.resolve(1, None)));
    }
    // Another cgroup of the same container shares the answer.
    let nested = resolver.resolve(2, Some(&format!("{}/init.scope", path(&id))));
    assert!(Arc::ptr_eq(&first, &nested));
    assert_eq!(fake.all_calls().len(), calls);
    let stats = resolver.stats();
    assert_eq!((stats.count, stats.hits), (1, 1001));
    assert!(stats.p50_us > 0 && stats.p50_us <= stats.p99_us);
}

#[test]
fn the_host_and_the_unnamed() {
    let dir = TempDir::new().unwrap();
    let mut resolver = resolver(&[&dir.path().join("nothing")]);
    assert_eq!(*resolver.resolve(1, Some("/system.slice/ssh.service")), Outcome::host());
    assert_eq!(*resolver.resolve(1, None), Outcome::host());
    assert_eq!(*resolver.resolve(2, None), Outcome::cgroup_unknown(2));
    // It is not remembered as unnamed: the path may come with the next record.
    assert_eq!(*resolver.resolve(2, Some("/")), Outcome::host());
    assert_eq!(resolver.stats().count, 0);
}

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
        .map(|(fake, reason)| (fake.socket().to_owned(), *reason))
        .chain([stale]);
    for (socket, reason) in sockets {
        let mut resolver = resolver(&[&socket]);
        let started = Instant::now();
        let outcome = resolver.resolve(1, Some(&path(UNKNOWN)));
        let took = started.elapsed();
        assert_eq!(missing(&outcome), Some(reason), "{}", socket.display());
        // The budget is 1 s; the rest is the machine's.
        assert!(took < Duration::from_secs(2), "{}: {took:?}", socket.display());
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

/// Ids that nobody will ever know must not stop the pipeline: the waiting ends when patience does.
#[test]
fn unknown_ids_exhaust_the_patience_and_no_more() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    let mut resolver = resolver(&[fake.socket()]);
    let started = Instant::now();
    for number in 0..200 {
        let outcome = resolver.resolve(number as u64, Some(&numbered(number)));
        assert_eq!(missing(&outcome), Some(Reason::ContainerUnknown));
    }
    // Every one was asked for, and polls were made for the first few only.
    let calls = fake.calls("ContainerStatus");
    assert!((200..320).contains(&calls), "{calls} calls");
    // 2 s of patience, a quarter of the passing time on top, and the calls themselves.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
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

#[test]
fn a_miss_is_tried_again_with_growing_pauses() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    let id = fake.container(FOLDER, "web.app");
    fake.on(CONTAINER_STATUS, &id, Answer::Status(Code::Internal, "not now"));
    let mut resolver = resolver(&[fake.socket()]);
    let ask = |resolver: &mut Resolver| resolver.resolve(1, Some(&path(&id)));
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
    let partial = resolver.resolve(1, None);
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
    let outcome = resolver.resolve(3, Some(&numbered(3)));
    assert_eq!(missing(&outcome), Some(Reason::SocketRefused));
    assert!(
        outcome.metadata.lookup_us.unwrap() < 500_000,
        "waited again: {:?}",
        outcome.metadata
    );
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

/// Its directory too appears later, and the longest pause has begun: the change of the file ends it.
#[test]
fn a_runtime_whose_socket_appears_is_asked_at_once() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("run/containerd/socket");
    let mut resolver = resolver(&[&socket]);
    for number in 1..9 {
        resolver.resolve(number as u64, Some(&numbered(number)));
        skip(Duration::from_secs(5));
    }
    resolver.resolve(9, Some(&numbered(9)));
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let fake = Fake::recorded(&socket, FOLDER);
    let id = fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    assert_eq!(resolver.resolve(10, Some(&path(&id))).metadata.status, Status::Complete);
    assert!(resolver.socket_events().is_some());
}

/// The breaker of the one that hung is not the next one's.
#[test]
fn a_runtime_that_takes_the_place_of_a_hung_one_is_asked_at_once() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("socket");
    let hung = Fake::start(&socket, Behaviour::Silent);
    let mut resolver = resolver(&[&socket]);
    for number in 1..5 {
        resolver.resolve(number as u64, Some(&numbered(number)));
        skip(Duration::from_secs(30));
    }
    assert_eq!(
        missing(&resolver.resolve(5, Some(&numbered(5)))),
        Some(Reason::RuntimeTimeout)
    );
    drop(hung);
    std::fs::remove_file(&socket).unwrap();
    let fake = Fake::recorded(&socket, FOLDER);
    let id = fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    assert_eq!(resolver.resolve(6, Some(&path(&id))).metadata.status, Status::Complete);
}

#[test]
fn of_several_runtimes_the_one_that_knows_answers() {
    let dir = TempDir::new().unwrap();
    let containerd = Fake::recorded(&dir.path().join("a"), FOLDER);
    let crio = Fake::recorded(&dir.path().join("b"), "cri-o-1.36.3");
    let id = crio.container("cri-o-1.36.3", "web.app");
    crio.sandbox("cri-o-1.36.3", "web");
    let mut resolver = resolver(&[containerd.socket(), crio.socket(), &dir.path().join("absent")]);
    let named = format!("/kubepods/burstable/pod11111111-2222-3333-4444-555555555555/crio-{id}");
    let outcome = resolver.resolve(1, Some(&named));
    assert_eq!(outcome.container.as_ref().unwrap().runtime.as_deref(), Some("cri-o"));
    assert_eq!(
        containerd.calls("ContainerStatus"),
        0,
        "the cgroup's name said whom to ask"
    );
    // Asked by id alone, the last one that knew is asked first.
    assert_eq!(resolver.lookup_id(&id).metadata.status, Status::Complete);
    assert_eq!(containerd.calls("ContainerStatus"), 0);
}

/// The doctor asks by id alone; an event shares the answer.
#[test]
fn an_id_asked_by_itself_gets_its_class_from_the_runtime() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    let id = fake.container(FOLDER, "db.db");
    fake.sandbox(FOLDER, "db");
    let mut resolver = resolver(&[fake.socket()]);
    let outcome = resolver.lookup_id(&id);
    assert_eq!(outcome.metadata.status, Status::Complete);
    assert_eq!(outcome.kubernetes.as_ref().unwrap().qos, Some(Qos::Guaranteed));
    let short = resolver.lookup_id(&id[..12]);
    assert_eq!(missing(&short), Some(Reason::ContainerUnknown));
    let own = format!("/kubepods/pod44444444-aaaa-4bbb-8ccc-000000000004/{id}");
    assert!(Arc::ptr_eq(&outcome, &resolver.resolve(1, Some(&own))));
}

#[test]
fn caches_stay_within_their_size() {
    let dir = TempDir::new().unwrap();
    let mut settings = settings(&[&dir.path().join("nothing")]);
    settings.cache_size = 8;
    let mut resolver = Resolver::with_clock(&settings, clock).unwrap();
    for number in 0..100 {
        resolver.resolve(number as u64, Some(&numbered(number)));
    }
    assert_eq!((resolver.by_cgroup.len(), resolver.by_container.len()), (8, 8));
    settings.cache_size = 0;
    let mut resolver = Resolver::with_clock(&settings, clock).unwrap();
    assert_eq!(resolver.resolve(1, Some("/")).metadata.status, Status::Host);
}

fn record(id: &str, image: &str, labels: &[(&str, &str)]) -> Vec<u8> {
    let labels = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let record = Record {
        id: id.to_owned(),
        image: image.to_owned(),
        labels,
        ..Record::default()
    };
    GetContainerResponse {
        container: Some(record),
    }
    .encode_to_vec()
}

/// Docker's containerd serves no CRI, nerdctl's containers live in a namespace of their own.
#[test]
fn containerds_own_api_answers_where_cri_does_not() {
    let dir = TempDir::new().unwrap();
    let (named, bare) = ("a".repeat(64), "b".repeat(64));
    let names = ["default", "moby"].map(|name| Namespace {
        name: name.into(),
        ..Namespace::default()
    });
    let list = ListNamespacesResponse {
        namespaces: names.to_vec(),
    }
    .encode_to_vec();
    let add = |fake: &Fake| {
        fake.default(
            "/containerd.services.namespaces.v1.Namespaces/List",
            Answer::Message(list.clone()),
        );
        let get = "/containerd.services.containers.v1.Containers/Get";
        fake.default(get, Answer::Status(Code::NotFound, "not found"));
        // Kubernetes labels outside its namespace come from an image at best.
        let labels = [("nerdctl/name", "web"), ("io.kubernetes.pod.name", "spoofed")];
        let answer = record(&named, "docker.io/library/nginx:1.27", &labels);
        fake.on(get, &format!("default/{named}"), Answer::Message(answer));
        fake.on(get, &format!("moby/{bare}"), Answer::Message(record(&bare, "", &[])));
    };
    let without = Fake::start(&dir.path().join("without-cri"), Behaviour::Serve);
    let version = containerd_client::services::v1::VersionResponse {
        version: "1.7".into(),
        ..Default::default()
    };
    let version = Answer::Message(version.encode_to_vec());
    without.default("/containerd.services.version.v1.Version/Version", version);
    add(&without);
    let with = Fake::recorded(&dir.path().join("with-cri"), FOLDER);
    add(&with);
    for fake in [without, with] {
        let mut resolver = resolver(&[fake.socket()]);
        let outcome = resolver.resolve(1, Some(&format!("/default/{named}")));
        assert_eq!(
            (outcome.metadata.status, outcome.metadata.source),
            (Status::Complete, Some(Source::Containerd))
        );
        let container = outcome.container.as_ref().unwrap();
        assert_eq!(container.name.as_deref(), Some("web"));
        assert_eq!(container.image.as_ref().unwrap().tag.as_deref(), Some("1.27"));
        assert_eq!(outcome.kubernetes, None);
        let outcome = resolver.resolve(2, Some(&format!("/system.slice/docker-{bare}.scope")));
        assert_eq!(
            (outcome.metadata.status, outcome.metadata.reason),
            (Status::Partial, Some(Reason::ImageNameUnknown))
        );
        let outcome = resolver.lookup_id(UNKNOWN);
        assert_eq!(missing(&outcome), Some(Reason::ContainerUnknown));
    }
}

/// A node's runtime with a container `web.app`, and one `db.db` whose processes may make cgroups below their own.
fn with_a_suspect(dir: &TempDir) -> (Fake, String, String) {
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    let victim = fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    let suspect = fake.container(FOLDER, "db.db");
    fake.sandbox(FOLDER, "db");
    let suspect = format!("/kubepods/pod44444444-aaaa-4bbb-8ccc-000000000004/{suspect}");
    (fake, victim, suspect)
}

fn name(outcome: &Outcome) -> Option<&str> {
    assert_eq!(outcome.metadata.status, Status::Complete, "{outcome:?}");
    outcome.container.as_ref().unwrap().name.as_deref()
}

/// Names of cgroups are free for whoever may make them: nobody is shown as another container, in whatever order and
/// under whatever name it is tried.
#[test]
fn a_cgroup_named_after_another_container_is_seen_through() {
    for victim_first in [false, true] {
        let dir = TempDir::new().unwrap();
        let (fake, victim, suspect) = with_a_suspect(&dir);
        let mut resolver = resolver(&[fake.socket()]);
        if victim_first {
            assert_eq!(name(&resolver.resolve(99, Some(&path(&victim)))), Some("app"));
        }
        let unknown = "0".repeat(64);
        for (cgroup, imitation) in [
            format!("/cri-containerd-{victim}.scope"),
            format!("/{victim}"),
            format!("/{victim}/init.scope"),
            // The whole path of the other container, made anew below the own one.
            path(&victim),
            format!("/docker/{unknown}{}", path(&victim)),
            format!("/{unknown}/{unknown}/{unknown}/{unknown}/{unknown}/{victim}"),
        ]
        .into_iter()
        .enumerate()
        {
            let outcome = resolver.resolve(cgroup as u64, Some(&format!("{suspect}{imitation}")));
            assert_eq!(name(&outcome), Some("db"), "{imitation}");
            let kubernetes = outcome.kubernetes.as_ref().unwrap();
            assert_eq!(kubernetes.qos, Some(Qos::Guaranteed), "{imitation}");
            assert_eq!(kubernetes.pod.as_ref().unwrap().name.as_deref(), Some("db-0"));
        }
        // Nothing of it sticks to the container that was imitated.
        let outcome = resolver.resolve(100, Some(&path(&victim)));
        assert_eq!(name(&outcome), Some("app"));
        assert_eq!(outcome.kubernetes.as_ref().unwrap().qos, Some(Qos::Burstable));
    }
}

/// A runtime that does not say where a container is (a verbose answer too large to take) does not prove a name.
#[test]
fn a_name_that_cannot_be_checked_does_not_beat_a_known_container() {
    let dir = TempDir::new().unwrap();
    let (fake, victim, suspect) = with_a_suspect(&dir);
    let terse = fixture(FOLDER, "ContainerStatus-terse.web.app.bin");
    fake.on(CONTAINER_STATUS, &victim, Answer::Message(terse));
    let mut resolver = resolver(&[fake.socket()]);
    let outcome = resolver.resolve(1, Some(&format!("{suspect}{}", path(&victim))));
    assert_eq!(name(&outcome), Some("db"));
    // Where nothing speaks against it, it stands.
    let outcome = resolver.resolve(2, Some(&path(&victim)));
    assert_eq!(outcome.container.as_ref().unwrap().name.as_deref(), Some("app"));
}

/// An id that nobody knows sheds no identity: the container around it counts, at once and until the inner is known.
#[test]
fn below_a_known_container_an_unknown_id_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let (fake, _, suspect) = with_a_suspect(&dir);
    let mut resolver = resolver(&[fake.socket()]);
    let nested = format!("{suspect}/docker/{UNKNOWN}");
    let outcome = resolver.resolve(1, Some(&nested));
    assert_eq!(name(&outcome), Some("db"));
    let asked = |id: &str| fake.all_calls().iter().filter(|(_, key)| key == id).count();
    // Once as a container and once as a sandbox: nothing was waited for.
    assert_eq!(asked(UNKNOWN), 2);
    resolver.resolve(1, None);
    assert_eq!(asked(UNKNOWN), 2);
    skip(RETRY_FIRST);
    assert_eq!(name(&resolver.resolve(1, None)), Some("db"));
    assert_eq!(asked(UNKNOWN), 4);
    // Of a path that is not recorded whole, the container may be in the part that is missing.
    let deep = resolver.resolve_aged(2, Some(cut("/a/a/a")), || Duration::ZERO);
    assert_eq!(*deep, Outcome::cgroup_unknown(2));
}

#[test]
fn a_container_elsewhere_is_no_container_here() {
    let dir = TempDir::new().unwrap();
    let (fake, victim, suspect) = with_a_suspect(&dir);
    let mut resolver = resolver(&[fake.socket()]);
    let outcome = resolver.resolve(1, Some(&format!("/system.slice/cri-containerd-{victim}.scope")));
    assert_eq!(missing(&outcome), Some(Reason::CgroupMismatch));
    assert_eq!((&outcome.container, &outcome.kubernetes), (&None, &None));
    let deep = format!("{}{}", "/a".repeat(9), path(&victim));
    let outcome = resolver.resolve_aged(2, Some(cut(&deep)), || Duration::ZERO);
    assert_eq!(missing(&outcome), Some(Reason::CgroupUnknown));
    assert_eq!(outcome.container, None);
    // The container around cannot be asked for: then nobody knows.
    let outer = suspect.rsplit('/').next().unwrap();
    fake.on(CONTAINER_STATUS, outer, Answer::Status(Code::Internal, "not now"));
    let imitation = format!("{suspect}{}", path(&victim));
    let outcome = resolver.resolve(3, Some(&imitation));
    assert_eq!(missing(&outcome), Some(Reason::RuntimeError));
    assert_eq!(outcome.container, None);
    fake.container(FOLDER, "db.db");
    skip(RETRY_FIRST);
    assert_eq!(name(&resolver.resolve(3, None)), Some("db"));
}

/// A node that runs in a container: its runtime knows the pods' containers and not the node's.
#[test]
fn a_nested_node_is_no_imitation() {
    let dir = TempDir::new().unwrap();
    let (fake, inner, _) = with_a_suspect(&dir);
    let mut resolver = resolver(&[fake.socket()]);
    let outcome = resolver.resolve(1, Some(&format!("/docker/{UNKNOWN}{}", path(&inner))));
    assert_eq!(name(&outcome), Some("app"));
    assert_eq!(outcome.kubernetes.as_ref().unwrap().qos, Some(Qos::Burstable));
    let calls = fake.all_calls().len();
    skip(10 * RETRY_MOST);
    resolver.resolve(1, None);
    assert_eq!(fake.all_calls().len(), calls, "complete is for good");
    // Its own processes belong to the outer container, which only the host's runtime knows.
    let outcome = resolver.resolve(2, Some(&format!("/docker/{UNKNOWN}/system.slice/kubelet.service")));
    assert_eq!(missing(&outcome), Some(Reason::ContainerUnknown));
    assert_eq!(outcome.container.as_ref().unwrap().id, UNKNOWN);
    // Once unknown to this runtime it stays so, though it cannot be asked just now.
    fake.on(CONTAINER_STATUS, UNKNOWN, Answer::Status(Code::Internal, "not now"));
    skip(10 * RETRY_MOST);
    let outcome = resolver.resolve(3, Some(&format!("/docker/{UNKNOWN}{}/init.scope", path(&inner))));
    assert_eq!(name(&outcome), Some("app"));
}

/// Whoever makes a pod chooses its labels, and every event carries them.
#[test]
fn labels_do_not_swell_every_event() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    let id = fake.container(FOLDER, "web.app");
    let sandbox = fake.sandbox(FOLDER, "web");
    let whole = resolver(&[fake.socket()]).resolve(1, Some(&path(&id)));
    assert!(
        !serde_json::to_string(&whole.kubernetes)
            .unwrap()
            .contains("labels_truncated")
    );
    let bytes = fixture(FOLDER, "PodSandboxStatus.web.bin");
    let mut answer = k8s_cri::v1::PodSandboxStatusResponse::decode(bytes.as_slice()).unwrap();
    let status = answer.status.as_mut().unwrap();
    for number in 0..10_000 {
        status.labels.insert(format!("z{number:05}"), "v".repeat(63));
    }
    let method = "/runtime.v1.RuntimeService/PodSandboxStatus";
    fake.on(method, &sandbox, Answer::Message(answer.encode_to_vec()));
    let outcome = resolver(&[fake.socket()]).resolve(1, Some(&path(&id)));
    assert_eq!(outcome.metadata.status, Status::Complete);
    let pod = outcome.kubernetes.as_ref().unwrap().pod.as_ref().unwrap();
    assert_eq!((pod.labels.len(), pod.labels_truncated), (64, true));
    assert_eq!(pod.labels["app"], "web");
    let json = serde_json::to_value(pod).unwrap();
    assert_eq!(json["labels_truncated"], true);
}

#[test]
fn an_unreadable_name_is_told_apart_from_a_long_one() {
    let mut resolver = resolver(&[]);
    let unreadable = CgroupName {
        unreadable: true,
        ..cut("/")
    };
    let outcome = resolver.resolve_aged(3, Some(unreadable), || Duration::ZERO);
    assert_eq!(outcome.metadata.reason, Some(Reason::CgroupUnreadable));
    assert_eq!(outcome.metadata.cgroup_id, Some(3));
    let unknown = resolver.resolve_aged(4, Some(cut("/")), || Duration::ZERO);
    assert_eq!(unknown.metadata.reason, Some(Reason::CgroupUnknown));
    let host = resolver.resolve(5, Some("/"));
    assert_eq!(host.metadata.cgroup_id, None);
}
