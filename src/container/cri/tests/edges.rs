//! The edge cases of the recordings, each by its name there.

use serde_json::Value;

use super::scenario::{FOLDERS, Folder, Served, files, has, status, with};
use super::*;
use crate::container::{Resolver, cgroup::claims};

/// The request and the status of a recorded error.
fn refusal(folder: Folder, file: &str) -> (String, Answer) {
    let recorded: Value = serde_json::from_slice(&fixture(folder.name, file)).unwrap();
    let request = &recorded["request"];
    let id = request["container_id"]
        .as_str()
        .or(request["pod_sandbox_id"].as_str())
        .unwrap();
    let code = Code::from_i32(i32::try_from(recorded["grpc_status"]["code"].as_i64().unwrap()).unwrap());
    let message = recorded["grpc_status"]["message"].as_str().unwrap().to_owned();
    (id.to_owned(), Answer::Status(code, message.leak()))
}

/// Serves a recorded refusal of ContainerStatus, and gives the id that it is for.
fn refuse(served: &Served, probe: &str) -> String {
    let (id, answer) = refusal(served.folder, &format!("ContainerStatus-probe.{probe}.error.json"));
    let method = served.method("RuntimeService/ContainerStatus");
    served.fake.on(&method, &id, answer);
    id
}

fn with_probe(probe: &str) -> Vec<Folder> {
    let folders = with(&format!("ContainerStatus-probe.{probe}.error.json"));
    assert!(folders.len() >= 4, "{probe}: {folders:?}");
    folders
}

#[test]
fn report_after_tag_moved() {
    for folder in with("ContainerStatus.edge.report-after-tag-moved.bin") {
        let image = Served::new(folder)
            .found("edge.report-after-tag-moved")
            .container
            .image
            .unwrap();
        assert_eq!(
            image.repository.as_deref(),
            Some("registry.example/shop/report"),
            "{}",
            folder.name
        );
        // Only 1.4 has noted no name. It does not invent the tag, nor take the image that has it now.
        let tag = Some("latest").filter(|_| folder.name != "containerd-1.4.13");
        assert_eq!(image.tag.as_deref(), tag, "{}", folder.name);
        let digest = "sha256:0a817b85f5014f0d7581d594bf563374f5632927106a605eae28a62af0b3229c";
        assert_eq!(image.digest.as_deref(), Some(digest), "{}", folder.name);
    }
}

/// A bare digest is said to be one.
#[test]
fn gone_after_image_removed() {
    for folder in with("ContainerStatus.edge.gone-after-image-removed.bin") {
        let found = Served::new(folder).found("edge.gone-after-image-removed");
        let image = found.container.image.as_ref().unwrap();
        let id = "sha256:d4763b8f8c33f4c4b560acc9d6a8f25ab184d2b3730f70f7f5da531d6620705f";
        assert_eq!(image.id.as_deref(), Some(id), "{}", folder.name);
        let verdict = judge(&found.container, found.kubernetes.as_ref(), found.gap);
        if folder.name == "containerd-1.4.13" {
            assert_eq!(
                (&image.reference, &image.repository, &image.digest),
                (&None, &None, &None)
            );
            assert_eq!(verdict, (Status::Partial, Some(Reason::ImageNameUnknown)));
        } else {
            let name = Some("registry.example/shop/gone:1.0");
            assert_eq!(image.reference.as_deref(), name, "{}", folder.name);
            assert_eq!(verdict, (Status::Complete, None), "{}", folder.name);
        }
    }
}

/// The present opinion was recorded without the verbose part, which does not change: it is put together again here.
#[test]
fn app_after_second_name() {
    let folders = with("ContainerStatus-terse.web.app-after-second-name.bin");
    assert!(folders.len() >= 4, "{folders:?}");
    for folder in folders {
        let served = Served::new(folder);
        let id = served.container("web.app");
        served.sandbox("web");
        let later = fixture(folder.name, "ContainerStatus-terse.web.app-after-second-name.bin");
        let first = fixture(folder.name, "ContainerStatus.web.app.bin");
        let mut answer = ContainerStatusResponse::decode(first.as_slice()).unwrap();
        answer.status = Some(status(&later));
        let method = served.method("RuntimeService/ContainerStatus");
        served.fake.on(&method, &id, Answer::Message(answer.encode_to_vec()));
        let image = served.ask(&id).unwrap().unwrap().container.image.unwrap();
        // What 1.4 tells is the other name, in every field: there is nothing to know better by.
        let name = if folder.name == "containerd-1.4.13" {
            "registry.example/aaa/other-name:stable"
        } else {
            "registry.example/shop/web:2.7.1"
        };
        assert_eq!(image.reference.as_deref(), Some(name), "{}", folder.name);
    }
}

