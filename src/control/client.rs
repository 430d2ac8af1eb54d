//! The client of the admin socket: blocking, every call with a deadline, every way to fail told apart.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::time::{Instant, timeout_at};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use super::api::admin_client::AdminClient;
use super::api::watch_exec_reply::Reply;
use super::api::{
    GetContainersReply, GetContainersRequest, GetStatusReply, GetStatusRequest, Reporting, SetReportingRequest,
    WatchExecRequest,
};
use super::peer::Peer;

/// Largest answer that is accepted.
const MAX_REPLY: usize = 1024 * 1024;

/// Why the running agent could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no socket at the path.
    #[error("no admin socket at {path}")]
    Absent {
        /// The socket.
        path: PathBuf,
    },
    /// The socket is there and nobody listens: the agent that made it is gone.
    #[error("nobody listens on the admin socket {path} (a stale file, or no socket)")]
    Refused {
        /// The socket.
        path: PathBuf,
    },
    /// This process may not connect.
    #[error("no permission to connect to the admin socket {path}: {source}")]
    Permission {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The connection failed for another reason of the system.
    #[error("cannot connect to the admin socket {path}: {source}")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No answer within the deadline.
    #[error("the agent did not answer {call} on {path} within {deadline:?}")]
    Timeout {
        /// The call.
        call: &'static str,
        /// The socket.
        path: PathBuf,
        /// The deadline.
        deadline: Duration,
    },
    /// The peer answered something that is not the admin protocol, or broke off.
    #[error("the peer on {path} broke the admin protocol in {call}: {detail}")]
    Protocol {
        /// The call.
        call: &'static str,
        /// The socket.
        path: PathBuf,
        /// What was wrong.
        detail: String,
    },
    /// The agent refused the call.
    #[error("the agent refused {call}: {message}")]
    Rejected {
        /// The call.
        call: &'static str,
        /// The agent's words.
        message: String,
    },
    /// The agent does not do this for whoever asks.
    #[error("the agent denied {call}: {message}")]
    Denied {
        /// The call.
        call: &'static str,
        /// The agent's words.
        message: String,
    },
    /// The client's own event loop could not be made.
    #[error("cannot start the client's event loop: {0}")]
    Runtime(#[source] io::Error),
}

/// A connection to the running agent.
#[derive(Debug)]
pub struct Client {
    runtime: Runtime,
    admin: AdminClient<Channel>,
    path: PathBuf,
    peer: Option<Peer>,
}

impl Client {
    /// Connects within the deadline.
    ///
    /// # Errors
    /// Absent, refused, permission and timeout are told apart; the peer's protocol shows with the first call.
    pub fn connect(path: &Path, deadline: Duration) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(Error::Runtime)?;
        let (admin, peer) = runtime.block_on(connect(path, deadline))?;
        Ok(Self {
            runtime,
            admin,
            path: path.to_owned(),
            peer,
        })
    }

    /// Who listens on the socket, when the kernel says it.
    #[must_use]
    pub fn peer(&self) -> Option<Peer> {
        self.peer
    }

    /// A snapshot of the running agent.
    ///
    /// # Errors
    /// When no answer comes within the deadline or the peer does not speak the protocol.
    pub fn status(&mut self, deadline: Duration) -> Result<GetStatusReply, Error> {
        const CALL: &str = "GetStatus";
        let answer = self.runtime.block_on(async {
            timeout_at(Instant::now() + deadline, self.admin.get_status(GetStatusRequest {})).await
        });
        match answer {
            Ok(Ok(reply)) => Ok(reply.into_inner()),
            Ok(Err(status)) => Err(self.failed(CALL, deadline, &status)),
            Err(_) => Err(self.late(CALL, deadline)),
        }
    }

    /// Changes which of the attached hooks report: words are hooks, classes and `all`. Returns what is off once that is in
    /// force.
    ///
    /// # Errors
    /// [`Error::Rejected`] when the agent does not do it, with its reason.
    pub fn set_reporting(&mut self, on: &[String], off: &[String], deadline: Duration) -> Result<Reporting, Error> {
        const CALL: &str = "SetReporting";
        let request = SetReportingRequest {
            on: on.to_vec(),
            off: off.to_vec(),
        };
        let answer = self
            .runtime
            .block_on(async { timeout_at(Instant::now() + deadline, self.admin.set_reporting(request)).await });
        match answer {
            Ok(Ok(reply)) => Ok(reply.into_inner().reporting.unwrap_or_default()),
            Ok(Err(status)) => Err(self.failed(CALL, deadline, &status)),
            Err(_) => Err(self.late(CALL, deadline)),
        }
    }

    /// What the agent holds of containers.
    ///
    /// # Errors
    /// [`Error::Denied`] to others than root and the agent's own user.
    pub fn containers(
        &mut self,
        question: GetContainersRequest,
        deadline: Duration,
    ) -> Result<GetContainersReply, Error> {
        const CALL: &str = "GetContainers";
        let answer = self
            .runtime
            .block_on(async { timeout_at(Instant::now() + deadline, self.admin.get_containers(question)).await });
        match answer {
            Ok(Ok(reply)) => Ok(reply.into_inner()),
            Ok(Err(status)) => Err(self.failed(CALL, deadline, &status)),
            Err(_) => Err(self.late(CALL, deadline)),
        }
    }

    /// Arms a watch for an exec that has `token` as an argument, calls `on_armed`, and returns the event's JSON.
    ///
    /// # Errors
    /// [`Error::Timeout`] when no such exec was seen within the deadline.
    pub fn watch_exec(&mut self, token: &str, deadline: Duration, on_armed: impl FnOnce()) -> Result<String, Error> {
        const CALL: &str = "WatchExec";
        let request = WatchExecRequest {
            token: token.to_owned(),
            deadline_ms: u32::try_from(deadline.as_millis()).unwrap_or(u32::MAX),
        };
        let answer = self.runtime.block_on(async {
            timeout_at(Instant::now() + deadline, async {
                let mut stream = self.admin.watch_exec(request).await?.into_inner();
                let mut on_armed = Some(on_armed);
                while let Some(message) = stream.message().await? {
                    match (message.reply, on_armed.take()) {
                        (Some(Reply::Armed(true)), Some(run)) => run(),
                        (Some(Reply::EventJson(json)), None) => return Ok(Some(json)),
                        _ => return Ok(None),
                    }
                }
                Ok(None)
            })
            .await
        });
        match answer {
            Ok(Ok(Some(json))) => Ok(json),
            Ok(Ok(None)) => Err(Error::Protocol {
                call: CALL,
                path: self.path.clone(),
                detail: "the answers were not `armed` followed by an event".to_owned(),
            }),
            Ok(Err(status)) => Err(self.failed(CALL, deadline, &status)),
            Err(_) => Err(self.late(CALL, deadline)),
        }
    }

    fn late(&self, call: &'static str, deadline: Duration) -> Error {
        Error::Timeout {
            call,
            path: self.path.clone(),
            deadline,
        }
    }

    fn failed(&self, call: &'static str, deadline: Duration, status: &tonic::Status) -> Error {
        match status.code() {
            Code::DeadlineExceeded => self.late(call, deadline),
            Code::PermissionDenied => Error::Denied {
                call,
                message: status.message().to_owned(),
            },
            Code::InvalidArgument | Code::ResourceExhausted | Code::FailedPrecondition => Error::Rejected {
                call,
                message: status.message().to_owned(),
            },
            code => {
                let mut detail = format!("{code}: {}", status.message());
                let mut cause = status.source();
                while let Some(error) = cause {
                    detail.push_str(&format!(": {error}"));
                    cause = error.source();
                }
                Error::Protocol {
                    call,
                    path: self.path.clone(),
                    detail,
                }
            }
        }
    }
}

