//! What can go wrong in the lab, with the operation, its object and the cause.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// An error of the lab. Its text is meant to be read as it is, so it carries the output of the tool that failed.
#[derive(thiserror::Error)]
pub(crate) enum LabError {
    /// A tool that the lab is built on is not there.
    #[error("{tool} is not installed: install the package {package} (tests/lab/setup does so on Debian)")]
    MissingTool { tool: String, package: &'static str },
    /// A program could not be started.
    #[error("cannot start {program}: {source}")]
    Start { program: String, source: std::io::Error },
    /// A program ran and failed.
    #[error("{command} failed ({status}):\n{output}")]
    Failed {
        command: String,
        status: String,
        output: String,
    },
    /// An operation on a file or a directory failed.
    #[error("cannot {operation} {path}: {source}", path = path.display())]
    File {
        operation: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    /// A system call failed.
    #[error("{call}: {source}")]
    System {
        call: &'static str,
        source: nix::errno::Errno,
    },
    /// The channel to the container runtime could not be made.
    #[error("cannot connect to {socket}: {source}", socket = socket.display())]
    Connect {
        socket: PathBuf,
        source: tonic::transport::Error,
    },
    /// The container runtime refused a call.
    #[error("{call} refused by the runtime: {status}")]
    Call {
        call: &'static str,
        status: Box<tonic::Status>,
    },
    /// The container runtime answered without something that it must tell.
    #[error("the answer to {call} has no {what}")]
    Answer { call: &'static str, what: &'static str },
    /// A value could not be written as JSON.
    #[error("cannot encode {what}: {source}")]
    Encode {
        what: &'static str,
        source: serde_json::Error,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {within:?}\n{context}")]
    Deadline {
        what: String,
        within: Duration,
        context: String,
    },
    /// Standard output of the agent held something that is not JSON.
    #[error("the agent printed a line that is not JSON: {line:?}: {source}")]
    NotJson { line: String, source: serde_json::Error },
    /// A pod cannot be run as its specification asks.
    #[error("the pod: {why}")]
    Pod { why: String },
    /// The place that the lab needs is not usable.
    #[error("no usable directory for the lab: {why}")]
    Place { why: String },
}

/// The text, not the structure: tests print errors with `unwrap`, and people read them there.
impl std::fmt::Debug for LabError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The result of an operation in the lab.
pub(crate) type Result<T> = std::result::Result<T, LabError>;

impl LabError {
    /// What keeps a pod from running.
    pub(crate) fn pod(why: impl Into<String>) -> Self {
        Self::Pod { why: why.into() }
    }

    /// For `map_err` on file operations.
    pub(crate) fn file(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            operation,
            path,
            source,
        }
    }

    /// For `map_err` on calls to the container runtime.
    pub(crate) fn call(call: &'static str) -> impl FnOnce(tonic::Status) -> Self {
        move |status| Self::Call {
            call,
            status: Box::new(status),
        }
    }

    /// For `map_err` on system calls.
    pub(crate) fn system(call: &'static str) -> impl FnOnce(nix::errno::Errno) -> Self {
        move |source| Self::System { call, source }
    }
}
