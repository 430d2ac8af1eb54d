use std::path::Path;
use std::time::Duration;

use k8s_cri::v1::{ContainerStatusResponse, ImageStatusResponse};
use prost::Message;
use tempfile::TempDir;
use tonic::Code;

use super::*;
use crate::container::completeness::judge;
use crate::container::outcome::{Qos, Status};
use crate::container::testing::{Answer, Behaviour, Fake, TERSE, fixture};

const CONTAINER_STATUS: &str = "/runtime.v1.RuntimeService/ContainerStatus";

fn ask(socket: &Path, api: Api, runtime: &str, id: &str) -> Result<Option<Found>, CallError> {
    let event_loop = crate::container::resolver::event_loop().unwrap();
    let connection = Connection::new(socket.to_owned(), Duration::from_millis(500), Instant::now);
    event_loop.block_on(lookup(
        &connection,
        &Sandboxes::new(Instant::now),
        api,
        runtime,
        id,
        Instant::now() + Duration::from_secs(2),
    ))
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
fn a_recorded_container_is_complete_on_every_runtime() {
    for (folder, runtime, digest) in [
        (
            "containerd-1.6.20",
            "containerd",
            "90cf98da8ca6df5dbc568afc56a22abfe9af588ccc33df253b2e7a24b50584f9",
        ),
        (
            "containerd-2.1.9",
            "containerd",
            "90cf98da8ca6df5dbc568afc56a22abfe9af588ccc33df253b2e7a24b50584f9",
        ),
        // CRI-O lists the platform's manifest where containerd lists the index.
        (
            "cri-o-1.24.6",
            "cri-o",
            "2b06d8d634c555e521de3461d7a051e79310158dc191c259be943f324fe01d31",
        ),
        (
            "cri-o-1.36.3",
            "cri-o",
            "2b06d8d634c555e521de3461d7a051e79310158dc191c259be943f324fe01d31",
        ),
    ] {
        let found = recorded(folder, runtime, "web", "web.app");
        let image = found.container.image.as_ref().unwrap();
        assert_eq!(
            image.reference.as_deref(),
            Some("registry.example/shop/web:2.7.1"),
            "{folder}"
        );
        assert_eq!(
            image.repository.as_deref(),
            Some("registry.example/shop/web"),
            "{folder}"
        );
        assert_eq!(image.tag.as_deref(), Some("2.7.1"), "{folder}");
        assert_eq!(image.digest, Some(format!("sha256:{digest}")), "{folder}");
        let config = "sha256:be1fe060a1d6ceef358de51ed4b4097a7308393c37ed8b243b13c058f37b8e68";
        assert_eq!(image.id.as_deref(), Some(config), "{folder}");
        assert_eq!(found.container.name.as_deref(), Some("app"), "{folder}");
        assert_eq!(found.container.runtime.as_deref(), Some(runtime), "{folder}");
        assert_eq!(found.container.privileged, Some(false), "{folder}");
        assert_eq!(found.container.sandbox, Some(false), "{folder}");
        let kubernetes = found.kubernetes.as_ref().unwrap();
        assert_eq!(kubernetes.namespace.as_deref(), Some("shop"), "{folder}");
        assert_eq!(kubernetes.container.as_deref(), Some("app"), "{folder}");
        assert_eq!(kubernetes.qos, Some(Qos::Burstable), "{folder}");
        let pod = kubernetes.pod.as_ref().unwrap();
        assert_eq!(pod.name.as_deref(), Some("web"), "{folder}");
        assert_eq!(
            pod.uid.as_deref(),
            Some("11111111-2222-3333-4444-555555555555"),
            "{folder}"
        );
        let labels: Vec<_> = pod
            .labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(labels, [("app", "web"), ("tier", "front")], "{folder}");
        let verdict = judge(&found.container, found.kubernetes.as_ref(), found.gap);
        assert_eq!(verdict, (Status::Complete, None), "{folder}");
    }
}

#[test]
fn v1alpha2_serves_the_same() {
    let folder = "containerd-1.4.13";
    let dir = TempDir::new().unwrap();
    let fake = Fake::start(&dir.path().join("socket"), Behaviour::Serve);
    let (container, sandbox) = (
        fixture(folder, "ContainerStatus.web.app.bin"),
        fixture(folder, "PodSandboxStatus.web.bin"),
    );
    let id = ContainerStatusResponse::decode(container.as_slice())
        .unwrap()
        .status
        .unwrap()
        .id;
    fake.default(
        "/runtime.v1alpha2.RuntimeService/ContainerStatus",
        Answer::Message(container),
    );
    fake.default(
        "/runtime.v1alpha2.RuntimeService/PodSandboxStatus",
        Answer::Message(sandbox),
    );
    let found = ask(fake.socket(), Api::V1Alpha2, "containerd", &id).unwrap().unwrap();
    assert_eq!(
        judge(&found.container, found.kubernetes.as_ref(), found.gap),
        (Status::Complete, None)
    );
    assert_eq!(found.container.image.unwrap().tag.as_deref(), Some("2.7.1"));
}

#[test]
fn guaranteed_and_static_pods() {
    for (folder, runtime) in [("containerd-1.6.20", "containerd"), ("cri-o-1.36.3", "cri-o")] {
        let db = recorded(folder, runtime, "db", "db.db");
        assert_eq!(db.kubernetes.unwrap().qos, Some(Qos::Guaranteed), "{folder}");
        let image = db.container.image.unwrap();
        assert_eq!(
            image.reference.as_deref(),
            Some("docker.io/library/busybox:1.36"),
            "the runtime normalised it"
        );
        let etcd = recorded(folder, runtime, "etcd", "etcd.etcd");
        let pod = etcd.kubernetes.unwrap().pod.unwrap();
        assert_eq!(pod.uid.as_deref(), Some("5f0a1c9be2d34c6f8a7b6c5d4e3f2a10"), "{folder}");
    }
}

/// After the image was removed, or its tag moved, containerd forgets the name; what was written down at creation stays.
#[test]
fn the_name_outlives_the_image() {
    for (folder, runtime) in [
        ("containerd-1.6.20", "containerd"),
        ("containerd-2.1.9", "containerd"),
        ("cri-o-1.36.3", "cri-o"),
    ] {
        let found = recorded(folder, runtime, "edge", "edge.gone-after-image-removed");
        let image = found.container.image.unwrap();
        assert_eq!(
            image.reference.as_deref(),
            Some("registry.example/shop/gone:1.0"),
            "{folder}"
        );
        let id = "sha256:d4763b8f8c33f4c4b560acc9d6a8f25ab184d2b3730f70f7f5da531d6620705f";
        assert_eq!(image.id.as_deref(), Some(id), "{folder}");
    }
    for (folder, runtime) in [("containerd-1.6.20", "containerd"), ("cri-o-1.36.3", "cri-o")] {
        let found = recorded(folder, runtime, "edge", "edge.report-after-tag-moved");
        assert_eq!(
            found.container.image.unwrap().tag.as_deref(),
            Some("latest"),
            "{folder}"
        );
    }
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
fn a_sandbox_is_recognised() {
    for (folder, runtime) in [("containerd-1.6.20", "containerd"), ("cri-o-1.36.3", "cri-o")] {
        let dir = TempDir::new().unwrap();
        let fake = Fake::recorded(&dir.path().join("socket"), folder);
        let id = fake.sandbox(folder, "web");
        let found = ask(fake.socket(), Api::V1, runtime, &id).unwrap().unwrap();
        assert_eq!(found.container.sandbox, Some(true), "{folder}");
        assert_eq!(found.container.pod_sandbox_id.as_deref(), Some(id.as_str()), "{folder}");
        assert_eq!(found.container.image, None, "{folder}");
        assert_eq!(
            judge(&found.container, found.kubernetes.as_ref(), found.gap),
            (Status::Complete, None),
            "{folder}"
        );
        let kubernetes = found.kubernetes.unwrap();
        assert_eq!(kubernetes.qos, Some(Qos::Burstable), "{folder}");
        assert_eq!(kubernetes.pod.unwrap().labels.len(), 2, "{folder}");
    }
}

#[test]
fn no_secret_is_kept_anywhere() {
    for (folder, runtime) in [("containerd-1.6.20", "containerd"), ("cri-o-1.36.3", "cri-o")] {
        let bytes = fixture(folder, "ContainerStatus.web.app.bin");
        let planted = |text: &str| text.contains("not-a-real-password") || text.contains("DB_PASSWORD");
        let answer = ContainerStatusResponse::decode(bytes.as_slice()).unwrap();
        assert!(
            planted(&answer.info[INFO]),
            "{folder}: the recording no longer holds the planted secret"
        );
        let info = Info::parse(answer.info.get(INFO)).unwrap();
        assert!(!planted(&format!("{info:?}")), "{folder}");
        let found = recorded(folder, runtime, "web", "web.app");
        assert!(!planted(&format!("{found:?}")), "{folder}");
        let outcome = serde_json::to_string(&(found.container, found.kubernetes)).unwrap();
        assert!(!planted(&outcome), "{folder}");
    }
}

#[test]
fn an_answer_for_another_id_is_refused() {
    let folder = "containerd-1.6.20";
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), folder);
    fake.default(
        CONTAINER_STATUS,
        Answer::Message(fixture(folder, "ContainerStatus-probe.prefix12.bin")),
    );
    let error = ask(fake.socket(), Api::V1, "containerd", "6b184b65683a").unwrap_err();
    assert_eq!(error.reason(), Reason::AnswerUnusable, "{error}");
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
