//! What podman tells of a container.
//!
//! A pod of podman is none of Kubernetes: it has neither namespace nor uid. Of it only the container that holds its
//! namespaces is told.

use std::time::Instant;

use serde::Deserialize;

use super::image::{self, Asked};
use super::{Kind, Labels, same_or_unknown};
use crate::container::cgroup::is_container_id;
use crate::container::connection::CallError;
use crate::container::cri::filled;
use crate::container::http::HttpClient;
use crate::container::outcome::{Container, Source};
use crate::container::runtime::Found;

/// `GET /v4.0.0/libpod/containers/<id>/json`, as far as it is read. Podman 3 answers it in the same way.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Inspect {
    id: String,
    name: String,
    /// The image's id.
    image: String,
    /// Absent before podman 4.
    image_digest: String,
    /// In full, whatever the user typed; empty for a container without an image.
    image_name: String,
    /// The pod's id, or empty.
    pod: String,
    is_infra: bool,
    state: Option<State>,
    host_config: Option<HostConfig>,
    config: Option<Config>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct State {
    cgroup_path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    privileged: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    /// The image's own and those of whoever started the container.
    labels: Labels,
}

/// `GET /v4.0.0/libpod/pods/<id>/json`, as far as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pod {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "InfraContainerID")]
    infra_container: String,
}

pub(super) async fn lookup(client: &HttpClient, id: &str, deadline: Instant) -> Result<Option<Found>, CallError> {
    let path = format!("/v4.0.0/libpod/containers/{id}/json");
    let answer = client.get(&path, deadline).await;
    let Some(inspect) = same_or_unknown(client, &path, id, answer, |inspect: &Inspect| &inspect.id)? else {
        return Ok(None);
    };
    let (image, gap) = if inspect.is_infra {
        (None, None)
    } else {
        let asked = Asked {
            words: &inspect.image_name,
            id: &inspect.image,
            digest: Some(inspect.image_digest.as_str()).filter(|digest| !digest.is_empty()),
            id_is_digest: false,
        };
        let (image, gap) = image::complete(client, asked, deadline).await;
        (Some(image), gap)
    };
    let container = Container {
        id: inspect.id.clone(),
        name: filled(&inspect.name),
        runtime: Some(Kind::Podman.as_str().to_owned()),
        image,
        sandbox: (!inspect.pod.is_empty()).then_some(inspect.is_infra),
        privileged: inspect.host_config.as_ref().and_then(|host| host.privileged),
        pod_sandbox_id: sandbox(client, &inspect, deadline).await,
        labels: inspect.config.and_then(|config| config.labels).unwrap_or_default(),
        ..Container::default()
    };
    Ok(Some(Found {
        container,
        kubernetes: None,
        cgroups_path: inspect.state.and_then(|state| own_level(&state.cgroup_path, id)),
        gap,
        source: Source::Podman,
    }))
}

/// The container that holds the namespaces of the pod; a pod may have none.
async fn sandbox(client: &HttpClient, inspect: &Inspect, deadline: Instant) -> Option<String> {
    if inspect.is_infra {
        return Some(inspect.id.clone());
    }
    if !is_container_id(&inspect.pod) {
        return None;
    }
    let path = format!("/v4.0.0/libpod/pods/{}/json", inspect.pod);
    let answer = client.get(&path, deadline).await;
    match same_or_unknown(client, &path, &inspect.pod, answer, |pod: &Pod| &pod.id) {
        Ok(pod) => pod.map(|pod| pod.infra_container).filter(|id| is_container_id(id)),
        Err(error) => {
            tracing::debug!(%error, "the pod of a container is not known");
            None
        }
    }
}

/// The path as far as the level that bears the id: podman may name a level below it, into which the low-level runtime
/// put the process.
fn own_level(path: &str, id: &str) -> Option<String> {
    let mut end = 0;
    for level in path.split_inclusive('/') {
        end += level.len();
        if level.contains(id) {
            return Some(path[..end].trim_end_matches('/').to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_ends_where_the_id_is() {
        for (path, expected) in [
            ("/libpod_parent/libpod-ID", Some("/libpod_parent/libpod-ID")),
            (
                "/machine.slice/libpod-ID.scope/container",
                Some("/machine.slice/libpod-ID.scope"),
            ),
            ("/machine.slice/libpod-ID.scope", Some("/machine.slice/libpod-ID.scope")),
            ("", None),
            ("/", None),
            ("/user.slice/podman-7.scope", None),
        ] {
            assert_eq!(own_level(path, "ID").as_deref(), expected, "{path}");
        }
    }
}
