//! The same pods on every containerd: what was asked for, what the runtime itself says, and what the agent tells agree.

use serde_json::{Value, json};

use super::{assert_all_complete, watch};
use crate::event::{agent, is_exec};
use crate::lab::agent::{Agent, Installed};
use crate::lab::containerd::Containerd;
use crate::lab::image;
use crate::lab::pod::{Image, Pod, PodContainer, PodSpec, Qos};
use crate::lab::runtimes::Release;
use crate::lab::turn::Turn;

const WEB: &str = "5b0f1c9a-8a3e-4a57-b8a3-90a5f1f0c001";
const NODE: &str = "5b0f1c9a-8a3e-4a57-b8a3-90a5f1f0c002";
const DATABASE: &str = "5b0f1c9a-8a3e-4a57-b8a3-90a5f1f0c003";

/// An exec in a container, against the request and against what the runtime says of it.
fn assert_container(event: &Value, lab: &Containerd, pod: &Pod<'_>, container: &PodContainer<'_>, asked: Image) {
    let told = &event["container"];
    let status = container.status().unwrap();
    let name = status.metadata.unwrap_or_default().name;
    assert_eq!(event["metadata"]["status"], "complete", "{event}");
    assert_eq!(event["metadata"]["source"], "cri", "{event}");
    assert_eq!(told["id"], container.id(), "{event}");
    assert_eq!(told["name"], *name, "{event}");
    assert_eq!(told["runtime"], "containerd", "{event}");
    assert_eq!(told["pod_sandbox_id"], pod.id(), "{event}");
    assert_eq!(told["privileged"], false, "{event}");
    // CRI has a flag for the one and none for the other.
    assert!(!told["sandbox"].as_bool().unwrap_or_default(), "{event}");

    let (reference, repository, tag, digest) = match asked {
        Image::Busybox => (
            image::BUSYBOX,
            image::BUSYBOX_REPOSITORY,
            json!(image::BUSYBOX_TAG),
            &*lab.names().busybox_digest,
        ),
        Image::Sidecar => (
            &*lab.names().sidecar,
            image::SIDECAR_REPOSITORY,
            Value::Null,
            &*lab.names().sidecar_digest,
        ),
    };
    assert_eq!(told["image"]["reference"], reference, "{event}");
    assert_eq!(told["image"]["repository"], repository, "{event}");
    assert_eq!(told["image"]["tag"], tag, "{event}");
    assert_eq!(told["image"]["digest"], digest, "{event}");
    assert_eq!(status.image_ref, format!("{repository}@{digest}"), "the runtime agrees");
    assert_pod(event, pod);
    assert_eq!(event["kubernetes"]["container"], *name, "{event}");
}

fn assert_pod(event: &Value, pod: &Pod<'_>) {
    let status = pod.status().unwrap();
    let metadata = status.metadata.unwrap_or_default();
    let kubernetes = &event["kubernetes"];
    assert_eq!(kubernetes["namespace"], *metadata.namespace, "{event}");
    assert_eq!(kubernetes["pod"]["name"], *metadata.name, "{event}");
    assert_eq!(kubernetes["pod"]["uid"], *metadata.uid, "{event}");
    assert_eq!(kubernetes["pod"]["uid"], *pod.spec().uid, "{event}");
    assert_eq!(kubernetes["pod"]["labels"], json!({"app": pod.spec().app}), "{event}");
    assert_eq!(status.labels["app"], pod.spec().app, "the runtime agrees");
    assert_eq!(kubernetes["qos"], pod.spec().qos.as_str(), "{event}");
}

fn assert_pause(agent: &Agent<'_>, pod: &Pod<'_>) {
    let pause = agent
        .wait_for("a pause process", |event| {
            event["container"]["id"] == pod.id() && is_exec(event, &image::PAUSE_COMMAND)
        })
        .unwrap();
    assert_eq!(pause["metadata"]["status"], "complete", "{pause}");
    assert_eq!(pause["container"]["sandbox"], true, "{pause}");
    assert_eq!(pause["container"]["pod_sandbox_id"], pod.id(), "{pause}");
    assert_pod(&pause, pod);
}

fn tells_what_was_asked_for(release: Release, expected: &str, api: &str) {
    let _turn = Turn::take().unwrap();
    let lab = Containerd::start_version(release).unwrap();
    assert!(
        lab.version().starts_with(expected),
        "{} is not {expected}",
        lab.version()
    );
    assert_eq!(lab.api(), api);
    let installed = Installed::new(agent()).unwrap();
    let agent = watch(&installed, &lab.socket()).unwrap();

    let web = Pod::run(&lab, PodSpec::new("shop", "web-7d9c5b", WEB).in_own_network()).unwrap();
    let node = PodSpec::new("monitoring", "node-agent-7k2lp", NODE).of_class(Qos::BestEffort);
    let node = Pod::run(&lab, node).unwrap();
    let database = PodSpec::new("shop", "db-0", DATABASE).of_class(Qos::Guaranteed);
    let database = Pod::run(&lab, database.in_own_network()).unwrap();
    let steps = [
        (&web, "init", Image::Busybox),
        (&web, "app", Image::Busybox),
        (&web, "sidecar", Image::Sidecar),
        (&node, "agent", Image::Busybox),
        (&database, "db", Image::Sidecar),
    ];
    let mut containers = Vec::new();
    for (pod, name, image) in steps {
        let is_init = name == "init";
        let command = if is_init {
            ["/bin/true", name]
        } else {
            ["/bin/sleep", "1000"]
        };
        let container = pod.create_from(image, name, 0, &command).unwrap();
        container.start().unwrap();
        if is_init {
            assert_eq!(container.wait_ended().unwrap(), 0);
        }
        let first = agent
            .wait_for(name, |event| {
                event["container"]["id"] == container.id() && is_exec(event, &command)
            })
            .unwrap();
        assert_container(&first, &lab, pod, &container, image);
        if !is_init {
            let said = container.exec(&["/bin/true", name]).unwrap();
            assert_eq!(said.code, 0, "{said:?}");
            let later = agent
                .wait_for(name, |event| {
                    event["container"]["id"] == container.id() && is_exec(event, &["/bin/true", name])
                })
                .unwrap();
            assert_container(&later, &lab, pod, &container, image);
        }
        containers.push(container);
    }
    for pod in [&web, &node, &database] {
        assert_pause(&agent, pod);
    }
    let own: Vec<&str> = containers.iter().map(PodContainer::id).collect();
    let sandboxes = [web.id(), node.id(), database.id()];
    let what = format!("containerd {}, CRI {api}", lab.version());
    assert_all_complete(&what, agent, &[&*own, &sandboxes].concat());
    for pod in [web, node, database] {
        pod.remove().unwrap();
    }
}

#[test]
fn the_installed_containerd() {
    tells_what_was_asked_for(Release::installed().unwrap(), "", "v1");
}

#[test]
#[ignore = "`just test-runtimes` fetches it"]
fn containerd_1_4() {
    tells_what_was_asked_for(Release::of("bullseye").unwrap(), "1.4.", "v1alpha2");
}

#[test]
#[ignore = "`just test-runtimes` fetches it"]
fn containerd_1_7() {
    tells_what_was_asked_for(Release::of("trixie").unwrap(), "1.7.", "v1");
}

#[test]
#[ignore = "`just test-runtimes` fetches it"]
fn containerd_2() {
    tells_what_was_asked_for(Release::of("sid").unwrap(), "2.", "v1");
}
