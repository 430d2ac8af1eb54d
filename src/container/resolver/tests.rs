use std::cell::Cell;
use std::path::{Path, PathBuf};

use containerd_client::services::v1::{Container as Record, GetContainerResponse, ListNamespacesResponse, Namespace};
use prost::Message;
use tempfile::TempDir;
use tonic::Code;

use super::*;
use crate::container::outcome::{Qos, Reason, Source, Status};
use crate::container::testing::{Answer, Behaviour, Fake, fixture, settings};

mod appearing;
mod background;
mod faults;
mod floods;
mod held;
mod naming;
mod recovery;
mod sharing;

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

/// Lets lookups go on until none is under way.
fn settle(resolver: &mut Resolver) {
    settle_until(resolver, |resolver| resolver.stats().in_flight == 0);
}

fn settle_until(resolver: &mut Resolver, done: impl Fn(&Resolver) -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    resolver.turn();
    while !done(resolver) {
        assert!(Instant::now() < end, "{:?}", resolver.stats());
        resolver.wait(&[], Duration::from_millis(5)).unwrap();
        resolver.turn();
    }
}

/// The outcome once every lookup for it has ended.
fn settled(resolver: &mut Resolver, cgroup_id: u64, path: Option<&str>) -> Arc<Outcome> {
    resolver.resolve(cgroup_id, path);
    settle(resolver);
    resolver.resolve(cgroup_id, path)
}

fn name(outcome: &Outcome) -> Option<&str> {
    assert_eq!(outcome.metadata.status, Status::Complete, "{outcome:?}");
    outcome.container.as_ref().unwrap().name.as_deref()
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
    // Nothing is known of any of them, and of such ids there is room for the least.
    assert_eq!((resolver.by_cgroup.len(), resolver.by_container.len()), (8, 16));
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
