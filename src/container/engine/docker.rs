//! What Docker tells of a container, those of cri-dockerd and of the kubelet's former dockershim among them.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Deserialize;

use super::image::{self, Asked};
use super::{Kind, Labels, same_or_unknown};
use crate::container::cgroup::{self, is_container_id};
use crate::container::connection::CallError;
use crate::container::cri::{CONTAINER_NAME, filled, set_pod};
use crate::container::http::HttpClient;
use crate::container::outcome::{Container, Kubernetes, Reason, Source};
use crate::container::runtime::Found;
use crate::container::trace::{self, Note};

const POD_NAME: &str = "io.kubernetes.pod.name";
const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
const POD_UID: &str = "io.kubernetes.pod.uid";
const SANDBOX_ID: &str = "io.kubernetes.sandbox.id";
const KIND: &str = "io.kubernetes.docker.type";
/// What [`KIND`] says of a sandbox; `container` otherwise.
const SANDBOX: &str = "podsandbox";
/// The container's name in the name of a sandbox, in place of one from the pod's specification.
const SANDBOX_NAME: &str = "POD";
/// Annotations are kept as labels with this before their keys, since Docker has none.
const ANNOTATION: &str = "annotation.";

/// `GET /containers/<id>/json`, as far as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Inspect {
    id: String,
    /// With a slash before it.
    name: String,
    /// The image's id.
    image: String,
    config: Option<Config>,
    host_config: Option<HostConfig>,
    /// Only where images are kept in containerd (API 1.48), and then [`Self::image`] is a digest.
    image_manifest_descriptor: Option<Descriptor>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    /// The image, in the words of whoever started the container.
    image: String,
    /// The image's own and those of whoever started the container.
    labels: Labels,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    privileged: Option<bool>,
    /// Empty: the daemon's own choice, which is not told.
    cgroup_parent: String,
}

#[derive(Debug, Deserialize)]
struct Descriptor {}

pub(super) async fn lookup(client: &HttpClient, id: &str, deadline: Instant) -> Result<Option<Found>, CallError> {
    let Some(inspect) = inspect(client, id, deadline).await? else {
        return Ok(None);
    };
    let config = inspect.config.as_ref();
    let asked = Asked {
        words: config.map_or("", |config| &config.image),
        id: &inspect.image,
        digest: None,
        id_is_digest: inspect.image_manifest_descriptor.is_some(),
    };
    let identity = Identity::of(&inspect);
    let sandbox = identity.as_ref().is_some_and(|identity| identity.sandbox);
    // A sandbox's image is nobody's concern, as over CRI.
    let (image, gap) = if sandbox {
        (None, None)
    } else {
        let (image, gap) = image::complete(client, asked, deadline).await;
        (Some(image), gap)
    };
    let mut found = Found {
        container: Container {
            id: inspect.id.clone(),
            name: filled(inspect.name()),
            runtime: Some(Kind::Docker.as_str().to_owned()),
            image,
            privileged: inspect.host_config.as_ref().and_then(|host| host.privileged),
            labels: inspect.own_labels(),
            ..Container::default()
        },
        kubernetes: None,
        cgroups_path: inspect.cgroups_path(),
        gap,
        source: Source::Docker,
    };
    if let Some(identity) = identity {
        place_in_pod(client, &mut found, &inspect, identity, deadline).await;
    }
    Ok(Some(found))
}

async fn inspect(client: &HttpClient, id: &str, deadline: Instant) -> Result<Option<Inspect>, CallError> {
    let path = format!("/containers/{id}/json");
    let answer = client.get(&path, deadline).await;
    same_or_unknown(client, &path, id, answer, |inspect: &Inspect| &inspect.id)
}

