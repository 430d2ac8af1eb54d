//! Which container runtimes are here: candidate sockets, what became of each, and what speaks for it.
//!
//! Sockets that are set in the configuration are the only candidates then; otherwise it is those that `crictl` is set to
//! and every well-known path below the host prefix. Several runtimes at once are normal, so nothing is chosen here: all
//! candidates are kept with their state and their rank, and the doctor shows the same list that lookups use.

mod crictl;
pub mod evidence;
pub mod table;

use std::ffi::OsString;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use serde::Serialize;

pub use self::evidence::{Evidence, Rank};
pub use self::table::{Protocol, WELL_KNOWN, WellKnown};

use super::connection::{CallError, Connection, errno};
use super::outcome::Reason;
use super::{containerd, cri, engine, own};
use crate::config::settings::Runtime;

/// What containerd is asked in where it serves no CRI; its name for itself too.
pub const OWN_API: &str = "containerd";
/// What Docker and podman are asked in: the Docker Engine API.
pub const ENGINE: &str = "engine";

/// Why a socket is a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It is set in the configuration.
    Configured,
    /// `CONTAINER_RUNTIME_ENDPOINT` names it, which `crictl` obeys.
    CrictlEnvironment,
    /// `/etc/crictl.yaml` names it.
    CrictlYaml,
    /// It is where this product puts its socket.
    WellKnown(&'static str),
}

impl Origin {
    /// In words, for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configuration",
            Self::CrictlEnvironment => "CONTAINER_RUNTIME_ENDPOINT",
            Self::CrictlYaml => "crictl.yaml",
            Self::WellKnown(product) => product,
        }
    }
}

/// What became of a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// No such file.
    Absent {
        /// The kernel's words.
        error: String,
    },
    /// There is a file, and it is no socket.
    NotASocket,
    /// This process may not connect: file mode, directory mode or a security module.
    Permission {
        /// The kernel's words.
        error: String,
    },
    /// Nobody listens, or the kernel refused for another reason.
    Refused {
        /// The kernel's words.
        error: String,
    },
    /// Connected, or queued, and not answered in time.
    Timeout,
    /// The peer speaks something else.
    NotGrpc {
        /// What broke.
        error: String,
    },
    /// The peer speaks gRPC and serves no CRI.
    CriUnimplemented {
        /// containerd's version, when its own API answers; lookups then use that.
        containerd: Option<String>,
    },
    /// The peer serves CRI and answers with an error; a runtime that is still starting does.
    Failing {
        /// The runtime's words.
        error: String,
    },
    /// A runtime.
    Answers {
        /// Its own name for itself.
        name: String,
        /// Its version.
        version: String,
        /// The version of CRI that is used with it.
        api: cri::Api,
    },
    /// Docker or podman.
    #[serde(rename = "answers")]
    Engine {
        /// `docker` or `podman`.
        name: String,
        /// Its version.
        version: String,
    },
}

impl State {
    /// The class, as it stands in reports.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Absent { .. } => "absent",
            Self::NotASocket => "not_a_socket",
            Self::Permission { .. } => "permission",
            Self::Refused { .. } => "refused",
            Self::Timeout => "timeout",
            Self::NotGrpc { .. } => "not_grpc",
            Self::CriUnimplemented { .. } => "cri_unimplemented",
            Self::Failing { .. } => "failing",
            Self::Answers { .. } | Self::Engine { .. } => "answers",
        }
    }

    /// The evidence behind the class, for people; empty where the class says all.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Absent { error }
            | Self::Permission { error }
            | Self::Refused { error }
            | Self::NotGrpc { error }
            | Self::Failing { error } => error.clone(),
            Self::NotASocket | Self::Timeout => String::new(),
            Self::CriUnimplemented {
                containerd: Some(version),
            } => format!("containerd {version} without CRI"),
            Self::CriUnimplemented { containerd: None } => String::new(),
            Self::Answers { name, version, api } => format!("{name} {version}, CRI {api}"),
            Self::Engine { name, version } => format!("{name} {version}, Docker Engine API"),
        }
    }

    /// Who answers there, in its own words, its version, and what it is asked in: a version of CRI, [`OWN_API`] or
    /// [`ENGINE`]. `None` where nobody does.
    #[must_use]
    pub fn runtime(&self) -> Option<(&str, &str, &'static str)> {
        match self {
            Self::Answers { name, version, api } => Some((name, version, api.as_str())),
            Self::Engine { name, version } => Some((name, version, ENGINE)),
            Self::CriUnimplemented {
                containerd: Some(version),
            } => Some((OWN_API, version, OWN_API)),
            _ => None,
        }
    }

    /// Why lookups do not use it; `None` when they do.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Absent { .. } => Some(Reason::NoRuntimeSocket),
            Self::Permission { .. } => Some(Reason::SocketPermission),
            Self::NotASocket | Self::Refused { .. } => Some(Reason::SocketRefused),
            Self::Timeout => Some(Reason::RuntimeTimeout),
            Self::NotGrpc { .. } => Some(Reason::SocketProtocol),
            Self::Failing { .. } => Some(Reason::RuntimeError),
            Self::CriUnimplemented { containerd: None } => Some(Reason::CriUnimplemented),
            Self::CriUnimplemented { containerd: Some(_) } | Self::Answers { .. } | Self::Engine { .. } => None,
        }
    }
}

