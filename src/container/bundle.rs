//! OCI bundles: what runtimes wrote down for the program that starts a container, for nodes where their sockets may not
//! be used.
//!
//! It owns the directories that are named in `runtime.bundles`. They are opened once, before privileges go; afterwards a
//! lookup opens `<id>/config.json`, or `<id>/userdata/config.json` in the storage of CRI-O and podman, step by step below
//! such a descriptor, follows no link, waits for nothing and reads at most 1 MiB. Ids are 64 hexadecimal digits, so no
//! name of a file comes from anywhere else. It refuses to list directories at run time.
//!
//! A bundle has neither the pod's labels (containerd) nor whether the container is privileged, so an outcome from it is
//! never complete. It holds the environment too, which is never taken out of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use serde::Deserialize;

use super::bounds;
use super::cgroup::is_container_id;
use super::outcome::Reason;
use super::runtime::Found;
use super::selection::Selection;
use super::trace::{self, Note};

mod told;

/// The largest `config.json` that is read, in bytes; the recorded ones have 5 to 25 kB.
const SPEC_LIMIT: u64 = 1 << 20;
/// How many directories are kept open; a node has one or two.
const DIRECTORIES_LIMIT: usize = 16;
/// containerd's directory of bundles: one below it for each of its namespaces.
const TASKS: &str = "io.containerd.runtime.v2.task";

/// Why a bundle, or the directory of the bundles, could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The directory cannot be opened.
    #[error("cannot open the bundles in {directory}: {source}")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The bundle is there and cannot be read; it belongs to root and nobody else may look into it.
    #[error("cannot read the bundle of {id} in {directory}: {source}")]
    Read {
        /// The directory.
        directory: PathBuf,
        /// The container.
        id: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The specification is larger than the agent reads.
    #[error("the bundle of {id} in {directory} exceeds {SPEC_LIMIT} bytes")]
    TooLarge {
        /// The directory.
        directory: PathBuf,
        /// The container.
        id: String,
    },
    /// The specification is no JSON of the expected form. The position only: what is there may be secret.
    #[error("the bundle of {id} in {directory} cannot be used: line {line}, column {column}")]
    Unusable {
        /// The directory.
        directory: PathBuf,
        /// The container.
        id: String,
        /// Where it broke.
        line: usize,
        /// Where it broke.
        column: usize,
    },
}

/// Who keeps bundles there, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Layout {
    /// `<id>/config.json`, in this namespace of containerd.
    Containerd { namespace: String },
    /// `<id>/userdata/config.json`: containers/storage, which CRI-O and podman share.
    Storage,
}

impl Layout {
    fn of(directory: &Path) -> Self {
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with("-containers") {
            Self::Storage
        } else {
            Self::Containerd {
                namespace: name.into_owned(),
            }
        }
    }
}

#[derive(Debug)]
struct Directory {
    path: PathBuf,
    descriptor: OwnedFd,
    layout: Layout,
}

/// Directories of bundles, open.
#[derive(Debug, Default)]
pub(crate) struct Bundles {
    directories: Vec<Directory>,
}

/// The OCI runtime specification, as far as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    annotations: Option<BTreeMap<String, String>>,
    linux: Option<Linux>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Linux {
    cgroups_path: Option<String>,
}

impl Bundles {
    /// Opens the directories, and those of containerd's namespaces that are in one of them now. What cannot be opened is
    /// told in the log: the others work without it.
    pub(crate) fn open(paths: &[PathBuf]) -> Self {
        let (bundles, errors) = Self::try_open(paths);
        for error in errors {
            tracing::warn!(%error, "bundles are not used");
        }
        bundles
    }

    fn try_open(paths: &[PathBuf]) -> (Self, Vec<Error>) {
        let (mut directories, mut errors) = (Vec::new(), Vec::new());
        for path in paths
            .iter()
            .flat_map(|path| with_namespaces(path))
            .take(DIRECTORIES_LIMIT)
        {
            match open(&path, directory_flags(), Mode::empty()) {
                Ok(descriptor) => directories.push(Directory {
                    layout: Layout::of(&path),
                    path,
                    descriptor,
                }),
                Err(errno) => errors.push(Error::Directory {
                    directory: path,
                    source: errno.into(),
                }),
            }
        }
        (Self { directories }, errors)
    }

