//! Why there is nothing to judge.

use std::path::PathBuf;

use crate::kubernetes;
use crate::platform::profile;

/// Why there is nothing to judge: every one is a mistake in what was handed in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read, or holds what is no object of Kubernetes.
    #[error(transparent)]
    Manifest(#[from] kubernetes::Error),
    /// A seccomp profile is not of the form that container runtimes read.
    #[error("{}: no seccomp profile that a container runtime reads: {problem}", file.display())]
    Seccomp {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
    /// There is no such profile.
    #[error(transparent)]
    Profile(#[from] profile::Error),
    /// The profile is for hosts outside Kubernetes.
    #[error("profile {name} is for hosts outside Kubernetes: there are no manifests to judge")]
    NotKubernetes {
        /// Its name.
        name: String,
    },
}