impl From<&CallError> for State {
    fn from(error: &CallError) -> Self {
        match error {
            CallError::Connect { source, .. } => {
                let number = errno(source);
                let text = match number {
                    Errno::UnknownErrno => source.to_string(),
                    number => format!("{number:?}: {}", number.desc()),
                };
                match error.reason() {
                    Reason::NoRuntimeSocket => Self::Absent { error: text },
                    Reason::SocketPermission => Self::Permission { error: text },
                    Reason::RuntimeTimeout => Self::Timeout,
                    _ => Self::Refused { error: text },
                }
            }
            CallError::Timeout { .. } | CallError::CircuitOpen { .. } => Self::Timeout,
            CallError::Protocol { detail, .. } => Self::NotGrpc { error: detail.clone() },
            CallError::TooLarge { .. } | CallError::Unusable { .. } => Self::NotGrpc {
                error: error.to_string(),
            },
            CallError::Refused { code, message, .. } => Self::Failing {
                error: format!("{code:?}: {message}"),
            },
        }
    }
}

/// A socket, what became of it, and what speaks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The path, host prefix included.
    pub socket: PathBuf,
    /// Why it is a candidate.
    pub origin: Origin,
    /// What is expected to be spoken there.
    pub protocol: Protocol,
    /// What became of it.
    #[serde(flatten)]
    pub state: State,
    /// What was found behind it, when it answered.
    #[serde(flatten)]
    pub evidence: Evidence,
}

impl Candidate {
    /// A candidate as it was seen.
    #[must_use]
    pub fn new(socket: PathBuf, origin: Origin, state: State, evidence: Evidence) -> Self {
        let protocol = Protocol::of(&socket);
        Self {
            socket,
            origin,
            protocol,
            state,
            evidence,
        }
    }

    /// How much speaks for it.
    #[must_use]
    pub fn rank(&self) -> Rank {
        Rank::of(&self.state, &self.evidence)
    }
}

/// Asks every candidate once, in order, each within the call timeout, and once more as long what it runs. Blocks.
///
/// # Errors
/// When no event loop can be made for the calls (file descriptors are exhausted).
pub fn probe(settings: &Runtime) -> Result<Vec<Candidate>, super::resolver::Error> {
    let event_loop = super::resolver::event_loop()?;
    let own = own_ids();
    Ok(event_loop.block_on(async {
        let mut candidates = Vec::new();
        for (socket, origin) in sockets(settings) {
            let connection = Connection::new(socket.clone(), settings.call_timeout, Instant::now);
            let (state, evidence) = examine(&connection, &own, settings.call_timeout).await;
            candidates.push(Candidate::new(socket, origin, state, evidence));
        }
        candidates
    }))
}

/// The own container's ids; none where they cannot be read, and then no runtime is proven by them.
pub(crate) fn own_ids() -> Vec<String> {
    own::ids(Path::new("/")).unwrap_or_else(|error| {
        tracing::debug!(%error, "the own container is not known");
        Vec::new()
    })
}