    /// What the bundle of a container tells, where the runtimes did not for this reason, which is kept: an outcome from a
    /// bundle lacks what only they know.
    pub(crate) fn found(&self, id: &str, reason: Reason, selection: &Selection) -> Result<Found, Reason> {
        let found = self.lookup(id);
        trace::note(|| Note::Bundles {
            directories: self.directories.len(),
            found: match &found {
                Ok(found) => Ok(found.is_some()),
                Err(error) => Err(trace::bounded(&error.to_string())),
            },
        });
        match found {
            Ok(Some(mut found)) => {
                found.gap = Some(reason);
                bounds::bound(&mut found, selection);
                Ok(found)
            }
            Ok(None) => Err(reason),
            Err(error) => {
                tracing::debug!(%error, "a bundle is not used");
                Err(reason)
            }
        }
    }

    /// What the bundle of a container tells. `None`: there is none in any directory. Reads files, which are in memory.
    ///
    /// # Errors
    /// The first failure, when no directory has a bundle that can be read.
    fn lookup(&self, id: &str) -> Result<Option<Found>, Error> {
        if !is_container_id(id) {
            return Ok(None);
        }
        let mut failure = None;
        for directory in &self.directories {
            match directory.spec(id) {
                Ok(Some(spec)) => return Ok(Some(Self::assemble(directory, id, spec))),
                Ok(None) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    fn assemble(directory: &Directory, id: &str, spec: Spec) -> Found {
        let annotations = spec.annotations.unwrap_or_default();
        let cgroups_path = spec.linux.and_then(|linux| linux.cgroups_path);
        let (mut found, sandbox) = match &directory.layout {
            Layout::Containerd { namespace } => (told::by_containerd(id, namespace, &annotations), None),
            Layout::Storage => told::by_storage(id, &annotations),
        };
        // CRI-O writes a pod's labels into the bundle of its sandbox only.
        if let Some(sandbox) = sandbox.filter(|sandbox| is_container_id(sandbox)) {
            match directory.spec(&sandbox) {
                Ok(spec) => {
                    let annotations = spec.and_then(|spec| spec.annotations).unwrap_or_default();
                    told::add_pod(&mut found, &annotations);
                }
                Err(error) => tracing::debug!(%error, "the bundle of a sandbox"),
            }
        }
        told::add_place(&mut found, cgroups_path);
        found
    }
}

impl Directory {
    /// The specification of a container; `None` where there is no bundle.
    fn spec(&self, id: &str) -> Result<Option<Spec>, Error> {
        let (directory, id) = (|| self.path.clone(), || id.to_owned());
        let bytes = match self.read(&id()) {
            Ok(bytes) => bytes,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(Error::Read {
                    directory: directory(),
                    id: id(),
                    source,
                });
            }
        };
        if bytes.len() as u64 > SPEC_LIMIT {
            return Err(Error::TooLarge {
                directory: directory(),
                id: id(),
            });
        }
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| Error::Unusable {
                directory: directory(),
                id: id(),
                line: error.line(),
                column: error.column(),
            })
    }

    fn read(&self, id: &str) -> io::Result<Vec<u8>> {
        let step = |above: &dyn AsFd, name: &str| {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            openat(above.as_fd(), name, flags, Mode::empty())
        };
        let mut bundle = step(&self.descriptor, id)?;
        if self.layout == Layout::Storage {
            bundle = step(&bundle, "userdata")?;
        }
        // Without waiting, should somebody have put a FIFO there.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = File::from(openat(&bundle, "config.json", flags, Mode::empty())?);
        let mut bytes = Vec::new();
        file.take(SPEC_LIMIT + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

fn directory_flags() -> OFlag {
    OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC
}

/// The directory itself, or the namespaces in it if it is containerd's.
fn with_namespaces(path: &Path) -> Vec<PathBuf> {
    if path.file_name().is_none_or(|name| name.as_bytes() != TASKS.as_bytes()) {
        return vec![path.to_owned()];
    }
    match fs::read_dir(path) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        // Opening it says what is wrong.
        Err(_) => vec![path.to_owned()],
    }
}

#[cfg(test)]
mod tests;
