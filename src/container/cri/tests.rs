use std::path::Path;
use std::time::Duration;

use k8s_cri::v1::{ContainerStatusResponse, ImageStatusResponse};
use prost::Message;
use tempfile::TempDir;
use tonic::Code;

use super::*;
use crate::config::settings::{self, Settings};
use crate::container::bounds;
use crate::container::completeness::judge;
use crate::container::outcome::{Qos, Status};
use crate::container::selection::Selection;
use crate::container::testing::{Answer, Behaviour, Fake, TERSE, fixture};

mod edges;
mod grid;
mod scenario;
mod secrets;

const CONTAINER_STATUS: &str = "/runtime.v1.RuntimeService/ContainerStatus";

fn connection(socket: &Path) -> Connection {
    Connection::new(socket.to_owned(), Duration::from_secs(20), Instant::now)
}

fn ask(socket: &Path, api: Api, runtime: &str, id: &str) -> Result<Option<Found>, CallError> {
    let event_loop = crate::container::resolver::event_loop().unwrap();
    let connection = connection(socket);
    let mut answer = event_loop.block_on(lookup(
        &connection,
        &Sandboxes::new(Instant::now),
        api,
        runtime,
        id,
        Instant::now() + Duration::from_secs(30),
    ));
    if let Ok(Some(found)) = &mut answer {
        bounds::bound(found, &Selection::new(&Settings::default().metadata));
    }
    answer
}

fn recorded(folder: &str, runtime: &str, pod: &str, container: &str) -> Found {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), folder);
    let id = fake.container(folder, container);
    fake.sandbox(folder, pod);
    let found = ask(fake.socket(), Api::V1, runtime, &id).unwrap().unwrap();
    assert_eq!(found.container.id, id);
    found
}

#[test]
fn tag_and_digest_are_kept_apart() {
    let digest = "sha256:88c3c570644aa603db8b1c03bc51f0d163a64cb6c1e0252a31d4faa62ad32815";
    for (folder, runtime, tag) in [
        ("containerd-2.1.9", "containerd", Some("v1.11.3")),
        ("containerd-1.6.20", "containerd", None),
        // CRI-O lists another digest than the one that was asked for.
        ("cri-o-1.36.3", "cri-o", None),
    ] {
        let image = recorded(folder, runtime, "coredns", "coredns.coredns")
            .container
            .image
            .unwrap();
        assert_eq!(
            image.repository.as_deref(),
            Some("registry.example/coredns/coredns"),
            "{folder}"
        );
        assert_eq!(image.tag.as_deref(), tag, "{folder}");
        assert_eq!(image.digest.as_deref(), Some(digest), "{folder}");
    }
}

#[test]
fn a_container_that_was_started_tells_when() {
    for (folder, runtime) in [("containerd-2.1.9", "containerd"), ("cri-o-1.36.3", "cri-o")] {
        let started = recorded(folder, runtime, "coredns", "coredns.coredns")
            .container
            .started_at;
        // A time of this century.
        assert!(
            started.is_some_and(|at| at > 1_000_000_000_000_000_000),
            "{folder}: {started:?}"
        );
    }
    let created = v1::ContainerStatus::default();
    assert_eq!(container("containerd", &created, None).container.started_at, None);
}

#[test]
fn without_its_sandbox_a_container_is_partial() {
    let folder = "containerd-1.6.20";
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), folder);
    let id = fake.container(folder, "web.app");
    let found = ask(fake.socket(), Api::V1, "containerd", &id).unwrap().unwrap();
    let verdict = judge(&found.container, found.kubernetes.as_ref(), found.gap);
    assert_eq!(verdict, (Status::Partial, Some(Reason::SandboxUnknown)));
    // The container's own labels still tell the pod.
    assert_eq!(found.kubernetes.unwrap().pod.unwrap().name.as_deref(), Some("web"));
}