async fn connect(path: &Path, deadline: Duration) -> Result<(AdminClient<Channel>, Option<Peer>), Error> {
    let until = Instant::now() + deadline;
    let late = || Error::Timeout {
        call: "connect",
        path: path.to_owned(),
        deadline,
    };
    // The first connection tells errno and peer; the channel would hide both.
    let first = timeout_at(until, UnixStream::connect(path)).await.map_err(|_| late())?;
    let first = first.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::Absent { path: path.to_owned() },
        io::ErrorKind::ConnectionRefused => Error::Refused { path: path.to_owned() },
        io::ErrorKind::PermissionDenied => Error::Permission {
            path: path.to_owned(),
            source,
        },
        // A full backlog: somebody listens, nobody accepts.
        io::ErrorKind::WouldBlock => late(),
        _ => Error::Connect {
            path: path.to_owned(),
            source,
        },
    })?;
    let peer = Peer::of(&first);
    drop(first);

    let broken = |detail: String| Error::Protocol {
        call: "connect",
        path: path.to_owned(),
        detail,
    };
    let text = path
        .to_str()
        .ok_or_else(|| broken("the path is not UTF-8".to_owned()))?;
    let endpoint = Endpoint::from_shared(format!("unix://{text}")).map_err(|error| broken(error.to_string()))?;
    let channel = timeout_at(until, endpoint.connect())
        .await
        .map_err(|_| late())?
        .map_err(|error| broken(error.to_string()))?;
    Ok((AdminClient::new(channel).max_decoding_message_size(MAX_REPLY), peer))
}