/// The candidates' paths. Of several paths that lead to one socket only the first is kept.
pub(crate) fn sockets(settings: &Runtime) -> Vec<(PathBuf, Origin)> {
    sockets_with(settings, std::env::var_os(crictl::VARIABLE))
}

fn sockets_with(settings: &Runtime, endpoint: Option<OsString>) -> Vec<(PathBuf, Origin)> {
    if !settings.socket.is_empty() {
        return settings
            .socket
            .iter()
            .map(|path| (path.clone(), Origin::Configured))
            .collect();
    }
    let prefix = &settings.host_prefix;
    // A variable is this process's own, so the path in it is meant as this process sees it; the file is the host's.
    let variable = endpoint.and_then(|value| crictl::socket(value.to_str()?));
    let file = crictl::sockets_of(&below(prefix, crictl::FILE));
    let well_known = WELL_KNOWN.iter();
    let named = variable.map(|socket| (socket, Origin::CrictlEnvironment)).into_iter();
    let all = named
        .chain(
            file.into_iter()
                .map(|path| (of_host(prefix, &path), Origin::CrictlYaml)),
        )
        .chain(well_known.map(|place| (below(prefix, place.socket), Origin::WellKnown(place.product))));
    let mut seen = Vec::new();
    let mut candidates: Vec<(PathBuf, Origin)> = Vec::new();
    for (socket, origin) in all {
        if candidates.iter().any(|(known, _)| *known == socket) {
            continue;
        }
        if let Ok(file) = std::fs::metadata(&socket) {
            let inode = (file.dev(), file.ino());
            if seen.contains(&inode) {
                continue;
            }
            seen.push(inode);
        }
        candidates.push((socket, origin));
    }
    candidates
}

fn below(prefix: &Path, path: &str) -> PathBuf {
    if prefix.as_os_str().is_empty() {
        PathBuf::from(path)
    } else {
        prefix.join(path.trim_start_matches('/'))
    }
}

/// A path that a file of the host gives. A host's `/var/run` is a link to `/run`, which would lead out of the prefix.
fn of_host(prefix: &Path, path: &Path) -> PathBuf {
    match path.strip_prefix("/var/run") {
        Ok(rest) if !prefix.as_os_str().is_empty() => prefix.join("run").join(rest),
        _ => below(prefix, &path.to_string_lossy()),
    }
}

/// [`first_look`], and what speaks for the socket where a runtime answers. Each takes the timeout at most.
pub(crate) async fn examine(connection: &Connection, own: &[String], timeout: Duration) -> (State, Evidence) {
    let state = first_look(connection, timeout).await;
    let evidence = evidence::gather(connection, &state, own, Instant::now() + timeout).await;
    (state, evidence)
}

/// [`classify`], plus the look at the file that tells a dead socket from a plain file. Only this one touches the file
/// system, so it is for the start and for the doctor; the running agent's filter need not allow it.
pub(crate) async fn first_look(connection: &Connection, timeout: Duration) -> State {
    let state = classify(connection, Instant::now() + timeout).await;
    if matches!(state, State::Refused { .. })
        && std::fs::metadata(connection.socket()).is_ok_and(|file| !file.file_type().is_socket())
    {
        return State::NotASocket;
    }
    state
}

/// Connects and asks for the version: CRI v1, else v1alpha2, else containerd's own API; of Docker and podman theirs.
pub(crate) async fn classify(connection: &Connection, deadline: Instant) -> State {
    if let Some(client) = connection.http() {
        return match engine::version(client, deadline).await {
            Ok((kind, version)) => State::Engine {
                name: kind.as_str().to_owned(),
                version,
            },
            Err(error) => State::from(&error),
        };
    }
    for api in cri::Api::ALL {
        match cri::version(connection, api, deadline).await {
            Ok(version) => {
                return State::Answers {
                    name: version.runtime_name,
                    version: version.runtime_version,
                    api,
                };
            }
            Err(error) if error.unimplemented() => {}
            Err(error) => return State::from(&error),
        }
    }
    State::CriUnimplemented {
        containerd: containerd::version(connection, deadline).await.ok(),
    }
}

#[cfg(test)]
mod tests;
