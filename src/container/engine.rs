//! Docker and podman, over the HTTP API of the one that the other speaks too: a container's name, image and place.
//!
//! Read: `GET /version`, `GET /containers/json`, `GET /containers/<id>/json`, `GET /images/<id>/json`, and podman's own
//! `GET /v4.0.0/libpod/containers/<id>/json`, which alone tells the cgroup and the pod (Docker Engine API 1.24 and later,
//! recorded from Docker 20.10 and podman 4.3). Paths carry no version where Docker's does not need one: the daemon then
//! takes its newest, and everything that is read has been in all of them.
//!
//! The answers hold the container's environment and whole command. They are parsed into structs that have no place for
//! either, and dropped at once. Kubernetes metadata is believed only where the container's name, which whoever made it
//! chose, says the same as its labels, which an image brings along.

mod docker;
mod image;
mod podman;

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Deserialize;

use super::cgroup::is_container_id;
use super::connection::CallError;
use super::http::HttpClient;
use super::runtime::Found;
use super::trace;

/// Whose API it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Docker,
    Podman,
}

impl Kind {
    /// The runtime's own name for itself, as events tell it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }

    /// The reverse of [`Self::as_str`]: everything that answers and is not podman speaks as Docker does.
    pub(crate) fn named(name: &str) -> Self {
        if name == Self::Podman.as_str() {
            Self::Podman
        } else {
            Self::Docker
        }
    }
}

const VERSION: &str = "/version";
const LIST: &str = "/containers/json";
/// The most containers that are listed.
const LIST_LIMIT: usize = 4096;
/// The largest list that is taken, in bytes: a container takes one to two kB of it, its labels included.
const LIST_BODY_LIMIT: usize = 8 << 20;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct VersionAnswer {
    version: String,
    api_version: String,
    /// Absent before API 1.35.
    components: Option<Vec<Component>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Component {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Listed {
    id: String,
}

/// Labels of a container or of an image; `null` where there are none.
type Labels = Option<BTreeMap<String, String>>;

/// Asks who is there, and for its version.
///
/// # Errors
/// [`CallError`].
pub(crate) async fn version(client: &HttpClient, deadline: Instant) -> Result<(Kind, String), CallError> {
    let answer: VersionAnswer = client.get(VERSION, deadline).await?;
    if answer.version.is_empty() || answer.api_version.is_empty() {
        return Err(client.unusable(VERSION, "it tells no version".to_owned()));
    }
    let podman = |component: &Component| component.name.starts_with("Podman");
    let kind = match answer.components.iter().flatten().any(podman) {
        true => Kind::Podman,
        false => Kind::Docker,
    };
    Ok((kind, answer.version))
}

/// The ids of the containers that run, at most 4096.
///
/// # Errors
/// [`CallError`].
pub(crate) async fn running(client: &HttpClient, deadline: Instant) -> Result<Vec<String>, CallError> {
    let listed: Vec<Listed> = client.get_within(LIST, LIST_BODY_LIMIT, deadline).await?;
    let ids = listed.into_iter().map(|container| container.id);
    Ok(ids.filter(|id| is_container_id(id)).take(LIST_LIMIT).collect())
}

/// Looks a full id up. `None`: nobody there knows it.
///
/// # Errors
/// [`CallError`].
pub(crate) async fn lookup(
    client: &HttpClient,
    kind: Kind,
    id: &str,
    deadline: Instant,
) -> Result<Option<Found>, CallError> {
    // What else the API takes for an id: a name, and the beginning of either.
    if !is_container_id(id) {
        return Ok(None);
    }
    match kind {
        Kind::Docker => docker::lookup(client, id, deadline).await,
        Kind::Podman => podman::lookup(client, id, deadline).await,
    }
}

/// `None` for what is not there. The API answers for a name or the beginning of an id too; such an answer is about
/// something that was not asked for.
fn same_or_unknown<A>(
    client: &HttpClient,
    path: &str,
    asked: &str,
    answer: Result<A, CallError>,
    id: fn(&A) -> &str,
) -> Result<Option<A>, CallError> {
    if let Ok(answer) = &answer {
        trace::compared(&format!("GET {path}"), asked, id(answer));
    }
    match answer {
        Ok(answer) if id(&answer) == asked => Ok(Some(answer)),
        Ok(answer) => Err(client.unusable(path, format!("asked for {asked}, answered for {:.80?}", id(&answer)))),
        Err(error) if error.not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