/// Puts the pod of a container or sandbox in, whose labels are those of the sandbox.
async fn place_in_pod(
    client: &HttpClient,
    found: &mut Found,
    inspect: &Inspect,
    identity: Identity,
    deadline: Instant,
) {
    let container = &mut found.container;
    container.sandbox = Some(identity.sandbox);
    let mut kubernetes = Kubernetes {
        qos: found
            .cgroups_path
            .as_deref()
            .and_then(|path| cgroup::identify(path).qos),
        ..Kubernetes::default()
    };
    if identity.sandbox {
        container.name = None;
        // They are the pod's.
        container.labels = BTreeMap::new();
        container.pod_sandbox_id = Some(inspect.id.clone());
    } else {
        container.name = Some(identity.container.clone());
        container.restart_count = Some(identity.attempt);
        kubernetes.container = Some(identity.container.clone());
        container.pod_sandbox_id = inspect
            .label(SANDBOX_ID)
            .filter(|id| is_container_id(id))
            .map(str::to_owned);
    }
    let result = if identity.sandbox {
        pod_labels(client, inspect, deadline).await
    } else {
        labels_of_sandbox(client, container.pod_sandbox_id.as_deref(), &identity, deadline).await
    };
    if !identity.sandbox
        && let Some(id) = &container.pod_sandbox_id
    {
        trace::note(|| Note::Sandbox {
            id: id.clone(),
            error: result.as_ref().err().map(|error| trace::bounded(&error.to_string())),
        });
    }
    let labels = result.unwrap_or_else(|error| {
        tracing::debug!(%error, "the sandbox of a container is not known");
        found.gap.get_or_insert(Reason::SandboxUnknown);
        None
    });
    set_pod(&mut kubernetes, &identity.pod, labels.iter().flatten(), []);
    found.kubernetes = Some(kubernetes);
}

async fn labels_of_sandbox(
    client: &HttpClient,
    id: Option<&str>,
    identity: &Identity,
    deadline: Instant,
) -> Result<Labels, CallError> {
    let Some(id) = id else { return Ok(None) };
    let path = format!("/containers/{id}/json");
    let missing = |detail: &str| client.unusable(&path, detail.to_owned());
    let Some(sandbox) = inspect(client, id, deadline).await? else {
        return Err(missing("the sandbox is not known"));
    };
    if Identity::of(&sandbox).is_none_or(|other| !other.sandbox || other.pod != identity.pod) {
        return Err(missing("it is no sandbox of the same pod"));
    }
    pod_labels(client, &sandbox, deadline).await
}

/// The labels of a sandbox that are its pod's: not those that it has from its image, and no annotations.
async fn pod_labels(client: &HttpClient, sandbox: &Inspect, deadline: Instant) -> Result<Labels, CallError> {
    let of_image = match image::record(client, &sandbox.image, deadline).await? {
        Some(record) => record.into_labels().unwrap_or_default(),
        None => BTreeMap::new(),
    };
    let mut labels = sandbox.own_labels();
    labels.retain(|key, value| of_image.get(key) != Some(value));
    Ok(Some(labels))
}

impl Inspect {
    fn name(&self) -> &str {
        self.name.strip_prefix('/').unwrap_or(&self.name)
    }

    fn label(&self, key: &str) -> Option<&str> {
        let labels = self.config.as_ref()?.labels.as_ref()?;
        labels.get(key).map(String::as_str)
    }

    /// Without those that stand in for annotations.
    fn own_labels(&self) -> BTreeMap<String, String> {
        let labels = self.config.as_ref().and_then(|config| config.labels.as_ref());
        let labels = labels.into_iter().flatten();
        let own = labels.filter(|(key, _)| !key.starts_with(ANNOTATION));
        own.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// The cgroup, where the parent says all of it. A slice's name alone does not: what becomes of it depends on the
    /// daemon's driver.
    fn cgroups_path(&self) -> Option<String> {
        let parent = &self.host_config.as_ref()?.cgroup_parent;
        let parent = parent.strip_prefix('/')?.trim_end_matches('/');
        Some(format!("/{parent}/{}", self.id))
    }
}

/// Whom the kubelet made a container for.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    sandbox: bool,
    /// `POD` for a sandbox.
    container: String,
    /// Namespace, name and uid.
    pod: [String; 3],
    /// How often the kubelet made one of this name in this pod before.
    attempt: u32,
}

