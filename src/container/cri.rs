//! The Container Runtime Interface: the five calls that name a container.
//!
//! Verbose answers are asked for, and their size is in the hands of whoever wrote the pod's spec. One that is too large
//! to be taken is asked for again without the verbose part: what only that part tells is then missing, with a reason.
//!
//! v1 first; v1alpha2 (containerd up to 1.5, CRI-O up to 1.25) has the same messages on the wire for everything that
//! is read here, so only the service's name differs. `GetContainerEvents` is not used: on containerd 1.7 a second
//! reader takes events away from the kubelet (containerd/containerd#7318).

use std::collections::HashMap;
use std::fmt;
use std::time::Instant;

use k8s_cri::v1;
use serde::Serialize;

use super::connection::{CallError, Connection};
use super::image::{self, Hints};
use super::listed::Listed;
use super::outcome::{Container, Image, Kubernetes, Mount, Pod, Propagation, Reason, Source};
use super::runtime::Found;
use super::sandboxes::Sandboxes;
use super::trace::{self, Note, VerboseSeen};
use super::verbose::{INFO, Info};
use super::{cgroup, verbose};

/// A version of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// `runtime.v1`
    V1,
    /// `runtime.v1alpha2`
    V1Alpha2,
}

impl Api {
    /// In the order in which they are tried.
    pub const ALL: [Self; 2] = [Self::V1, Self::V1Alpha2];

    /// As runtimes and Kubernetes write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1Alpha2 => "v1alpha2",
        }
    }

    fn method(self, method: &str) -> String {
        format!("/runtime.{self}.{method}")
    }
}

