//! What is looked up and forgotten without an event, and the pipeline's sleep.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use k8s_cri::v1;

use super::*;
use crate::container::removal::GRACE;

/// A runtime that may come to know an id which it does not know yet.
const CRIO: &str = "cri-o-1.36.3";
const LIST_CONTAINERS: &str = "/runtime.v1.RuntimeService/ListContainers";
const LIST_SANDBOXES: &str = "/runtime.v1.RuntimeService/ListPodSandbox";
const POD_SANDBOX_STATUS: &str = "/runtime.v1.RuntimeService/PodSandboxStatus";

pub(super) fn web(dir: &TempDir) -> (Fake, String) {
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    let id = fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    (fake, id)
}

/// The first event of a container whose cgroup was seen to appear costs neither a call nor a wait.
#[test]
fn what_was_prefetched_is_there_for_the_first_event() {
    let dir = TempDir::new().unwrap();
    let (fake, id) = web(&dir);
    let mut resolver = resolver(&[fake.socket()]);
    resolver.prefetch("/system.slice/ssh.service");
    assert_eq!(resolver.stats().in_flight, 0);
    resolver.prefetch(&path(&id));
    resolver.prefetch(&path(&id));
    settle(&mut resolver);
    let calls = fake.all_calls().len();
    let outcome = resolver.resolve(1, Some(&path(&id)));
    assert_eq!(outcome.metadata.status, Status::Complete);
    assert_eq!(outcome.kubernetes.as_ref().unwrap().qos, Some(Qos::Burstable));
    assert_eq!(fake.all_calls().len(), calls);
    let stats = resolver.stats();
    assert_eq!((stats.prefetched, stats.waited_us), (1, 0));
    assert_eq!((stats.first.known, stats.first.joined, stats.first.asked), (1, 0, 0));
    // Cgroups below a known container are its own affair.
    resolver.prefetch(&format!("{}/init.scope", path(&id)));
    resolver.prefetch(&format!("{}/docker/{UNKNOWN}", path(&id)));
    assert_eq!(resolver.stats().in_flight, 0);
}

/// CRI-O knows a container 30 to 180 ms after its cgroup; a busy node takes longer.
#[test]
fn what_is_unknown_at_first_is_asked_for_again() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), CRIO);
    fake.sandbox(CRIO, "web");
    let bytes = fixture(CRIO, "ContainerStatus.web.app.bin");
    let id = v1::ContainerStatusResponse::decode(bytes.as_slice())
        .unwrap()
        .status
        .unwrap()
        .id;
    let mut resolver = resolver(&[fake.socket()]);
    resolver.prefetch(&path(&format!("crio-{id}")));
    let unknown_until = Instant::now() + Duration::from_millis(300);
    settle_until(&mut resolver, |_| Instant::now() >= unknown_until);
    assert!(fake.calls("ContainerStatus") >= 2);
    assert_eq!(resolver.stats().in_flight, 1, "given up");
    fake.container(CRIO, "web.app");
    settle(&mut resolver);
    let outcome = resolver.resolve(1, Some(&path(&format!("crio-{id}"))));
    assert_eq!(outcome.metadata.status, Status::Complete);
    assert_eq!(resolver.stats().first.known, 1);
}

/// An id that stays unknown is given up, and not held against its first event.
#[test]
fn a_prefetch_in_vain_is_forgotten() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), CRIO);
    let mut resolver = resolver(&[fake.socket()]);
    resolver.prefetch(&path(UNKNOWN));
    settle(&mut resolver);
    let calls = fake.calls("ContainerStatus");
    assert!((4..20).contains(&calls), "{calls}");
    assert_eq!(resolver.stats().containers, 0);
    resolver.resolve(1, Some(&path(UNKNOWN)));
    assert!(fake.calls("ContainerStatus") > calls + 1, "the event waits for it");
}

/// An event joins the lookup that its cgroup has started, and hurries it.
#[test]
fn an_event_joins_a_prefetch() {
    let dir = TempDir::new().unwrap();
    let (fake, id) = web(&dir);
    let bytes = fixture(FOLDER, "ContainerStatus.web.app.bin");
    fake.on(CONTAINER_STATUS, &id, Answer::Late(Duration::from_millis(100), bytes));
    let mut resolver = resolver(&[fake.socket()]);
    resolver.prefetch(&path(&id));
    assert_eq!(resolver.resolve(1, Some(&path(&id))).metadata.status, Status::Complete);
    assert_eq!(fake.calls("ContainerStatus"), 1);
    let stats = resolver.stats();
    assert_eq!((stats.first.known, stats.first.joined, stats.first.asked), (0, 1, 0));
    assert!(stats.waited_us > 50_000);
}