#[test]
fn cri_o_lists_the_smallest_digest() {
    for (folder, [app, report]) in with("ContainerStatus.edge.report.bin")
        .into_iter()
        .filter(|folder| folder.runtime == CRIO)
        .map(|folder| {
            let digest = |file| Served::new(folder).found(file).container.image.unwrap().digest.unwrap();
            (folder.name, ["web.app", "edge.report"].map(digest))
        })
    {
        // The platform's for the one, the index's for the other.
        assert!(app.starts_with("sha256:2b06d8d6"), "{folder}: {app}");
        assert!(report.starts_with("sha256:0a817b85"), "{folder}: {report}");
    }
}

/// Not started yet, started in vain, started anew: what a container is called does not depend on what became of it.
#[test]
fn created_badcmd_and_crash() {
    for (file, restarts) in [
        ("edge.created", 0),
        ("edge.badcmd", 0),
        ("edge.crash.0", 0),
        ("edge.crash.1", 1),
    ] {
        let folders = with(&format!("ContainerStatus.{file}.bin"));
        assert!(folders.len() >= 4, "{file}: {folders:?}");
        for folder in folders {
            let container = Served::new(folder).found(file).container;
            assert_eq!(container.restart_count, Some(restarts), "{} {file}", folder.name);
            let name = file.split('.').nth(1);
            assert_eq!(container.name.as_deref(), name, "{} {file}", folder.name);
        }
    }
    // CRI-O refuses to make it.
    assert!(
        with("ContainerStatus.edge.badcmd.bin")
            .iter()
            .all(|folder| folder.runtime != CRIO)
    );
}

#[test]
fn unknown_id() {
    for probe in [
        "unknown-id",
        "removed-container",
        "uppercase",
        "scheme-prefix",
        "unknown-short",
        "path-like",
    ] {
        for folder in with_probe(probe) {
            let served = Served::new(folder);
            let id = refuse(&served, probe);
            assert!(served.ask(&id).unwrap().is_none(), "{} {probe}", folder.name);
            assert_eq!(served.fake.calls("PodSandboxStatus"), 1, "{} {probe}", folder.name);
        }
    }
}

/// containerd calls it an error of its own, CRI-O unknown. Neither is an answer.
#[test]
fn ambiguous_prefix() {
    for folder in with_probe("prefix1-ambiguous") {
        let served = Served::new(folder);
        let id = refuse(&served, "prefix1-ambiguous");
        match (folder.runtime, served.ask(&id)) {
            (CRIO, Ok(None)) => {}
            ("containerd", Err(error)) => assert_eq!(error.reason(), Reason::RuntimeError, "{}", folder.name),
            (_, other) => panic!("{}: {other:?}", folder.name),
        }
    }
}

/// Every runtime answers for the full id: that is not the container that was asked for.
#[test]
fn unique_prefix() {
    let folders = with("ContainerStatus-probe.prefix12.bin");
    assert!(folders.len() >= 4, "{folders:?}");
    for folder in folders {
        let served = Served::new(folder);
        let bytes = fixture(folder.name, "ContainerStatus-probe.prefix12.bin");
        let prefix = status(&bytes).id[..12].to_owned();
        let method = served.method("RuntimeService/ContainerStatus");
        served.fake.on(&method, &prefix, Answer::Message(bytes));
        assert_eq!(
            served.ask(&prefix).unwrap_err().reason(),
            Reason::AnswerUnusable,
            "{}",
            folder.name
        );

        let served = Served::new(folder);
        let bytes = fixture(folder.name, "PodSandboxStatus-probe.prefix12.bin");
        let answer = v1::PodSandboxStatusResponse::decode(bytes.as_slice()).unwrap();
        let prefix = answer.status.unwrap().id[..12].to_owned();
        let method = served.method("RuntimeService/PodSandboxStatus");
        served.fake.on(&method, &prefix, Answer::Message(bytes));
        assert_eq!(
            served.ask(&prefix).unwrap_err().reason(),
            Reason::AnswerUnusable,
            "{}",
            folder.name
        );
    }
}

#[test]
fn sandbox_id_asked_as_container() {
    for (probe, pod) in [("sandbox-id", "web"), ("sandbox-id-with-infra", "db")] {
        for folder in with_probe(probe) {
            let served = Served::new(folder);
            let id = refuse(&served, probe);
            assert_eq!(served.sandbox(pod).as_deref(), Some(id.as_str()), "{}", folder.name);
            let found = served.ask(&id).unwrap().unwrap();
            assert_eq!(found.container.sandbox, Some(true), "{} {probe}", folder.name);
        }
    }
}

