//! containerd's own API: for sockets without CRI, and for ids that CRI does not know there.
//!
//! Docker's packages switch CRI off, nerdctl and Docker use namespaces that CRI does not look into, and a sandbox
//! stands in containerd's store tens of milliseconds before CRI admits to it. Kubernetes metadata is believed only in
//! the namespace `k8s.io` and from the record of the CRI plugin there: elsewhere labels may come from an image.

use std::time::Instant;

use containerd_client::services::v1::{
    Container as Record, GetContainerRequest, GetContainerResponse, ListContainersRequest, ListContainersResponse,
    ListNamespacesRequest, ListNamespacesResponse, VersionResponse,
};

use super::connection::{CallError, Connection};
use super::cri::{CONTAINER_NAME, POD_NAME, POD_NAMESPACE, filled, set_pod};
use super::image::{self, Hints};
use super::listed::Listed;
use super::outcome::{Container, Image, Kubernetes, Mount, Propagation, Reason, Source};
use super::runtime::Found;
use super::trace::{self, Note};
use super::{cgroup, verbose};

/// How many namespaces are searched; nodes have two or three.
const NAMESPACES_LIMIT: usize = 16;
/// The namespace that containerd's CRI plugin uses.
pub(crate) const KUBERNETES: &str = "k8s.io";
const RUNTIME: &str = "containerd";
const NERDCTL_NAME: &str = "nerdctl/name";
const KIND: &str = "io.cri-containerd.kind";
const CONTAINER_RECORD: &str = "io.cri-containerd.container.metadata";
const SANDBOX_RECORD: &str = "io.cri-containerd.sandbox.metadata";

const VERSION: &str = "/containerd.services.version.v1.Version/Version";
const LIST_NAMESPACES: &str = "/containerd.services.namespaces.v1.Namespaces/List";
const LIST_CONTAINERS: &str = "/containerd.services.containers.v1.Containers/List";
const GET_CONTAINER: &str = "/containerd.services.containers.v1.Containers/Get";

/// containerd's version.
///
/// # Errors
/// [`CallError`]; `Unimplemented` when the peer is not containerd.
pub async fn version(connection: &Connection, deadline: Instant) -> Result<String, CallError> {
    let answer: VersionResponse = connection.call(VERSION, None, &(), deadline).await?;
    Ok(answer.version)
}

/// Looks an id up in every namespace, `k8s.io` first. `None`: containerd does not know it.
pub(crate) async fn lookup(connection: &Connection, id: &str, deadline: Instant) -> Result<Option<Found>, CallError> {
    for namespace in &namespaces(connection, deadline).await? {
        let Some(record) = get(connection, namespace, id, deadline).await? else {
            continue;
        };
        if namespace == KUBERNETES
            && let Some(kind) = record.labels.get(KIND)
        {
            let mut found = match kind.as_str() {
                "sandbox" => of_sandbox(&record),
                _ => of_pod(connection, &record, deadline).await?,
            };
            found.container.runtime_namespace = Some(namespace.clone());
            return Ok(Some(found));
        }
        return Ok(Some(alone(&record, namespace)));
    }
    Ok(None)
}

/// The containers in every namespace but these.
pub(crate) async fn list(connection: &Connection, but: &[&str], deadline: Instant) -> Result<Vec<Listed>, CallError> {
    let mut all = Vec::new();
    for namespace in namespaces(connection, deadline).await? {
        if but.contains(&namespace.as_str()) {
            continue;
        }
        let request = ListContainersRequest::default();
        let listed: ListContainersResponse = connection
            .call(LIST_CONTAINERS, Some(&namespace), &request, deadline)
            .await?;
        all.extend(
            listed
                .containers
                .into_iter()
                .map(|record| of_list(record, namespace == KUBERNETES)),
        );
    }
    Ok(all)
}