impl Identity {
    /// Reads name and labels, which must agree: `k8s_<container>_<pod>_<namespace>_<uid>_<attempt>`, and one more part
    /// where that name was taken (cri-dockerd's and dockershim's `naming.go`). Names in Kubernetes hold no underscore. An
    /// image can bring labels along, but not choose the container's name.
    fn of(inspect: &Inspect) -> Option<Self> {
        let parts: Vec<&str> = inspect.name().split('_').collect();
        let (["k8s", container, pod, namespace, uid, attempt] | ["k8s", container, pod, namespace, uid, attempt, _]) =
            parts[..]
        else {
            return None;
        };
        let attempt = attempt.parse().ok()?;
        let sandbox = inspect.label(KIND)? == SANDBOX;
        let agree = inspect.label(POD_NAME) == Some(pod)
            && inspect.label(POD_NAMESPACE) == Some(namespace)
            && inspect.label(POD_UID) == Some(uid)
            && (container == SANDBOX_NAME) == sandbox
            && (sandbox || inspect.label(CONTAINER_NAME) == Some(container));
        agree.then(|| Self {
            sandbox,
            container: container.to_owned(),
            pod: [namespace, pod, uid].map(str::to_owned),
            attempt,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "11111111-2222-3333-4444-555555555555";

    fn inspect(name: &str, labels: &[(&str, &str)]) -> Inspect {
        let labels = labels.iter().map(|&(key, value)| (key.to_owned(), value.to_owned()));
        Inspect {
            id: "a".repeat(64),
            name: format!("/{name}"),
            config: Some(Config {
                labels: Some(labels.collect()),
                ..Config::default()
            }),
            ..Inspect::default()
        }
    }

    fn labels() -> [(&'static str, &'static str); 5] {
        [
            (POD_NAME, "web"),
            (POD_NAMESPACE, "shop"),
            (POD_UID, UID),
            (CONTAINER_NAME, "app"),
            (KIND, "container"),
        ]
    }

    #[test]
    fn name_and_labels_must_agree() {
        let name = format!("k8s_app_web_shop_{UID}_7");
        let identity = Identity::of(&inspect(&name, &labels())).unwrap();
        assert!(!identity.sandbox);
        assert_eq!(identity.attempt, 7);
        assert_eq!(identity.container, "app");
        assert_eq!(identity.pod, ["shop", "web", UID]);
        assert!(Identity::of(&inspect(&format!("{name}_1a2b3c4d"), &labels())).is_some());
        // An image's labels on a container with a name of its own, or with another pod's.
        for name in [
            "innocent".to_owned(),
            "k8s_app_web_shop".to_owned(),
            format!("k8s_app_web_shop_{UID}_x"),
            format!("k8s_app_web_prod_{UID}_0"),
            format!("k8s_POD_web_shop_{UID}_0"),
            format!("k8s_other_web_shop_{UID}_0"),
            format!("k8s_app_web_shop_{UID}_0_1_2"),
        ] {
            assert_eq!(Identity::of(&inspect(&name, &labels())), None, "{name}");
        }
        for missing in 0..5 {
            let mut labels = labels().to_vec();
            labels.remove(missing);
            assert_eq!(Identity::of(&inspect(&name, &labels)), None, "{missing}");
        }
    }

    #[test]
    fn the_cgroup_is_told_only_where_the_parent_says_all() {
        let path = |parent: &str| {
            let host = HostConfig {
                cgroup_parent: parent.to_owned(),
                ..HostConfig::default()
            };
            Inspect {
                id: "ID".to_owned(),
                host_config: Some(host),
                ..Inspect::default()
            }
            .cgroups_path()
        };
        assert_eq!(path("/kubepods/pod1").as_deref(), Some("/kubepods/pod1/ID"));
        assert_eq!(path("/a/").as_deref(), Some("/a/ID"));
        assert_eq!(path("kubepods-pod1.slice"), None);
        assert_eq!(path(""), None);
    }
}
