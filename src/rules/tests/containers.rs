//! `container.*` and `k8s.*`.

use std::sync::Arc;

use super::scene::Scene;
use crate::config::settings;
use crate::container::{
    Container, Image, Kubernetes, Mount, Outcome, Pod, Propagation, Reason, Selection, Source, Status,
};

const ID: &str = "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e";

fn scene() -> Scene {
    let mut image = Image::default();
    image.name("registry.example/shop/web:2.7");
    image.id = Some("sha256:6f7e".to_owned());
    let mount = |source: &str, destination: &str, read_only, propagation| Mount {
        destination: destination.to_owned(),
        source: Some(source.to_owned()),
        read_only,
        propagation,
    };
    let container = Container {
        id: ID.to_owned(),
        name: Some("web".to_owned()),
        runtime: Some("containerd".to_owned()),
        image: Some(image),
        sandbox: Some(false),
        privileged: Some(true),
        pod_sandbox_id: Some("63060edc2d3aa803".to_owned()),
        mounts: vec![
            mount("/var/lib/a", "/data", false, Propagation::Private),
            mount("/etc", "/host/etc", true, Propagation::HostToContainer),
        ],
        ..Container::default()
    };
    let pod = Pod {
        name: Some("web-1".to_owned()),
        uid: Some("uid-1".to_owned()),
        labels: [("app", "web"), ("canary", ""), ("app.kubernetes.io/part-of", "shop")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..Pod::default()
    };
    let mut outcome = Outcome::host();
    outcome.container = Some(container);
    outcome.kubernetes = Some(Kubernetes {
        namespace: Some("shop".to_owned()),
        pod: Some(pod),
        ..Kubernetes::default()
    });
    outcome.metadata.status = Status::Complete;
    outcome.metadata.source = Some(Source::Cri);
    let mut scene = Scene::plain();
    scene.outcome = outcome;
    scene.host.selection = selection("*");
    scene
}

fn selection(label: &str) -> Selection {
    Selection::new(&settings::Metadata {
        labels: vec![label.to_owned()],
        annotations: Vec::new(),
        mounts: true,
    })
}

fn container(scene: &mut Scene) -> &mut Container {
    scene.outcome.container.as_mut().unwrap()
}

fn pod(scene: &mut Scene) -> &mut Pod {
    scene.outcome.kubernetes.as_mut().unwrap().pod.as_mut().unwrap()
}

#[test]
fn a_container_of_a_pod() {
    scene().check(&[
        ("container.id", "'3ad7b26ded6d'"),
        ("container.full_id", &format!("'{ID}'")),
        ("container.name", "'web'"),
        ("container.type", "'containerd'"),
        ("container.image", "'registry.example/shop/web:2.7'"),
        ("container.image.repository", "'registry.example/shop/web'"),
        ("container.image.tag", "'2.7'"),
        ("container.image.id", "'6f7e'"),
        ("container.image.digest", "unknown: not_told"),
        ("container.privileged", "true"),
        ("k8s.ns.name", "'shop'"),
        ("k8s.pod.name", "'web-1'"),
        ("k8s.pod.uid", "'uid-1'"),
        ("k8s.pod.id", "'uid-1'"),
        ("k8s.pod.sandbox_id", "'63060edc2d3a'"),
        ("k8s.pod.full_sandbox_id", "'63060edc2d3aa803'"),
    ]);
}

#[test]
fn the_host_is_no_container_and_that_is_known() {
    Scene::plain().check(&[
        ("container.id", "'host'"),
        ("container.full_id", "'host'"),
        ("container.name", "'host'"),
        ("container.type", "'host'"),
        ("container.image.repository", "absent"),
        ("container.image.digest", "absent"),
        ("container.privileged", "absent"),
        ("container.mounts", "absent"),
        ("container.mount[0]", "absent"),
        ("container.label[a]", "absent"),
        ("container.labels", "absent"),
        ("k8s.ns.name", "absent"),
        ("k8s.pod.label[a]", "absent"),
        ("k8s.pod.labels", "absent"),
        ("k8s.pod.sandbox_id", "absent"),
    ]);
}

#[test]
fn mounts_are_found_by_place_and_by_path() {
    let mut scene = scene();
    scene.check(&[
        (
            "container.mounts",
            "'/var/lib/a:/data::true:private,/etc:/host/etc::false:rslave'",
        ),
        ("container.mount[0]", "'/var/lib/a:/data::true:private'"),
        ("container.mount[/var/*]", "'/var/lib/a:/data::true:private'"),
        ("container.mount[/v?r/*a]", "'/var/lib/a:/data::true:private'"),
        ("container.mount[/data]", "absent"),
        ("container.mount[2]", "absent"),
        ("container.mount.source[/host/*]", "'/etc'"),
        ("container.mount.dest[/etc]", "'/host/etc'"),
        ("container.mount.rdwr[1]", "'false'"),
        ("container.mount.mode[1]", "''"),
        ("container.mount.propagation[1]", "'rslave'"),
    ]);
    container(&mut scene).mounts_truncated = true;
    scene.check(&[
        ("container.mount[1]", "'/etc:/host/etc::false:rslave'"),
        ("container.mount[/x]", "unknown: mounts_truncated"),
        ("container.mounts", "unknown: mounts_truncated"),
    ]);
    container(&mut scene).mounts.clear();
    scene.check(&[("container.mount[0]", "unknown: not_told")]);
    scene.host.selection = Selection::default();
    scene.check(&[("container.mounts", "unknown: not_kept")]);
}

#[test]
fn labels_that_are_not_kept_are_unknown() {
    let mut scene = scene();
    scene.check(&[
        ("k8s.pod.label[app]", "'web'"),
        ("k8s.pod.label.app", "'web'"),
        ("k8s.pod.label[app.kubernetes.io/part-of]", "'shop'"),
        ("k8s.pod.label[tier]", "absent"),
        ("k8s.pod.labels", "'app:web, app.kubernetes.io/part-of:shop, canary'"),
        ("container.label[app]", "absent"),
        ("container.labels", "''"),
    ]);
    scene.host.selection = selection("app");
    scene.check(&[("k8s.pod.label[tier]", "unknown: not_kept")]);
    scene.host.selection = selection("*");
    pod(&mut scene).labels_truncated = true;
    scene.check(&[
        ("k8s.pod.label[app]", "'web'"),
        ("k8s.pod.label[tier]", "unknown: labels_truncated"),
        ("k8s.pod.labels", "unknown: labels_truncated"),
    ]);
}

#[test]
fn a_sandbox_has_no_image_and_a_container_alone_no_pod() {
    let mut scene = scene();
    container(&mut scene).sandbox = Some(true);
    container(&mut scene).image = None;
    container(&mut scene).name = None;
    container(&mut scene).privileged = None;
    scene.check(&[
        ("container.name", "absent"),
        ("container.image", "absent"),
        ("container.image.repository", "absent"),
        ("container.image.id", "absent"),
        ("container.privileged", "unknown: not_told"),
        ("k8s.pod.name", "'web-1'"),
    ]);
    let mut alone = self::scene();
    alone.outcome.kubernetes = None;
    container(&mut alone).pod_sandbox_id = None;
    alone.check(&[
        ("k8s.ns.name", "absent"),
        ("k8s.pod.name", "absent"),
        ("k8s.pod.label[app]", "absent"),
        ("k8s.pod.sandbox_id", "absent"),
        ("container.image.tag", "'2.7'"),
    ]);
}

#[test]
fn a_start_is_the_runtimes_or_that_of_the_pid_namespace() {
    let groups = |scene: &mut Scene, level, start| {
        let process = Arc::make_mut(scene.process.as_mut().unwrap());
        let groups = process.groups.as_mut().unwrap();
        (groups.pid_ns_level, groups.pid_ns_start) = (level, start);
    };
    let mut scene = scene();
    // In the host's namespace, and the runtime had not started it when it was asked.
    scene.check(&[
        ("container.start_ts", "unknown: not_told"),
        ("container.duration", "unknown: not_told"),
    ]);
    groups(&mut scene, 1, Some(35_000_000_000));
    scene.check(&[
        ("container.start_ts", "35000000000"),
        ("container.duration", "5000000005"),
    ]);
    container(&mut scene).started_at = Some(34_999_999_999);
    scene.check(&[
        ("container.start_ts", "34999999999"),
        ("container.duration", "5000000006"),
    ]);
    container(&mut scene).started_at = None;
    groups(&mut scene, 1, None);
    scene.check(&[("container.start_ts", "unknown: pid_namespace_unknown")]);
    scene.process = None;
    scene.check(&[("container.start_ts", "unknown: process_unknown")]);
    scene.outcome = Outcome::cgroup_unknown(7);
    scene.check(&[("container.start_ts", "unknown: cgroup_unknown")]);
    scene.outcome = Outcome::host();
    scene.check(&[("container.start_ts", "absent"), ("container.duration", "absent")]);
}

#[test]
fn what_a_lookup_did_not_find_is_unknown_for_its_reason() {
    let mut scene = scene();
    scene.outcome.metadata.status = Status::Missing;
    scene.outcome.metadata.reason = Some(Reason::RuntimeTimeout);
    scene.outcome.container = Some(Container {
        id: ID.to_owned(),
        ..Container::default()
    });
    scene.outcome.kubernetes = None;
    let lost = "unknown: runtime_timeout";
    scene.check(&[
        ("container.id", "'3ad7b26ded6d'"),
        ("container.name", lost),
        ("container.type", lost),
        ("container.image.repository", lost),
        ("container.image.tag", lost),
        ("container.image.digest", lost),
        ("container.privileged", lost),
        ("container.mounts", lost),
        ("container.label[app]", lost),
        ("container.labels", lost),
        ("k8s.ns.name", lost),
        ("k8s.pod.name", lost),
        ("k8s.pod.label[app]", lost),
        ("k8s.pod.labels", lost),
        ("k8s.pod.sandbox_id", lost),
    ]);
    scene.outcome.metadata.reason = Some(Reason::CgroupMismatch);
    scene.check(&[
        ("container.id", "unknown: cgroup_mismatch"),
        ("container.full_id", "unknown: cgroup_mismatch"),
    ]);
    scene.outcome = Outcome::cgroup_unknown(7);
    scene.check(&[
        ("container.id", "unknown: cgroup_unknown"),
        ("container.name", "unknown: cgroup_unknown"),
        ("k8s.ns.name", "unknown: cgroup_unknown"),
    ]);
}

#[test]
fn each_gap_of_a_partial_outcome_has_its_own_reason() {
    let mut scene = scene();
    scene.outcome.metadata.status = Status::Partial;
    scene.outcome.metadata.reason = Some(Reason::SandboxUnknown);
    container(&mut scene).image = Some(Image::default());
    pod(&mut scene).name = None;
    scene.check(&[
        ("container.name", "'web'"),
        ("container.image.repository", "unknown: image_name_unknown"),
        ("k8s.pod.name", "unknown: sandbox_unknown"),
        ("k8s.pod.uid", "'uid-1'"),
    ]);
}