/// A record of a list, which does not say whether anything runs. Labels are believed in Kubernetes' namespace only.
fn of_list(record: Record, kubernetes: bool) -> Listed {
    let label = |key: &str| record.labels.get(key).filter(|_| kubernetes).cloned();
    Listed {
        name: label(CONTAINER_NAME).or_else(|| record.labels.get(NERDCTL_NAME).cloned()),
        namespace: label(POD_NAMESPACE),
        pod: label(POD_NAME),
        sandbox: label(KIND).as_deref() == Some("sandbox"),
        pod_sandbox_id: None,
        may_run: true,
        runs: false,
        created_at: None,
        id: record.id,
    }
}

/// The namespaces that are searched, `k8s.io` first.
async fn namespaces(connection: &Connection, deadline: Instant) -> Result<Vec<String>, CallError> {
    let listed: ListNamespacesResponse = connection
        .call(LIST_NAMESPACES, None, &ListNamespacesRequest::default(), deadline)
        .await?;
    let mut namespaces: Vec<String> = listed.namespaces.into_iter().map(|namespace| namespace.name).collect();
    namespaces.sort_by_key(|name| name != KUBERNETES);
    namespaces.truncate(NAMESPACES_LIMIT);
    Ok(namespaces)
}

async fn get(
    connection: &Connection,
    namespace: &str,
    id: &str,
    deadline: Instant,
) -> Result<Option<Record>, CallError> {
    let request = GetContainerRequest { id: id.to_owned() };
    match connection
        .call(GET_CONTAINER, Some(namespace), &request, deadline)
        .await
    {
        Ok(GetContainerResponse {
            container: Some(record),
        }) if record.id == id => {
            trace::compared(GET_CONTAINER, id, &record.id);
            Ok(Some(record))
        }
        Ok(GetContainerResponse { container }) => {
            let answered = container.map(|record| record.id).unwrap_or_default();
            trace::compared(GET_CONTAINER, id, &answered);
            Err(connection.unusable(GET_CONTAINER, format!("asked for {id}, answered for {answered:?}")))
        }
        Err(error) if error.not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// A container that no kubelet made: by nerdctl, Docker or `ctr`. containerd itself has no names but ids; Docker's are
/// known to Docker only, and so are its images.
fn alone(record: &Record, namespace: &str) -> Found {
    let image = image::choose(&Hints {
        names: &[&record.image],
        places: &["containerd's record"],
        ..Hints::default()
    });
    let container = Container {
        id: record.id.clone(),
        name: record.labels.get(NERDCTL_NAME).cloned(),
        runtime: Some(RUNTIME.to_owned()),
        runtime_namespace: Some(namespace.to_owned()),
        image: Some(image).filter(|image| *image != Image::default()),
        ..Container::default()
    };
    Found {
        container,
        kubernetes: None,
        cgroups_path: cgroups_path(spec(record).as_ref()),
        gap: None,
        source: Source::Containerd,
    }
}

fn of_sandbox(record: &Record) -> Found {
    let plugin = plugin_record(record, SANDBOX_RECORD);
    let spec = spec(record);
    let mut kubernetes = Kubernetes {
        qos: qos(spec.as_ref()),
        ..Kubernetes::default()
    };
    let config = plugin.and_then(|plugin| plugin.config);
    set_pod_of(&mut kubernetes, config.as_ref());
    let container = Container {
        id: record.id.clone(),
        runtime: Some(RUNTIME.to_owned()),
        sandbox: Some(true),
        privileged: config.as_ref().map(verbose::Config::privileged),
        pod_sandbox_id: Some(record.id.clone()),
        ..Container::default()
    };
    Found {
        container,
        kubernetes: Some(kubernetes),
        cgroups_path: cgroups_path(spec.as_ref()),
        gap: None,
        source: Source::Containerd,
    }
}

async fn of_pod(connection: &Connection, record: &Record, deadline: Instant) -> Result<Found, CallError> {
    let plugin = plugin_record(record, CONTAINER_RECORD).unwrap_or_default();
    let spec = spec(record);
    let annotations = spec.as_ref().and_then(|spec| spec.annotations.as_ref());
    let config = plugin.config.as_ref();
    let asked = config.and_then(|config| config.image.as_ref());
    let names = [
        asked.map_or("", |image| &image.user_specified_image),
        asked.map_or("", |image| &image.image),
        annotations
            .and_then(|written| written.containerd_image.as_deref())
            .unwrap_or_default(),
        &record.image,
    ];
    let image_ref = plugin.image_ref.as_deref().unwrap_or_default();
    let ids = [image_ref, asked.map_or("", |image| &image.image)];
    let name = config
        .and_then(|config| config.metadata.as_ref())
        .and_then(|metadata| filled(&metadata.name))
        .or_else(|| record.labels.get(CONTAINER_NAME).cloned());
    let sandbox = plugin
        .sandbox_id
        .as_deref()
        .and_then(filled)
        .or_else(|| annotations.and_then(|written| written.containerd_sandbox.clone()));
    let mut found = Found {
        container: Container {
            id: record.id.clone(),
            name: name.clone(),
            runtime: Some(RUNTIME.to_owned()),
            image: Some(image::choose(&Hints {
                names: &names,
                places: &[
                    "the pod's spec, as the CRI plugin recorded it",
                    "the kubelet's request, as the CRI plugin recorded it",
                    "containerd's annotation image-name",
                    "containerd's record",
                ],
                image_ref,
                ids: &ids,
            })),
            sandbox: Some(false),
            privileged: config.map(verbose::Config::privileged),
            pod_sandbox_id: sandbox.clone(),
            restart_count: config
                .and_then(|config| config.metadata.as_ref())
                .map(|metadata| metadata.attempt),
            labels: config.and_then(|config| config.labels.clone()).unwrap_or_default(),
            mounts: config.map(mounts).unwrap_or_default(),
            ..Container::default()
        },
        kubernetes: None,
        cgroups_path: cgroups_path(spec.as_ref()),
        gap: None,
        source: Source::Containerd,
    };
    let mut kubernetes = Kubernetes {
        container: name,
        qos: qos(spec.as_ref()),
        ..Kubernetes::default()
    };
    let sandbox = match sandbox {
        Some(id) => {
            let record = get(connection, KUBERNETES, &id, deadline).await?;
            trace::note(|| Note::Sandbox {
                error: record.is_none().then(|| "containerd does not know it".to_owned()),
                id,
            });
            record
        }
        None => None,
    };
    match sandbox {
        Some(record) => {
            let config = plugin_record(&record, SANDBOX_RECORD).and_then(|plugin| plugin.config);
            set_pod_of(&mut kubernetes, config.as_ref());
        }
        None => found.gap = Some(Reason::SandboxUnknown),
    }
    found.kubernetes = Some(kubernetes);
    Ok(found)
}

fn set_pod_of(kubernetes: &mut Kubernetes, config: Option<&verbose::Config>) {
    let Some(config) = config else { return };
    let Some(metadata) = &config.metadata else { return };
    let identity = [metadata.namespace.clone(), metadata.name.clone(), metadata.uid.clone()];
    let annotations = config.annotations.iter().flatten();
    set_pod(kubernetes, &identity, config.labels.iter().flatten(), annotations);
}

fn mounts(config: &verbose::Config) -> Vec<Mount> {
    let mount = |mount: &verbose::ConfigMount| Mount {
        destination: mount.container_path.clone(),
        source: filled(&mount.host_path),
        read_only: mount.readonly,
        propagation: Propagation::of_cri(mount.propagation),
    };
    config.mounts.iter().flatten().map(mount).collect()
}

fn plugin_record(record: &Record, key: &str) -> Option<verbose::RecordMetadata> {
    serde_json::from_slice::<verbose::Record>(&record.extensions.get(key)?.value)
        .ok()?
        .metadata
}

fn spec(record: &Record) -> Option<verbose::Spec> {
    serde_json::from_slice(&record.spec.as_ref()?.value).ok()
}

fn cgroups_path(spec: Option<&verbose::Spec>) -> Option<String> {
    spec?.cgroups_path().map(str::to_owned)
}

fn qos(spec: Option<&verbose::Spec>) -> Option<super::outcome::Qos> {
    cgroup::identify(spec?.cgroups_path()?).qos
}

#[cfg(test)]
mod tests;