/// Where the verbose answer cannot be had, the list tells the sandbox: for the whole id only, and it may be empty.
#[test]
fn list_filter() {
    let folders = with("ListContainers.filter-id.bin");
    assert!(folders.len() >= 4, "{folders:?}");
    for folder in folders {
        let list = |file: &str| fixture(folder.name, &format!("ListContainers.{file}.bin"));
        let listed = v1::ListContainersResponse::decode(list("filter-id").as_slice()).unwrap();
        let [container] = listed.containers.as_slice() else {
            panic!("{}: {listed:?}", folder.name)
        };
        let event_loop = crate::container::resolver::event_loop().unwrap();
        let sandbox = |asked: &str, file: &str| {
            let served = Served::new(folder);
            let method = served.method("RuntimeService/ListContainers");
            served.fake.on(&method, asked, Answer::Message(list(file)));
            let connection = connection(served.fake.socket());
            let deadline = Instant::now() + Duration::from_secs(30);
            event_loop.block_on(listed_sandbox(&connection, folder.api, asked, deadline))
        };
        let told = sandbox(&container.id, "filter-id");
        assert_eq!(
            told.as_deref(),
            Some(container.pod_sandbox_id.as_str()),
            "{}",
            folder.name
        );
        assert_eq!(sandbox(&container.id, "filter-unknown-id"), None, "{}", folder.name);
        assert_eq!(
            sandbox(&container.id[..12], "filter-id-prefix12"),
            None,
            "{}",
            folder.name
        );
    }
}

/// containerd answers so for a sandbox that is being made or removed.
#[test]
fn null_runtime_spec() {
    for folder in FOLDERS.into_iter().filter(|folder| folder.runtime != CRIO) {
        let served = Served::new(folder);
        let id = served.sandbox("web").unwrap();
        let bytes = fixture(folder.name, "PodSandboxStatus.web.bin");
        let mut answer = v1::PodSandboxStatusResponse::decode(bytes.as_slice()).unwrap();
        let mut info: Value = serde_json::from_str(&answer.info[INFO]).unwrap();
        assert!(info["runtimeSpec"].is_object(), "{}", folder.name);
        info["runtimeSpec"] = Value::Null;
        answer.info.insert(INFO.to_owned(), info.to_string());
        let method = served.method("RuntimeService/PodSandboxStatus");
        served.fake.on(&method, &id, Answer::Message(answer.encode_to_vec()));
        let found = served.ask(&id).unwrap().unwrap();
        assert_eq!(
            (found.cgroups_path, found.container.sandbox),
            (None, Some(true)),
            "{}",
            folder.name
        );
        let kubernetes = found.kubernetes.unwrap();
        assert_eq!(
            (kubernetes.qos, kubernetes.namespace.as_deref()),
            (None, Some("shop")),
            "{}",
            folder.name
        );
    }
}

#[test]
fn cri_o_without_config() {
    for folder in FOLDERS.into_iter().filter(|folder| folder.runtime == CRIO) {
        let bytes = fixture(folder.name, "ContainerStatus.web.app.bin");
        let info = ContainerStatusResponse::decode(bytes.as_slice()).unwrap().info;
        assert!(Info::parse(info.get(INFO)).unwrap().config.is_none(), "{}", folder.name);
        let container = Served::new(folder).found("web.app").container;
        assert_eq!(container.privileged, Some(false), "{}", folder.name);
        assert_eq!(
            container.image.unwrap().tag.as_deref(),
            Some("2.7.1"),
            "{}",
            folder.name
        );
    }
}

/// The whole way, from a cgroup's path, through a runtime that knows no v1.
#[test]
fn v1alpha2_only() {
    for folder in FOLDERS.into_iter().filter(|folder| folder.api == Api::V1Alpha2) {
        let served = Served::new(folder);
        let id = served.container("web.app");
        served.sandbox("web");
        let settings = crate::container::testing::settings(&[served.fake.socket()]);
        let mut resolver = Resolver::new(&settings, &Settings::default().metadata).unwrap();
        let prefix = if folder.runtime == CRIO { "crio-" } else { "" };
        let path = format!("/kubepods/burstable/pod11111111-2222-3333-4444-555555555555/{prefix}{id}");
        let outcome = resolver.resolve(1, Some(&path));
        let metadata = outcome.metadata;
        assert_eq!(
            (metadata.status, metadata.reason),
            (Status::Complete, None),
            "{}",
            folder.name
        );
        assert_eq!(
            outcome.container.as_ref().unwrap().restart_count,
            Some(0),
            "{}",
            folder.name
        );
    }
}