#[test]
fn without_verbose_info_the_answer_is_partial_with_a_reason() {
    let folder = "containerd-1.6.20";
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), folder);
    fake.sandbox(folder, "web");
    let bytes = fixture(folder, "ContainerStatus-terse.web.app.bin");
    let id = ContainerStatusResponse::decode(bytes.as_slice())
        .unwrap()
        .status
        .unwrap()
        .id;
    fake.on(CONTAINER_STATUS, &id, Answer::Message(bytes));
    let found = ask(fake.socket(), Api::V1, "containerd", &id).unwrap().unwrap();
    assert_eq!(
        judge(&found.container, found.kubernetes.as_ref(), found.gap).0,
        Status::Partial
    );
    assert_eq!(found.container.image.unwrap().tag.as_deref(), Some("2.7.1"));
}

/// The name is asked for only when the container's own answer has none, and a missing image gives a reason.
#[test]
fn the_image_service_is_the_last_resort() {
    let folder = "containerd-1.4.13";
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), "containerd-1.6.20");
    let id = fake.container(folder, "edge.gone-after-image-removed");
    fake.sandbox(folder, "edge");
    fake.default("/runtime.v1.ImageService/ImageStatus", Answer::Message(Vec::new()));
    let found = ask(fake.socket(), Api::V1, "containerd", &id).unwrap().unwrap();
    let verdict = judge(&found.container, found.kubernetes.as_ref(), found.gap);
    assert_eq!(verdict, (Status::Partial, Some(Reason::ImageNameUnknown)));
    assert_eq!(fake.calls("ImageStatus"), 1);

    let image = fixture(folder, "ImageStatus.web-by-image-id.bin");
    assert!(ImageStatusResponse::decode(image.as_slice()).unwrap().image.is_some());
    fake.default("/runtime.v1.ImageService/ImageStatus", Answer::Message(image));
    let found = ask(fake.socket(), Api::V1, "containerd", &id).unwrap().unwrap();
    let named = found.container.image.unwrap();
    assert_eq!(named.reference.as_deref(), Some("registry.example/shop/web:2.7.1"));
    assert!(named.digest.unwrap().starts_with("sha256:"));
}

/// CRI-O copies a pod's own annotations next to its own: whoever makes a pod must not choose the image that is shown.
#[test]
fn annotations_of_the_other_runtime_are_not_believed() {
    let info = r#"{"privileged": false, "sandboxID": "s", "runtimeSpec": {"annotations": {
        "io.kubernetes.cri.image-name": "registry.example/trusted:1",
        "io.kubernetes.cri.sandbox-id": "spoofed",
        "io.kubernetes.cri-o.ImageName": "registry.example/real:1"}}}"#;
    let info = Info::parse(Some(&info.to_owned())).unwrap();
    let status = v1::ContainerStatus {
        id: "id".into(),
        ..v1::ContainerStatus::default()
    };
    let name = |runtime: &str| {
        container(runtime, &status, Some(&info))
            .container
            .image
            .unwrap()
            .reference
    };
    assert_eq!(name("cri-o").as_deref(), Some("registry.example/real:1"));
    assert_eq!(name("containerd").as_deref(), Some("registry.example/trusted:1"));
}

/// Two names of one image: containerd notes the first that it lists, so the request's own words count more.
#[test]
fn a_name_in_the_request_beats_what_the_runtime_noted() {
    let info = r#"{"config": {"image": {"image": "registry.example/shop/web:2.7.1"}}, "runtimeSpec": {"annotations": {
        "io.kubernetes.cri.image-name": "registry.example/pause:3.10"}}}"#;
    let info = Info::parse(Some(&info.to_owned())).unwrap();
    let status = v1::ContainerStatus {
        id: "id".into(),
        ..v1::ContainerStatus::default()
    };
    let image = container("containerd", &status, Some(&info)).container.image.unwrap();
    assert_eq!(image.reference.as_deref(), Some("registry.example/shop/web:2.7.1"));
}

/// A verbose answer of this many bytes for the id, around the status that was recorded.
fn swollen(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut answer = ContainerStatusResponse::decode(bytes).unwrap();
    answer.info.insert("more".into(), "x".repeat(size));
    answer.encode_to_vec()
}

