//! Which container runtimes are here: candidate sockets, and what became of each.
//!
//! Sockets that are set in the configuration are the only candidates then; otherwise every well-known path below the
//! host prefix is one. Several runtimes at once are normal, so nothing is chosen here: all candidates are kept with
//! their state, and the doctor shows the same list that lookups use.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use serde::Serialize;

pub use self::table::Protocol;

use super::connection::{CallError, Connection, errno};
use super::outcome::Reason;
use super::{containerd, cri, engine};
use crate::config::settings::Runtime;

/// Where runtimes put their sockets, in the order in which they are asked. Paths below `/run`, because `/var/run` is a
/// symbolic link that would lead out of the host prefix.
pub const WELL_KNOWN: [(&str, &str); 9] = [
    ("/run/containerd/containerd.sock", "containerd"),
    ("/run/crio/crio.sock", "CRI-O"),
    ("/run/k3s/containerd/containerd.sock", "k3s, RKE2"),
    ("/run/k0s/containerd.sock", "k0s"),
    ("/var/snap/microk8s/common/run/containerd.sock", "MicroK8s"),
    ("/run/cri-dockerd.sock", "cri-dockerd"),
    ("/run/dockershim.sock", "Bottlerocket before 1.11"),
    ("/run/host-containerd/containerd.sock", "Bottlerocket's host containers"),
    ("/run/docker/containerd/containerd.sock", "Docker's own containerd"),
];

/// Why a socket is a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It is set in the configuration.
    Configured,
    /// It is where this product puts its socket.
    WellKnown(&'static str),
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

/// A socket and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The path, host prefix included.
    pub socket: PathBuf,
    /// Why it is a candidate.
    pub origin: Origin,
    /// What became of it.
    #[serde(flatten)]
    pub state: State,
}

/// Asks every candidate once, in order, each within the call timeout. Blocks.
///
/// # Errors
/// When no event loop can be made for the calls (file descriptors are exhausted).
pub fn probe(settings: &Runtime) -> Result<Vec<Candidate>, super::resolver::Error> {
    let event_loop = super::resolver::event_loop()?;
    Ok(event_loop.block_on(async {
        let mut candidates = Vec::new();
        for (socket, origin) in sockets(settings) {
            let connection = Connection::new(socket.clone(), settings.call_timeout, Instant::now);
            let state = first_look(&connection, settings.call_timeout).await;
            candidates.push(Candidate { socket, origin, state });
        }
        candidates
    }))
}

/// The candidates' paths. Of several well-known paths that lead to one socket only the first is kept.
pub(crate) fn sockets(settings: &Runtime) -> Vec<(PathBuf, Origin)> {
    if !settings.socket.is_empty() {
        return settings
            .socket
            .iter()
            .map(|path| (path.clone(), Origin::Configured))
            .collect();
    }
    let mut seen = Vec::new();
    let mut candidates = Vec::new();
    for (path, product) in WELL_KNOWN {
        let socket = below(&settings.host_prefix, path);
        if let Ok(file) = std::fs::metadata(&socket) {
            let inode = (file.dev(), file.ino());
            if seen.contains(&inode) {
                continue;
            }
            seen.push(inode);
        }
        candidates.push((socket, Origin::WellKnown(product)));
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

mod table;
#[cfg(test)]
mod tests;