impl fmt::Display for Api {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The label that the kubelet puts on containers.
pub(crate) const CONTAINER_NAME: &str = "io.kubernetes.container.name";
pub(crate) const POD_NAME: &str = "io.kubernetes.pod.name";
pub(crate) const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
const POD_UID: &str = "io.kubernetes.pod.uid";
const RESTART_COUNT: &str = "io.kubernetes.container.restartCount";
/// How many names from the image service a note has.
const NAMES_NOTED: usize = 16;
/// Where the names of an image stand, in the order of their weight.
const PLACES_CONTAINERD: [&str; 6] = [
    "the pod's spec",
    "the pod's spec, in the verbose part",
    "the kubelet's request, in the verbose part",
    "containerd's annotation image-name",
    "nothing",
    "the status of the container",
];
const PLACES_CRIO: [&str; 6] = [
    "the pod's spec",
    "the pod's spec, in the verbose part",
    "the kubelet's request, in the verbose part",
    "CRI-O's annotation ImageName",
    "CRI-O's annotation Image",
    "the status of the container",
];
/// CRI-O's name for itself, which decides whose annotations count.
const CRIO: &str = "cri-o";

/// Asks for the runtime's name and version.
///
/// # Errors
/// [`CallError`].
pub async fn version(connection: &Connection, api: Api, deadline: Instant) -> Result<v1::VersionResponse, CallError> {
    let request = v1::VersionRequest {
        version: api.as_str().to_owned(),
    };
    connection
        .call(&api.method("RuntimeService/Version"), None, &request, deadline)
        .await
}

/// Whether the runtime knows an id, as a container or as a sandbox.
///
/// # Errors
/// [`CallError`].
pub(crate) async fn knows(connection: &Connection, api: Api, id: &str, deadline: Instant) -> Result<bool, CallError> {
    match container_status(connection, api, id, false, deadline).await {
        Err(error) if error.not_found() => {}
        answer => return answer.map(|_| true),
    }
    match sandbox_status(connection, api, id, false, deadline).await {
        Err(error) if error.not_found() => Ok(false),
        answer => answer.map(|_| true),
    }
}

/// How many pods are ready.
///
/// # Errors
/// [`CallError`].
pub(crate) async fn ready_pods(connection: &Connection, api: Api, deadline: Instant) -> Result<usize, CallError> {
    let request = v1::ListPodSandboxRequest {
        filter: Some(v1::PodSandboxFilter {
            state: Some(v1::PodSandboxStateValue {
                state: v1::PodSandboxState::SandboxReady.into(),
            }),
            ..v1::PodSandboxFilter::default()
        }),
    };
    let method = api.method("RuntimeService/ListPodSandbox");
    let answer: v1::ListPodSandboxResponse = connection.call(&method, None, &request, deadline).await?;
    Ok(answer.items.len())
}

/// Looks an id up, as a container first and as a sandbox then. `None`: the runtime knows neither.
pub(crate) async fn lookup(
    connection: &Connection,
    sandboxes: &Sandboxes,
    api: Api,
    runtime: &str,
    id: &str,
    deadline: Instant,
) -> Result<Option<Found>, CallError> {
    let (answer, gap) = match container_status(connection, api, id, true, deadline).await {
        Ok(answer) => (answer, None),
        Err(error) if error.not_found() => return sandbox(connection, api, runtime, id, deadline).await,
        Err(error) if error.too_large() => {
            tracing::debug!(%error, "asking again for less");
            let answer = container_status(connection, api, id, false, deadline).await?;
            (answer, Some(Reason::AnswerUnusable))
        }
        Err(error) => return Err(error),
    };
    let (status, info) = answer;
    let mut found = container(runtime, &status, info.as_ref());
    found.gap = gap;
    if gap.is_some() {
        found.container.pod_sandbox_id = listed_sandbox(connection, api, id, deadline).await;
    }
    let gap = complete_image(connection, api, &mut found.container, deadline).await;
    found.gap = found.gap.or(gap);
    if let Some(sandbox) = found.container.pod_sandbox_id.clone() {
        let ask = async { Ok(sandbox_status(connection, api, &sandbox, false, deadline).await?.0) };
        let status = sandboxes.status(&sandbox, ask).await;
        trace::note(|| Note::Sandbox {
            id: sandbox.clone(),
            error: status.as_ref().err().map(|error| trace::bounded(&error.to_string())),
        });
        match status {
            Ok(status) => pod_of_sandbox(found.kubernetes.get_or_insert_default(), &status),
            Err(error) => {
                tracing::debug!(%error, "the sandbox of a container is not known");
                found.gap = found.gap.or(Some(Reason::SandboxUnknown));
            }
        }
    }
    Ok(Some(found))
}

/// All containers and sandboxes. One call each, unfiltered: a filter takes one state.
pub(crate) async fn list(connection: &Connection, api: Api, deadline: Instant) -> Result<Vec<Listed>, CallError> {
    let method = api.method("RuntimeService/ListContainers");
    let request = v1::ListContainersRequest::default();
    let containers: v1::ListContainersResponse = connection.call(&method, None, &request, deadline).await?;
    let method = api.method("RuntimeService/ListPodSandbox");
    let request = v1::ListPodSandboxRequest::default();
    let sandboxes: v1::ListPodSandboxResponse = connection.call(&method, None, &request, deadline).await?;
    let may_run = [
        v1::ContainerState::ContainerRunning,
        v1::ContainerState::ContainerCreated,
    ];
    let containers = containers.containers.into_iter().map(|container| Listed {
        may_run: may_run.contains(&container.state()),
        runs: container.state() == v1::ContainerState::ContainerRunning,
        created_at: Some(container.created_at).filter(|at| *at > 0),
        name: container.metadata.as_ref().and_then(|metadata| filled(&metadata.name)),
        namespace: container.labels.get(POD_NAMESPACE).cloned(),
        pod: container.labels.get(POD_NAME).cloned(),
        sandbox: false,
        pod_sandbox_id: filled(&container.pod_sandbox_id),
        id: container.id,
    });
    let sandboxes = sandboxes.items.into_iter().map(|sandbox| {
        let may_run = sandbox.state() == v1::PodSandboxState::SandboxReady;
        let metadata = sandbox.metadata.unwrap_or_default();
        Listed {
            may_run,
            runs: may_run,
            created_at: Some(sandbox.created_at).filter(|at| *at > 0),
            name: None,
            namespace: filled(&metadata.namespace),
            pod: filled(&metadata.name),
            sandbox: true,
            pod_sandbox_id: filled(&sandbox.id),
            id: sandbox.id,
        }
    });
    Ok(containers.chain(sandboxes).collect())
}

async fn container_status(
    connection: &Connection,
    api: Api,
    id: &str,
    verbose: bool,
    deadline: Instant,
) -> Result<(v1::ContainerStatus, Option<Info>), CallError> {
    let method = api.method("RuntimeService/ContainerStatus");
    let request = v1::ContainerStatusRequest {
        container_id: id.to_owned(),
        verbose,
    };
    let answer: v1::ContainerStatusResponse = connection.call(&method, None, &request, deadline).await?;
    let status = answer.status.unwrap_or_default();
    same(connection, &method, id, &status.id)?;
    Ok((status, info(&method, verbose, &answer.info)))
}

/// The sandbox of a container whose verbose answer could not be had: the list names it too.
async fn listed_sandbox(connection: &Connection, api: Api, id: &str, deadline: Instant) -> Option<String> {
    let filter = v1::ContainerFilter {
        id: id.to_owned(),
        ..v1::ContainerFilter::default()
    };
    let request = v1::ListContainersRequest { filter: Some(filter) };
    let method = api.method("RuntimeService/ListContainers");
    let answer: Result<v1::ListContainersResponse, _> = connection.call(&method, None, &request, deadline).await;
    match answer {
        Ok(list) => {
            let listed = list.containers.iter().find(|container| container.id == id)?;
            filled(&listed.pod_sandbox_id)
        }
        Err(error) => {
            tracing::debug!(%error, "the sandbox's id of a container is not known");
            None
        }
    }
}

/// A runtime answers for a unique prefix too; such an answer is about something that was not asked for.
fn same(connection: &Connection, method: &str, asked: &str, answered: &str) -> Result<(), CallError> {
    trace::compared(method, asked, answered);
    if asked == answered {
        return Ok(());
    }
    Err(connection.unusable(method, format!("asked for {asked}, answered for {answered:?}")))
}

async fn sandbox_status(
    connection: &Connection,
    api: Api,
    id: &str,
    verbose: bool,
    deadline: Instant,
) -> Result<(v1::PodSandboxStatus, Option<Info>), CallError> {
    let method = api.method("RuntimeService/PodSandboxStatus");
    let request = v1::PodSandboxStatusRequest {
        pod_sandbox_id: id.to_owned(),
        verbose,
    };
    let answer: v1::PodSandboxStatusResponse = connection.call(&method, None, &request, deadline).await?;
    let status = answer.status.unwrap_or_default();
    same(connection, &method, id, &status.id)?;
    Ok((status, info(&method, verbose, &answer.info)))
}

/// The verbose part of an answer, as far as it can be read.
fn info(method: &str, asked: bool, answer: &HashMap<String, String>) -> Option<Info> {
    let text = answer.get(INFO);
    let info = Info::parse(text);
    trace::note(|| Note::Verbose {
        method: method.to_owned(),
        seen: match (&info, text) {
            _ if !asked => VerboseSeen::NotAsked,
            (None, None) => VerboseSeen::Absent,
            (None, Some(_)) => VerboseSeen::Unreadable,
            (Some(info), _) if info.spec.is_none() => VerboseSeen::WithoutSpec,
            (Some(_), _) => VerboseSeen::Whole,
        },
    });
    info
}

async fn sandbox(
    connection: &Connection,
    api: Api,
    runtime: &str,
    id: &str,
    deadline: Instant,
) -> Result<Option<Found>, CallError> {
    let ((status, info), gap) = match sandbox_status(connection, api, id, true, deadline).await {
        Ok(answer) => (answer, None),
        Err(error) if error.not_found() => return Ok(None),
        Err(error) if error.too_large() => {
            let answer = sandbox_status(connection, api, id, false, deadline).await?;
            (answer, Some(Reason::AnswerUnusable))
        }
        Err(error) => return Err(error),
    };
    let mut kubernetes = Kubernetes {
        qos: qos(info.as_ref()),
        ..Kubernetes::default()
    };
    pod_of_sandbox(&mut kubernetes, &status);
    let container = Container {
        id: id.to_owned(),
        runtime: filled(runtime),
        sandbox: Some(true),
        privileged: info.as_ref().and_then(Info::privileged),
        pod_sandbox_id: Some(id.to_owned()),
        ..Container::default()
    };
    Ok(Some(Found {
        container,
        kubernetes: Some(kubernetes),
        cgroups_path: info.as_ref().and_then(Info::cgroups_path).map(str::to_owned),
        gap,
        source: Source::Cri,
    }))
}

/// Asks the image service for a name, where the container's own answer has none. Returns the reason when that fails.
async fn complete_image(
    connection: &Connection,
    api: Api,
    container: &mut Container,
    deadline: Instant,
) -> Option<Reason> {
    let image = container.image.get_or_insert_default();
    if image.reference.is_some() {
        return None;
    }
    let asked = image.id.clone().or_else(|| image.digest.clone())?;
    let request = v1::ImageStatusRequest {
        image: Some(v1::ImageSpec {
            image: asked,
            ..v1::ImageSpec::default()
        }),
        verbose: false,
    };
    let answer = connection
        .call(&api.method("ImageService/ImageStatus"), None, &request, deadline)
        .await;
    match answer {
        Ok(v1::ImageStatusResponse { image: Some(known), .. }) => {
            name_from_service(image, &known);
            None
        }
        Ok(_) => None,
        Err(error) => {
            tracing::debug!(%error, "the image of a container is not known");
            Some(error.reason()).filter(|reason| *reason != Reason::ContainerUnknown)
        }
    }
}

fn name_from_service(image: &mut Image, known: &v1::Image) {
    let digests = || known.repo_digests.iter();
    if let Some(digest) = digests().find_map(|name| image::Reference::parse(name)?.digest) {
        image.digest.get_or_insert_with(|| digest.to_owned());
    }
    // A tag only when there is no doubt which one: the image may have been tagged again since.
    let name = match known.repo_tags.as_slice() {
        [tag] => Some(tag),
        _ => digests().next(),
    };
    trace::note(|| {
        let tags = known.repo_tags.iter().map(|name| ("a tag in the image service", name));
        let digests = digests().map(|name| ("a digest in the image service", name));
        let names: Vec<_> = tags.chain(digests).take(NAMES_NOTED).collect();
        Note::Image {
            chosen: name.and_then(|name| names.iter().position(|(_, other)| *other == name)),
            names: names
                .into_iter()
                .map(|(place, name)| (place, trace::bounded(name)))
                .collect(),
        }
    });
    if let Some(name) = name {
        image.name(name);
    }
}

fn container(runtime: &str, status: &v1::ContainerStatus, info: Option<&Info>) -> Found {
    let config = info
        .and_then(|info| info.config.as_ref())
        .and_then(|config| config.image.as_ref());
    let empty = verbose::Annotations::default();
    let written = info.and_then(Info::annotations).unwrap_or(&empty);
    let crio = runtime == CRIO;
    let (noted, sandbox) = if crio {
        ([&written.crio_image_name, &written.crio_image], &written.crio_sandbox)
    } else {
        ([&written.containerd_image, &None], &written.containerd_sandbox)
    };
    let spec = status.image.clone().unwrap_or_default();
    let names = [
        spec.user_specified_image.as_str(),
        config.map_or("", |image| &image.user_specified_image),
        // The request itself: a name from crictl and its like, an id from the kubelet, which is skipped.
        config.map_or("", |image| &image.image),
        noted[0].as_deref().unwrap_or_default(),
        noted[1].as_deref().unwrap_or_default(),
        spec.image.as_str(),
    ];
    let ids = [
        status.image_id.as_str(),
        config.map_or("", |image| &image.image),
        spec.image.as_str(),
        written.crio_image_ref.as_deref().filter(|_| crio).unwrap_or_default(),
    ];
    let image = image::choose(&Hints {
        names: &names,
        places: if crio { &PLACES_CRIO } else { &PLACES_CONTAINERD },
        image_ref: &status.image_ref,
        ids: &ids,
    });
    let name = status
        .labels
        .get(CONTAINER_NAME)
        .cloned()
        .or_else(|| status.metadata.as_ref().and_then(|metadata| filled(&metadata.name)));
    let mut kubernetes = Kubernetes {
        container: name.clone(),
        qos: qos(info),
        ..Kubernetes::default()
    };
    pod_of_labels(&mut kubernetes, &status.labels);
    let container = Container {
        id: status.id.clone(),
        name,
        restart_count: restart_count(status),
        labels: status.labels.clone().into_iter().collect(),
        mounts: status.mounts.iter().map(mount).collect(),
        started_at: Some(status.started_at).filter(|at| *at > 0),
        runtime: filled(runtime),
        image: Some(image),
        sandbox: Some(false),
        privileged: info.and_then(Info::privileged),
        pod_sandbox_id: info
            .and_then(|info| info.sandbox_id.clone())
            .or_else(|| sandbox.clone()),
        ..Container::default()
    };
    Found {
        container,
        kubernetes: Some(kubernetes),
        cgroups_path: info.and_then(Info::cgroups_path).map(str::to_owned),
        gap: None,
        source: Source::Cri,
    }
}

/// The kubelet counts in the name's `attempt`, and writes the same number down as an annotation.
fn restart_count(status: &v1::ContainerStatus) -> Option<u32> {
    let noted = || status.annotations.get(RESTART_COUNT)?.parse().ok();
    status.metadata.as_ref().map(|metadata| metadata.attempt).or_else(noted)
}

fn mount(mount: &v1::Mount) -> Mount {
    Mount {
        destination: mount.container_path.clone(),
        source: filled(&mount.host_path),
        read_only: mount.readonly,
        propagation: Propagation::of_cri(mount.propagation),
    }
}

impl Propagation {
    /// CRI's number for it. One that is not known yet stands for none, as for the runtimes.
    pub(crate) fn of_cri(number: i32) -> Self {
        match v1::MountPropagation::try_from(number) {
            Ok(v1::MountPropagation::PropagationHostToContainer) => Self::HostToContainer,
            Ok(v1::MountPropagation::PropagationBidirectional) => Self::Bidirectional,
            Ok(v1::MountPropagation::PropagationPrivate) | Err(_) => Self::Private,
        }
    }
}

fn qos(info: Option<&Info>) -> Option<super::outcome::Qos> {
    cgroup::identify(info?.cgroups_path()?).qos
}

fn pod_of_labels(kubernetes: &mut Kubernetes, labels: &HashMap<String, String>) {
    kubernetes.namespace = labels.get(POD_NAMESPACE).cloned();
    let pod = Pod {
        name: labels.get(POD_NAME).cloned(),
        uid: labels.get(POD_UID).cloned(),
        ..Pod::default()
    };
    trace::note(|| Note::Labels {
        identity: [kubernetes.namespace.clone(), pod.name.clone(), pod.uid.clone()]
            .map(|word| word.map(|word| trace::bounded(&word))),
    });
    kubernetes.pod = (pod != Pod::default()).then_some(pod);
}

fn pod_of_sandbox(kubernetes: &mut Kubernetes, status: &v1::PodSandboxStatus) {
    let metadata = status.metadata.clone().unwrap_or_default();
    let identity = [metadata.namespace, metadata.name, metadata.uid];
    set_pod(kubernetes, &identity, &status.labels, &status.annotations);
}

/// Puts the sandbox's word for `[namespace, name, uid]`, its labels and its annotations over what is there. All of them:
/// which are kept is judged when the answer is whole.
pub(crate) fn set_pod<'a>(
    kubernetes: &mut Kubernetes,
    [namespace, name, uid]: &[String; 3],
    labels: impl IntoIterator<Item = (&'a String, &'a String)>,
    annotations: impl IntoIterator<Item = (&'a String, &'a String)>,
) {
    trace::note(|| Note::Pod {
        identity: [namespace, name, uid].map(|word| trace::bounded(word)),
    });
    let owned = |(key, value): (&String, &String)| (key.clone(), value.clone());
    let pod = kubernetes.pod.get_or_insert_default();
    pod.labels = labels.into_iter().map(owned).collect();
    pod.annotations = annotations.into_iter().map(owned).collect();
    pod.name = filled(name).or(pod.name.take());
    pod.uid = filled(uid).or(pod.uid.take());
    kubernetes.namespace = filled(namespace).or(kubernetes.namespace.take());
}

/// Protobuf has no absent strings: an empty one is none.
pub(crate) fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