#[test]
fn what_has_gone_is_forgotten_after_its_grace() {
    let dir = TempDir::new().unwrap();
    let (fake, id) = web(&dir);
    let mut resolver = resolver(&[fake.socket()]);
    resolver.resolve(1, Some(&path(&id)));
    let below = format!("{}/below", path(&id));
    resolver.resolve(2, Some(&below));
    assert_eq!((resolver.by_cgroup.len(), resolver.by_container.len()), (2, 1));
    // A level below the container's own says nothing of the container.
    resolver.removed(2, &below);
    skip(GRACE / 2);
    resolver.removed(1, &path(&id));
    resolver.turn();
    assert_eq!(
        resolver.resolve(2, None).metadata.status,
        Status::Complete,
        "late events"
    );
    skip(GRACE / 2);
    resolver.turn();
    assert_eq!((resolver.by_cgroup.len(), resolver.by_container.len()), (1, 1));
    skip(GRACE / 2);
    resolver.turn();
    assert_eq!((resolver.by_cgroup.len(), resolver.by_container.len()), (0, 0));
    assert_eq!(resolver.stats().evicted, 1);
    // Whoever bears its name elsewhere takes nothing with it.
    resolver.resolve(1, Some(&path(&id)));
    resolver.removed(3, &format!("/system.slice/cri-containerd-{id}.scope"));
    skip(GRACE);
    resolver.turn();
    assert_eq!((resolver.by_cgroup.len(), resolver.by_container.len()), (1, 1));
}

/// A runtime with this many running containers of one pod.
fn crowd(fake: &Fake, containers: usize) -> Vec<String> {
    let bytes = fixture(FOLDER, "ContainerStatus.web.app.bin");
    let answer = v1::ContainerStatusResponse::decode(bytes.as_slice()).unwrap();
    let sandbox = fake.sandbox(FOLDER, "web");
    let ids: Vec<String> = (0..containers).map(|number| format!("{number:064x}")).collect();
    let mut list = v1::ListContainersResponse::default();
    for id in &ids {
        let mut answer = answer.clone();
        answer.status.as_mut().unwrap().id.clone_from(id);
        fake.on(CONTAINER_STATUS, id, Answer::Message(answer.encode_to_vec()));
        list.containers.push(v1::Container {
            id: id.clone(),
            state: v1::ContainerState::ContainerRunning.into(),
            ..v1::Container::default()
        });
    }
    list.containers.push(v1::Container {
        id: UNKNOWN.to_owned(),
        state: v1::ContainerState::ContainerExited.into(),
        ..v1::Container::default()
    });
    fake.default(LIST_CONTAINERS, Answer::Message(list.encode_to_vec()));
    let list = v1::ListPodSandboxResponse {
        items: vec![v1::PodSandbox {
            id: sandbox,
            state: v1::PodSandboxState::SandboxReady.into(),
            ..v1::PodSandbox::default()
        }],
    };
    fake.default(LIST_SANDBOXES, Answer::Message(list.encode_to_vec()));
    ids
}

#[test]
fn what_was_there_before_is_looked_up_at_the_start() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    let ids = crowd(&fake, 500);
    let mut settings = settings(&[fake.socket()]);
    settings.cache_size = 4096;
    let mut resolver = Resolver::with_clock(&settings, clock).unwrap();
    let started = Instant::now();
    resolver.inventory();
    settle_until(&mut resolver, |resolver| resolver.stats().count == 501);
    let took = started.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    // One exited container was not asked for, the sandbox of the pod once for all and once for itself.
    assert_eq!(fake.calls("ContainerStatus"), 501);
    assert!(
        fake.calls(POD_SANDBOX_STATUS) <= 2,
        "{}",
        fake.calls(POD_SANDBOX_STATUS)
    );
    let calls = fake.all_calls().len();
    for id in &ids {
        let outcome = resolver.lookup_id(id);
        assert_eq!(outcome.metadata.status, Status::Complete);
        assert_eq!(outcome.container.as_ref().map(|container| &container.id), Some(id));
    }
    assert_eq!(fake.all_calls().len(), calls);
    let stats = resolver.stats();
    assert_eq!((stats.inventoried, stats.first.known, stats.waited_us), (501, 500, 0));
    // It is not listed twice; the first look counts its pods besides.
    resolver.inventory();
    settle(&mut resolver);
    assert_eq!((fake.calls("ListContainers"), fake.calls("ListPodSandbox")), (1, 2));
}