/// Whoever writes a pod's spec can make its verbose answer as large as the API server takes. It must not hide the pod.
#[test]
fn an_oversized_verbose_answer_costs_the_verbose_part_only() {
    for (folder, runtime) in [("containerd-1.6.20", "containerd"), ("cri-o-1.36.3", "cri-o")] {
        let dir = TempDir::new().unwrap();
        let fake = Fake::recorded(&dir.path().join("socket"), folder);
        let id = fake.container(folder, "web.app");
        let sandbox = fake.sandbox(folder, "web");
        let bytes = fixture(folder, "ContainerStatus.web.app.bin");
        fake.on(
            CONTAINER_STATUS,
            &format!("{id}{TERSE}"),
            Answer::Message(fixture(folder, "ContainerStatus-terse.web.app.bin")),
        );
        // What 350 kB of environment can become is taken whole.
        fake.on(CONTAINER_STATUS, &id, Answer::Message(swollen(&bytes, 5 << 20)));
        let found = ask(fake.socket(), Api::V1, runtime, &id).unwrap().unwrap();
        let verdict = judge(&found.container, found.kubernetes.as_ref(), found.gap);
        assert_eq!(verdict, (Status::Complete, None), "{folder}");

        let listed = v1::Container {
            id: id.clone(),
            pod_sandbox_id: sandbox.clone(),
            ..v1::Container::default()
        };
        let list = v1::ListContainersResponse {
            containers: vec![listed],
        };
        for oversized in [
            Answer::Message(swollen(&bytes, 17 << 20)),
            Answer::Status(Code::ResourceExhausted, "grpc: trying to send message larger than max"),
        ] {
            fake.on(CONTAINER_STATUS, &id, oversized);
            fake.on(
                "/runtime.v1.RuntimeService/ListContainers",
                &id,
                Answer::Message(list.encode_to_vec()),
            );
            let found = ask(fake.socket(), Api::V1, runtime, &id).unwrap().unwrap();
            let verdict = judge(&found.container, found.kubernetes.as_ref(), found.gap);
            assert_eq!(verdict, (Status::Partial, Some(Reason::AnswerUnusable)), "{folder}");
            assert_eq!(found.container.pod_sandbox_id.as_deref(), Some(sandbox.as_str()));
            assert_eq!(found.container.privileged, None);
            assert_eq!(found.container.image.unwrap().tag.as_deref(), Some("2.7.1"), "{folder}");
            let kubernetes = found.kubernetes.unwrap();
            assert_eq!(kubernetes.namespace.as_deref(), Some("shop"), "{folder}");
            assert_eq!(kubernetes.container.as_deref(), Some("app"), "{folder}");
            let pod = kubernetes.pod.unwrap();
            assert_eq!((pod.name.as_deref(), pod.labels.len()), (Some("web"), 2), "{folder}");

            // Not even the list: the container's own labels are left.
            fake.on(
                "/runtime.v1.RuntimeService/ListContainers",
                &id,
                Answer::Status(Code::Internal, "broken"),
            );
            let found = ask(fake.socket(), Api::V1, runtime, &id).unwrap().unwrap();
            assert_eq!(
                (found.gap, found.container.pod_sandbox_id),
                (Some(Reason::AnswerUnusable), None)
            );
            assert_eq!(found.kubernetes.unwrap().pod.unwrap().name.as_deref(), Some("web"));
        }
    }
}

#[test]
fn an_oversized_sandbox_keeps_its_name() {
    let folder = "containerd-1.6.20";
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), folder);
    let id = fake.sandbox(folder, "web");
    let method = "/runtime.v1.RuntimeService/PodSandboxStatus";
    let bytes = fixture(folder, "PodSandboxStatus.web.bin");
    let mut answer = v1::PodSandboxStatusResponse::decode(bytes.as_slice()).unwrap();
    fake.on(method, &format!("{id}{TERSE}"), Answer::Message(bytes));
    answer.info.insert("more".into(), "x".repeat(17 << 20));
    fake.on(method, &id, Answer::Message(answer.encode_to_vec()));
    let found = ask(fake.socket(), Api::V1, "containerd", &id).unwrap().unwrap();
    let verdict = judge(&found.container, found.kubernetes.as_ref(), found.gap);
    assert_eq!(verdict, (Status::Partial, Some(Reason::AnswerUnusable)));
    assert_eq!(found.kubernetes.unwrap().pod.unwrap().name.as_deref(), Some("web"));
}