/// A static pod is called by the hash of its configuration.
#[test]
fn static_pod_uid() {
    let folders = with("ContainerStatus.etcd.etcd.bin");
    assert!(folders.len() >= 4, "{folders:?}");
    for folder in folders {
        let found = Served::new(folder).found("etcd.etcd");
        let uid = found.kubernetes.unwrap().pod.unwrap().uid;
        assert_eq!(
            uid.as_deref(),
            Some("5f0a1c9be2d34c6f8a7b6c5d4e3f2a10"),
            "{}",
            folder.name
        );
        let path = found.cgroups_path.unwrap();
        assert_eq!(cgroup::identify(&path).pod_uid, uid, "{}", folder.name);
    }
}

/// The kubelet's parents are systemd's, the runtime makes plain directories.
#[test]
fn driver_mismatch() {
    let [folder] = with("ContainerStatus.web.app.bin")
        .into_iter()
        .filter(|folder| folder.name.ends_with("driver-mismatch"))
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let served = Served::new(folder);
    let id = served.container("web.app");
    served.sandbox("web");
    let text = String::from_utf8(fixture(folder.name, "proc-cgroup.web.app.txt")).unwrap();
    let line = text.lines().find(|line| line.starts_with("0::")).unwrap();
    let settings = crate::container::testing::settings(&[served.fake.socket()]);
    let mut resolver = Resolver::new(&settings, &Settings::default().metadata).unwrap();
    let outcome = resolver.resolve(1, line.strip_prefix("0::"));
    assert_eq!(outcome.metadata.status, Status::Complete, "{line}");
    assert_eq!(outcome.container.as_ref().unwrap().id, id);
    assert_eq!(outcome.kubernetes.as_ref().unwrap().qos, Some(Qos::Burstable));
}

/// Monitors and shims hold containers, and are none.
#[test]
fn conmon_is_not_a_container() {
    let mut checked = 0;
    for folder in FOLDERS {
        for subject in files(folder, "proc-cgroup.", ".txt") {
            if !subject.contains(".parent-") {
                continue;
            }
            let text = String::from_utf8(fixture(folder.name, &format!("proc-cgroup.{subject}.txt"))).unwrap();
            for path in text.lines().map(|line| line.splitn(3, ':').nth(2).unwrap()) {
                assert_eq!(claims(path, false).containers, [], "{} {subject}: {path}", folder.name);
                checked += 1;
            }
        }
    }
    assert!(checked >= 8, "{checked}");
}

/// What events may tell besides, for those who want it.
#[test]
fn annotations_and_mounts_are_told_where_they_are_wanted() {
    let wanted = settings::Metadata {
        labels: vec!["tier".to_owned()],
        annotations: vec!["example.com/*".to_owned(), "prometheus.io/scrape".to_owned()],
        mounts: true,
    };
    for folder in FOLDERS
        .into_iter()
        .filter(|folder| has(*folder, "PodSandboxStatus.web.bin"))
    {
        let served = Served::new(folder);
        let id = served.container("web.app");
        served.sandbox("web");
        let settings = crate::container::testing::settings(&[served.fake.socket()]);
        let outcome = Resolver::new(&settings, &wanted).unwrap().lookup_id(&id);
        let pod = outcome.kubernetes.as_ref().unwrap().pod.as_ref().unwrap();
        let pairs = |map: &std::collections::BTreeMap<String, String>| -> Vec<(String, String)> {
            map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        assert_eq!(pairs(&pod.labels), [("tier".into(), "front".into())], "{}", folder.name);
        assert_eq!(
            pairs(&pod.annotations),
            [
                ("example.com/owner".into(), "team-shop".into()),
                ("prometheus.io/scrape".into(), "true".into())
            ],
            "{}",
            folder.name
        );
        let mounts = &outcome.container.as_ref().unwrap().mounts;
        let token = mounts
            .iter()
            .find(|mount| mount.destination == "/var/run/secrets/kubernetes.io/serviceaccount");
        let token = token.unwrap_or_else(|| panic!("{}: {mounts:?}", folder.name));
        assert!(token.read_only && token.source.as_deref().unwrap().ends_with("/kube-api-access-x7k2m"));
        assert!(
            mounts
                .iter()
                .any(|mount| mount.destination == "/etc/hosts" && !mount.read_only)
        );
    }
}

#[test]
fn the_restart_count_is_told_twice() {
    let status = |attempt: Option<u32>, noted: &str| v1::ContainerStatus {
        metadata: attempt.map(|attempt| v1::ContainerMetadata {
            name: "app".into(),
            attempt,
        }),
        annotations: [(RESTART_COUNT.to_owned(), noted.to_owned())].into(),
        ..v1::ContainerStatus::default()
    };
    assert_eq!(restart_count(&status(Some(3), "4")), Some(3));
    assert_eq!(restart_count(&status(None, "4")), Some(4));
    assert_eq!(restart_count(&status(None, "-1")), None);
    assert_eq!(restart_count(&v1::ContainerStatus::default()), None);
}
