//! What the containerd of Docker 20.10 said of Docker's containers, replayed on a real socket.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::container::cgroup::claims;
use crate::container::completeness::judge;
use crate::container::outcome::Status;
use crate::container::placement::{Fit, fit};
use crate::container::resolver::event_loop;
use crate::container::testing::{Answer, Behaviour, Fake, fixture};

const FOLDER: &str = "docker-20.10.24";
/// Those of which a record was kept.
const RECORDED: [&str; 3] = ["web", "app", "by-id"];

struct Replay {
    fake: Fake,
    ids: BTreeMap<String, String>,
    _place: tempfile::TempDir,
}

impl Replay {
    fn start() -> Self {
        let place = tempfile::tempdir().unwrap();
        let fake = Fake::start(&place.path().join("s"), Behaviour::Serve);
        let message = |file: &str| Answer::Message(fixture(FOLDER, file));
        fake.default(VERSION, message("containerd.Version.bin"));
        fake.default(LIST_NAMESPACES, message("containerd.Namespaces.bin"));
        fake.default(LIST_CONTAINERS, message("containerd.Containers.bin"));
        let unknown = Answer::Status(tonic::Code::NotFound, "container: not found");
        fake.default(GET_CONTAINER, unknown);
        let ids: BTreeMap<String, String> = serde_json::from_slice(&fixture(FOLDER, "ids.json")).unwrap();
        for name in RECORDED {
            let record = message(&format!("containerd.Containers.{name}.bin"));
            fake.on(GET_CONTAINER, &format!("moby/{}", ids[name]), record);
        }
        Self {
            fake,
            ids,
            _place: place,
        }
    }

    fn ask<T>(&self, ask: impl AsyncFnOnce(&Connection, Instant) -> Result<T, CallError>) -> Result<T, CallError> {
        let connection = Connection::new(self.fake.socket().to_owned(), Duration::from_secs(20), Instant::now);
        let deadline = Instant::now() + Duration::from_secs(30);
        event_loop().unwrap().block_on(ask(&connection, deadline))
    }

    fn found(&self, name: &str) -> Found {
        let id = &self.ids[name];
        let found = self.ask(async |connection, deadline| lookup(connection, id, deadline).await);
        found.unwrap().expect(name)
    }
}

#[test]
fn dockers_records_tell_the_place_and_neither_name_nor_image() {
    let replay = Replay::start();
    for name in RECORDED {
        let found = replay.found(name);
        assert!(found.is_dockers_record());
        assert_eq!(found.container.id, replay.ids[name]);
        assert_eq!(found.container.runtime_namespace.as_deref(), Some("moby"));
        assert_eq!(found.container.name, None);
        assert_eq!(found.container.image, None);
        // Nor is a pod believed: Docker does not hand its labels down, and anybody could have written them.
        assert_eq!(found.kubernetes, None);
        let verdict = judge(&found.container, None, found.gap);
        assert_eq!(verdict, (Status::Partial, Some(Reason::ImageNameUnknown)), "{name}");
        // The environment is in the record.
        assert!(!format!("{found:?}").contains("not-a-real-password"), "{name}");
    }
    let record = fixture(FOLDER, "containerd.Containers.web.bin");
    assert!(String::from_utf8_lossy(&record).contains("not-a-real-password"));
}

#[test]
fn the_place_is_where_the_kernel_has_it() {
    let replay = Replay::start();
    for name in RECORDED {
        let text = String::from_utf8(fixture(FOLDER, &format!("cgroup.{name}.txt"))).unwrap();
        let path = text.lines().find_map(|line| line.split_once(":memory:")).unwrap().1;
        let claims = claims(path, false);
        let claim = &claims.containers[0];
        let found = replay.found(name);
        let told = found.cgroups_path.as_deref();
        assert_eq!(fit(&claim.cgroup, told), Fit::Exact, "{name} {path} {told:?}");
    }
}

#[test]
fn those_that_run_are_listed_by_namespace() {
    let replay = Replay::start();
    let listed = replay
        .ask(async |connection, deadline| list(connection, &[KUBERNETES], deadline).await)
        .unwrap();
    let mut listed: Vec<String> = listed.into_iter().map(|listed| listed.id).collect();
    listed.sort();
    // `privileged` could not be started where this was recorded.
    let expected = replay.ids.iter().filter(|(name, _)| *name != "privileged");
    let mut expected: Vec<String> = expected.map(|(_, id)| id.clone()).collect();
    expected.sort();
    assert_eq!(listed, expected);
    let none = replay.ask(async |connection, deadline| list(connection, &["moby"], deadline).await);
    assert_eq!(none.unwrap(), []);
    let version = replay.ask(async |connection, deadline| version(connection, deadline).await);
    assert!(version.unwrap().starts_with("1.6.20"));
}

#[test]
fn one_that_it_does_not_know_is_unknown() {
    let replay = Replay::start();
    let id = &replay.ids["privileged"];
    let found = replay.ask(async |connection, deadline| lookup(connection, id, deadline).await);
    assert_eq!(found.unwrap(), None);
}
