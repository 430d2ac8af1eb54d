//! The recorded answers of Docker 20.10 and podman 4.3, replayed on a real socket. What is expected was written down from
//! the commands with which the containers were made.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::settings::Settings;
use crate::container::http::fake::{Answer, FakeDaemon, recorded};
use crate::container::outcome::{Image, Qos, Reason, Source, Status};
use crate::container::placement::{Fit, fit};
use crate::container::selection::Selection;
use crate::container::{bounds, completeness};

const DOCKER: &str = "docker-20.10.24";
const PODMAN: &str = "podman-4.3.1";
const WEB: &str = "127.0.0.1:5000/shop/web:2.7.1";
const WEB_DIGEST: &str = "sha256:f15a3a68fa2641a3da360cb9f51b4543f3f48a814a2040cb661b44ab31572889";
const WEB_ID: &str = "sha256:12b4c032b1e0c83c5210ea9ff512f475e06a25e72c4c1f23261bc4874d167111";
const SIDECAR_DIGEST: &str = "sha256:6174c5972dd91006a3f2dc9309deac930cba1505e39796afa57bb868898a0b44";
const POD_UID: &str = "11111111-2222-3333-4444-555555555555";

/// A daemon with one folder's recordings, and a client for it.
struct Replay {
    folder: &'static str,
    kind: Kind,
    ids: BTreeMap<String, String>,
    daemon: FakeDaemon,
    client: HttpClient,
    _place: tempfile::TempDir,
}

impl Replay {
    fn of(folder: &'static str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let daemon = FakeDaemon::start(&place.path().join("s"));
        let kind = if folder.starts_with("docker") {
            Kind::Docker
        } else {
            Kind::Podman
        };
        let ids: BTreeMap<String, String> = serde_json::from_slice(&recorded(folder, "ids.json")).unwrap();
        daemon.replay("/version", folder, "version.json");
        daemon.replay("/containers/json", folder, "containers-running.json");
        for (name, id) in &ids {
            let (path, file) = match kind {
                Kind::Docker => (format!("/containers/{id}/json"), format!("inspect.{name}.json")),
                Kind::Podman => (
                    format!("/v4.0.0/libpod/containers/{id}/json"),
                    format!("libpod.{name}.json"),
                ),
            };
            daemon.replay(&path, folder, &file);
        }
        for file in [
            "image.web.json",
            "image.sidecar.json",
            "image.pause.json",
            "pod.front.json",
        ] {
            let path = Path::new("tests/fixtures/cri").join(folder).join(file);
            if !path.exists() {
                continue;
            }
            let body = recorded(folder, file);
            let Value { id } = serde_json::from_slice(&body).unwrap();
            let path = match file {
                "pod.front.json" => format!("/v4.0.0/libpod/pods/{id}/json"),
                _ => format!("/images/{id}/json"),
            };
            daemon.on(&path, Answer::Json(200, body));
        }
        Self {
            folder,
            kind,
            ids,
            client: HttpClient::new(daemon.socket().to_owned(), Duration::from_secs(20), Instant::now),
            daemon,
            _place: place,
        }
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        crate::container::resolver::event_loop().unwrap().block_on(future)
    }

    fn lookup(&self, id: &str) -> Result<Option<Found>, CallError> {
        Self::run(lookup(&self.client, self.kind, id, deadline()))
    }

    fn found(&self, name: &str) -> Found {
        let mut found = self.lookup(&self.ids[name]).unwrap().expect(name);
        bounds::bound(&mut found, &Selection::new(&Settings::default().metadata));
        assert_eq!(found.container.id, self.ids[name]);
        found
    }

    /// The container's cgroup as the kernel had it: of the unified hierarchy, or of memory where there is no other.
    fn cgroup(&self, name: &str) -> String {
        let text = String::from_utf8(recorded(self.folder, &format!("cgroup.{name}.txt"))).unwrap();
        let path = |head: &str| {
            text.lines()
                .find_map(|line| line.split_once(head))
                .map(|(_, path)| path)
        };
        let unified = path("0::").filter(|path| path.contains(&self.ids[name]));
        unified.or_else(|| path(":memory:")).unwrap().to_owned()
    }
}