/// A runtime that starts after the agent is listed when it is first met.
#[test]
fn what_a_late_runtime_has_is_looked_up_too() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("socket");
    let mut resolver = resolver(&[&socket]);
    resolver.inventory();
    settle(&mut resolver);
    let fake = Fake::recorded(&socket, FOLDER);
    crowd(&fake, 20);
    skip(Duration::from_secs(1));
    resolver.prefetch(&path(UNKNOWN));
    settle(&mut resolver);
    settle_until(&mut resolver, |resolver| resolver.stats().inventoried == 21);
    settle(&mut resolver);
    assert_eq!(resolver.stats().containers, 21);
}

/// Sockets that accept and say nothing are looked at side by side, and the one that answers is not kept waiting.
#[test]
fn hung_sockets_cost_the_start_one_budget() {
    let dir = TempDir::new().unwrap();
    let hung: Vec<Fake> = (0..8)
        .map(|number| Fake::start(&dir.path().join(format!("hung-{number}")), Behaviour::Silent))
        .collect();
    let (fake, id) = web(&dir);
    let sockets: Vec<&Path> = hung.iter().map(Fake::socket).chain([fake.socket()]).collect();
    let settings = crate::config::settings::Runtime {
        call_timeout: Duration::from_secs(5),
        lookup_budget: Duration::from_millis(300),
        ..settings(&sockets)
    };
    let started = Instant::now();
    let mut resolver = Resolver::with_clock(&settings, clock).unwrap();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    let started = Instant::now();
    assert_eq!(resolver.resolve(1, Some(&path(&id))).metadata.status, Status::Complete);
    assert!(
        started.elapsed() < Duration::from_millis(500),
        "{:?}",
        started.elapsed()
    );
}

/// A runtime that takes longer to say its name than the start may take is used as soon as it has.
#[test]
fn a_first_look_goes_on_in_the_background() {
    let dir = TempDir::new().unwrap();
    let (fake, id) = web(&dir);
    let version = Answer::Late(Duration::from_millis(400), fixture(FOLDER, "Version.bin"));
    fake.default("/runtime.v1.RuntimeService/Version", version);
    let settings = crate::config::settings::Runtime {
        call_timeout: Duration::from_secs(5),
        lookup_budget: Duration::from_millis(100),
        ..settings(&[fake.socket()])
    };
    let mut resolver = Resolver::with_clock(&settings, clock).unwrap();
    assert_eq!(resolver.runtimes()[0].state.as_str(), "timeout");
    settle_until(&mut resolver, |resolver| {
        resolver.runtimes()[0].state.as_str() == "answers"
    });
    assert_eq!(resolver.resolve(1, Some(&path(&id))).metadata.status, Status::Complete);
}

/// The sleep ends for what was readable before it and for what becomes so, with a lookup under way and without.
#[test]
fn the_sleep_ends_when_there_is_something_to_read() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    fake.default(CONTAINER_STATUS, Answer::Never);
    let mut resolver = resolver(&[fake.socket()]);
    let (mut near, far) = UnixStream::pair().unwrap();
    for busy in [false, true] {
        if busy {
            resolver.prefetch(&path(UNKNOWN));
        }
        assert!(!resolver.wait(&[far.as_fd()], Duration::ZERO).unwrap());
        assert!(!resolver.wait(&[far.as_fd()], Duration::from_millis(20)).unwrap());
        near.write_all(b"x").unwrap();
        // Nobody reads it: it is there at each sleep.
        for _ in 0..3 {
            let started = Instant::now();
            assert!(resolver.wait(&[far.as_fd()], Duration::from_secs(20)).unwrap());
            assert!(started.elapsed() < Duration::from_secs(10));
        }
        std::io::Read::read_exact(&mut &far, &mut [0]).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                near.write_all(b"x").unwrap();
            });
            assert!(resolver.wait(&[far.as_fd()], Duration::from_secs(20)).unwrap());
        });
        std::io::Read::read_exact(&mut &far, &mut [0]).unwrap();
        assert_eq!(resolver.stats().in_flight, u64::from(busy));
    }
}
