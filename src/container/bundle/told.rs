//! What the annotations in a bundle say, in the dialect of whoever wrote it.
//!
//! CRI-O copies a pod's own annotations and labels into the same map as its own, so only keys that it sets itself count,
//! and each runtime's keys only in its own directory.

use std::collections::BTreeMap;

use crate::container::cgroup;
use crate::container::cri::{CONTAINER_NAME, filled, set_pod};
use crate::container::image::{self, Hints};
use crate::container::outcome::{Container, Kubernetes, Pod, Source};
use crate::container::runtime::Found;

type Annotations = BTreeMap<String, String>;

/// The namespace that containerd's CRI plugin uses: what else is in there did not come from a kubelet.
const KUBERNETES: &str = "k8s.io";
/// What the type of a container says of a pod's sandbox, in both dialects.
const SANDBOX: &str = "sandbox";

/// A container of containerd. The uid is there since 1.6.11, names of sandboxes since 1.5.
pub(super) fn by_containerd(id: &str, namespace: &str, annotations: &Annotations) -> Found {
    let cri = |key: &str| told(annotations, &format!("io.kubernetes.cri.{key}"));
    let mut found = nothing(id, "containerd");
    found.container.runtime_namespace = filled(namespace);
    let Some(kind) = cri("container-type").filter(|_| namespace == KUBERNETES) else {
        return found;
    };
    let sandbox = kind == SANDBOX;
    let container = &mut found.container;
    container.sandbox = Some(sandbox);
    container.pod_sandbox_id = cri("sandbox-id");
    let mut kubernetes = Kubernetes::default();
    if !sandbox {
        container.name = cri("container-name");
        kubernetes.container.clone_from(&container.name);
        container.image = Some(image::choose(&Hints {
            names: &[cri("image-name").as_deref().unwrap_or_default()],
            places: &["containerd's annotation image-name"],
            ..Hints::default()
        }));
    }
    kubernetes.namespace = cri("sandbox-namespace");
    let pod = Pod {
        name: cri("sandbox-name"),
        uid: cri("sandbox-uid"),
        ..Pod::default()
    };
    kubernetes.pod = (pod != Pod::default()).then_some(pod);
    found.kubernetes = Some(kubernetes);
    found
}

/// A container in containers/storage, and the id of the sandbox whose labels are its pod's.
pub(super) fn by_storage(id: &str, annotations: &Annotations) -> (Found, Option<String>) {
    match annotations.get("io.container.manager").map(String::as_str) {
        Some("cri-o") => by_crio(id, annotations),
        Some("libpod") => (nothing(id, "podman"), None),
        _ => {
            let mut found = nothing(id, "");
            found.container.runtime = None;
            (found, None)
        }
    }
}

fn by_crio(id: &str, annotations: &Annotations) -> (Found, Option<String>) {
    let own = |key: &str| told(annotations, &format!("io.kubernetes.cri-o.{key}"));
    let mut found = nothing(id, "cri-o");
    let sandbox = own("ContainerType").as_deref() == Some(SANDBOX);
    let container = &mut found.container;
    container.sandbox = Some(sandbox);
    container.pod_sandbox_id = own("SandboxID");
    let mut kubernetes = Kubernetes::default();
    if !sandbox {
        container.name = labels(annotations).remove(CONTAINER_NAME);
        kubernetes.container.clone_from(&container.name);
        let (image_name, image, image_ref) = (own("ImageName"), own("Image"), own("ImageRef"));
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        container.image = Some(image::choose(&Hints {
            names: &[&text(&image_name), &text(&image)],
            places: &["CRI-O's annotation ImageName", "CRI-O's annotation Image"],
            image_ref: "",
            ids: &[&text(&image_ref), &text(&image)],
        }));
    }
    let of_pod = container.pod_sandbox_id.clone();
    found.kubernetes = Some(kubernetes);
    if sandbox {
        add_pod(&mut found, annotations);
        return (found, None);
    }
    let mut labels = labels(annotations);
    let identity = identity(&mut labels);
    set_pod(found.kubernetes.get_or_insert_default(), &identity, [], []);
    (found, of_pod)
}

/// Adds the pod as the bundle of its sandbox, one of CRI-O's, tells it.
pub(super) fn add_pod(found: &mut Found, annotations: &Annotations) {
    let mut labels = labels(annotations);
    let identity = identity(&mut labels);
    set_pod(found.kubernetes.get_or_insert_default(), &identity, &labels, []);
}

/// Adds where the container is.
pub(super) fn add_place(found: &mut Found, cgroups_path: Option<String>) {
    let qos = cgroups_path.as_deref().and_then(|path| cgroup::identify(path).qos);
    if let Some(kubernetes) = &mut found.kubernetes {
        kubernetes.qos = qos;
    }
    found.cgroups_path = cgroups_path;
}

/// Namespace, name and uid, taken out of the labels.
fn identity(labels: &mut Annotations) -> [String; 3] {
    ["namespace", "name", "uid"].map(|part| labels.remove(&format!("io.kubernetes.pod.{part}")).unwrap_or_default())
}

/// The labels that the kubelet gave, which CRI-O keeps as JSON in one annotation of its own.
fn labels(annotations: &Annotations) -> Annotations {
    annotations
        .get("io.kubernetes.cri-o.Labels")
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default()
}

fn nothing(id: &str, runtime: &str) -> Found {
    Found {
        container: Container {
            id: id.to_owned(),
            runtime: Some(runtime.to_owned()),
            ..Container::default()
        },
        kubernetes: None,
        cgroups_path: None,
        gap: None,
        source: Source::Bundle,
    }
}

fn told(annotations: &Annotations, key: &str) -> Option<String> {
    annotations.get(key).and_then(|text| filled(text))
}