#[derive(serde::Deserialize)]
struct Value {
    #[serde(rename = "Id")]
    id: String,
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn image(reference: &str, digest: &str, id: Option<&str>) -> Image {
    let mut image = Image {
        digest: Some(digest.to_owned()),
        id: id.map(str::to_owned),
        ..Image::default()
    };
    image.name(reference);
    image
}

fn labels(labels: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    labels
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect()
}

fn status(found: &Found) -> (Status, Option<Reason>) {
    completeness::judge(&found.container, found.kubernetes.as_ref(), found.gap)
}

#[test]
fn each_tells_its_name_and_version() {
    for (folder, kind, version) in [
        (DOCKER, Kind::Docker, "20.10.24+dfsg1"),
        (PODMAN, Kind::Podman, "4.3.1"),
    ] {
        let replay = Replay::of(folder);
        let told = Replay::run(super::version(&replay.client, deadline())).unwrap();
        assert_eq!(told, (kind, version.to_owned()));
        assert_eq!(Kind::named(kind.as_str()), kind);
    }
    let replay = Replay::of(DOCKER);
    // What some other service with such a path says.
    replay
        .daemon
        .on("/version", Answer::Json(200, br#"{"version":"1"}"#.to_vec()));
    let error = Replay::run(super::version(&replay.client, deadline())).unwrap_err();
    assert_eq!(error.reason(), Reason::AnswerUnusable);
}

#[test]
fn those_that_run_are_listed() {
    let replay = Replay::of(DOCKER);
    let mut listed = Replay::run(running(&replay.client, deadline())).unwrap();
    listed.sort();
    // `privileged` could not be started where this was recorded.
    let expected = replay.ids.iter().filter(|(name, _)| *name != "privileged");
    let mut expected: Vec<String> = expected.map(|(_, id)| id.clone()).collect();
    expected.sort();
    assert_eq!(listed, expected);
    let replay = Replay::of(PODMAN);
    assert_eq!(
        Replay::run(running(&replay.client, deadline())).unwrap().len(),
        replay.ids.len()
    );
}

#[test]
fn containers_of_both() {
    for (folder, source, runtime) in [(DOCKER, Source::Docker, "docker"), (PODMAN, Source::Podman, "podman")] {
        let replay = Replay::of(folder);
        for (name, reference, privileged) in [
            ("web", WEB.to_owned(), false),
            (
                "sidecar",
                format!("127.0.0.1:5000/shop/sidecar@{SIDECAR_DIGEST}"),
                false,
            ),
            ("privileged", WEB.to_owned(), true),
        ] {
            let found = replay.found(name);
            assert_eq!(found.source, source);
            let container = &found.container;
            assert_eq!(container.name.as_deref(), Some(name), "{folder}");
            assert_eq!(container.runtime.as_deref(), Some(runtime));
            assert_eq!(container.privileged, Some(privileged));
            assert_eq!((container.sandbox, &container.pod_sandbox_id), (None, &None));
            let image = container.image.as_ref().unwrap();
            assert_eq!(image.reference, Some(reference), "{folder} {name}");
            let digest = if name == "sidecar" { SIDECAR_DIGEST } else { WEB_DIGEST };
            assert_eq!(image.digest.as_deref(), Some(digest), "{folder} {name}");
            assert_eq!(found.kubernetes, None);
            assert_eq!(status(&found), (Status::Complete, None), "{folder} {name}");
        }
        // The image's and those of the command line.
        let expected = [
            ("org.opencontainers.image.title", "shop/web"),
            ("team", "shop"),
            ("tier", "front"),
        ];
        assert_eq!(labels(&replay.found("web").container.labels), expected, "{folder}");
        assert_eq!(
            replay.found("web").container.image,
            Some(image(WEB, WEB_DIGEST, Some(WEB_ID)))
        );
    }
}

/// Started as `docker run sha256:…`, when the image had two tags: which one it was cannot be told.
#[test]
fn an_image_asked_for_by_id() {
    let found = Replay::of(DOCKER).found("by-id");
    let expected = image(
        &format!("127.0.0.1:5000/shop/web@{WEB_DIGEST}"),
        WEB_DIGEST,
        Some(WEB_ID),
    );
    assert_eq!(found.container.image, Some(expected));
    // Podman writes down a name.
    let found = Replay::of(PODMAN).found("by-id");
    assert_eq!(found.container.image, Some(image(WEB, WEB_DIGEST, Some(WEB_ID))));
}

#[test]
fn an_image_that_is_gone_leaves_its_name_or_a_reason() {
    let replay = Replay::of(DOCKER);
    let path = format!("/images/{WEB_ID}/json");
    replay
        .daemon
        .on(&path, Answer::Json(404, br#"{"message":"No such image"}"#.to_vec()));
    let found = replay.found("web");
    let known = found.container.image.clone().unwrap();
    assert_eq!((known.reference.as_deref(), known.digest.as_deref()), (Some(WEB), None));
    assert_eq!(status(&found), (Status::Complete, None));
    assert_eq!(
        status(&replay.found("by-id")),
        (Status::Partial, Some(Reason::ImageNameUnknown))
    );
    replay.daemon.on(&path, Answer::Json(500, Vec::new()));
    assert_eq!(status(&replay.found("web")), (Status::Complete, None));
    assert_eq!(
        status(&replay.found("by-id")),
        (Status::Partial, Some(Reason::RuntimeError))
    );
}

/// As cri-dockerd makes them.
#[test]
fn a_pod_on_docker() {
    let replay = Replay::of(DOCKER);
    let sandbox = replay.ids["pod"].clone();
    let found = replay.found("app");
    assert_eq!(status(&found), (Status::Complete, None), "{found:?}");
    assert_eq!(found.container.name.as_deref(), Some("app"));
    assert_eq!(found.container.sandbox, Some(false));
    assert_eq!(found.container.pod_sandbox_id.as_deref(), Some(sandbox.as_str()));
    let kubernetes = found.kubernetes.unwrap();
    assert_eq!(kubernetes.container.as_deref(), Some("app"));
    assert_eq!(kubernetes.namespace.as_deref(), Some("shop"));
    assert_eq!(kubernetes.qos, Some(Qos::Burstable));
    let pod = kubernetes.pod.unwrap();
    assert_eq!((pod.name.as_deref(), pod.uid.as_deref()), (Some("web"), Some(POD_UID)));
    // The pause image's own label is not among them.
    assert_eq!(labels(&pod.labels), [("app", "web"), ("tier", "front")]);
    // What the kubelet wrote is not shown twice.
    let of_image = [("org.opencontainers.image.title", "shop/web")];
    assert_eq!(labels(&found.container.labels), of_image);
    assert_eq!(found.container.restart_count, Some(0));

    let found = replay.found("pod");
    assert_eq!(status(&found), (Status::Complete, None), "{found:?}");
    assert_eq!(
        (found.container.sandbox, found.container.name, found.container.image),
        (Some(true), None, None)
    );
    assert_eq!(
        (labels(&found.container.labels), found.container.restart_count),
        (vec![], None)
    );
    assert_eq!(found.container.pod_sandbox_id, Some(sandbox.clone()));
    assert_eq!(found.kubernetes.unwrap().pod, Some(pod));

    // Without its sandbox the identity stays, the labels have a reason.
    replay
        .daemon
        .on(&format!("/containers/{sandbox}/json"), Answer::Json(404, Vec::new()));
    let found = replay.found("app");
    assert_eq!(status(&found), (Status::Partial, Some(Reason::SandboxUnknown)));
    assert_eq!(found.kubernetes.unwrap().pod.unwrap().name.as_deref(), Some("web"));
}

#[test]
fn a_pod_on_podman() {
    let replay = Replay::of(PODMAN);
    let (app, infra) = (replay.found("front-app"), replay.found("front-infra"));
    assert_eq!(app.container.name.as_deref(), Some("front-app"));
    assert_eq!(
        (app.container.sandbox, infra.container.sandbox),
        (Some(false), Some(true))
    );
    assert_eq!(app.container.pod_sandbox_id, Some(replay.ids["front-infra"].clone()));
    assert_eq!(infra.container.pod_sandbox_id, Some(replay.ids["front-infra"].clone()));
    assert_eq!((status(&app).0, status(&infra).0), (Status::Complete, Status::Complete));
    assert_eq!((app.kubernetes, infra.kubernetes), (None, None));
}

#[test]
fn the_cgroup_is_where_the_kernel_has_it() {
    for (folder, names) in [
        (DOCKER, &["app", "pod"][..]),
        (
            PODMAN,
            &["web", "front-app", "front-infra", "default-parent", "with-runc"][..],
        ),
        ("podman-4.3.1-cgroup2", &["web", "privileged"][..]),
    ] {
        let replay = Replay::of(folder);
        for name in names {
            let (found, cgroup) = (replay.found(name), replay.cgroup(name));
            let claims = crate::container::cgroup::claims(&cgroup, false);
            let claim = &claims.containers[0];
            assert_eq!(claim.identity.container_id.as_deref(), Some(replay.ids[*name].as_str()));
            assert_eq!(
                fit(&claim.cgroup, found.cgroups_path.as_deref()),
                Fit::Exact,
                "{folder} {name} {cgroup}"
            );
        }
    }
}

#[test]
fn only_the_very_id_is_answered_for() {
    let replay = Replay::of(DOCKER);
    let other = "0".repeat(64);
    assert_eq!(replay.lookup(&other).unwrap(), None);
    // Docker answers for a prefix and for a name.
    replay.daemon.replay(
        &format!("/containers/{other}/json"),
        DOCKER,
        "inspect.web-by-prefix.json",
    );
    assert_eq!(replay.lookup(&other).unwrap_err().reason(), Reason::AnswerUnusable);
    let asked = replay.daemon.asked().len();
    for id in ["web", &replay.ids["web"][..12], "../../images/json?", ""] {
        assert_eq!(replay.lookup(id).unwrap(), None);
    }
    assert_eq!(replay.daemon.asked().len(), asked, "nobody was asked");
    let refusal = recorded(DOCKER, "inspect.unknown.error.404.json");
    replay
        .daemon
        .on(&format!("/containers/{other}/json"), Answer::Json(404, refusal));
    assert_eq!(replay.lookup(&other).unwrap(), None);
    let replay = Replay::of(PODMAN);
    let refusal = recorded(PODMAN, "libpod.unknown.error.404.json");
    replay.daemon.on(
        &format!("/v4.0.0/libpod/containers/{other}/json"),
        Answer::Json(404, refusal),
    );
    assert_eq!(replay.lookup(&other).unwrap(), None);
}

/// The recordings hold `DB_PASSWORD=not-a-real-password` in the environment.
#[test]
fn the_environment_stays_behind() {
    for (folder, prefix) in [(DOCKER, "inspect"), (PODMAN, "libpod")] {
        let recording = recorded(folder, &format!("{prefix}.web.json"));
        assert!(String::from_utf8(recording).unwrap().contains("not-a-real-password"));
        let replay = Replay::of(folder);
        for name in replay.ids.keys() {
            let found = replay.found(name);
            assert!(!format!("{found:?}").contains("not-a-real-password"), "{folder} {name}");
        }
    }
}

#[test]
fn nulls_and_nothing_are_allowed_everywhere() {
    let id = "a".repeat(64);
    for kind in [Kind::Docker, Kind::Podman] {
        let mut replay = Replay::of(DOCKER);
        replay.kind = kind;
        for rest in [
            "",
            r#","Config":null,"HostConfig":null,"State":null,"ImageManifestDescriptor":null"#,
            r#","Config":{"Labels":null},"HostConfig":{"Privileged":null},"State":{}"#,
        ] {
            let body = format!(r#"{{"Id":"{id}"{rest}}}"#);
            for path in ["/containers", "/v4.0.0/libpod/containers"] {
                replay.daemon.on(
                    &format!("{path}/{id}/json"),
                    Answer::Json(200, body.clone().into_bytes()),
                );
            }
            let found = replay.lookup(&id).unwrap().unwrap();
            assert_eq!(
                status(&found),
                (Status::Partial, Some(Reason::ImageNameUnknown)),
                "{body}"
            );
        }
    }
}
