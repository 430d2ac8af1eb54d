//! Making the socket file: the only place of this room that touches the file system.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Mode of the socket: the agent's user and group, nobody else. Group access lets another container of the pod ask.
const SOCKET_MODE: u32 = 0o660;
/// Mode of the run directory when it has to be made.
const DIRECTORY_MODE: u32 = 0o750;

/// Why the admin socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory of the socket is missing and could not be made.
    #[error("cannot create the directory {path} for the admin socket: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process listens on this socket.
    #[error("the admin socket {path} is in use by a running agent; stop it or set another control.socket")]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket stands at the path; it is left alone.
    #[error("{path} exists and is not a socket; remove it or set another control.socket")]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// Whether the existing socket is stale could not be found out, or it could not be removed.
    #[error("cannot take over the stale admin socket {path}: {source}")]
    Stale {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The socket could not be bound.
    #[error("cannot bind the admin socket {path}: {source}")]
    Bind {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The mode of the socket could not be set.
    #[error("cannot set mode 0660 on the admin socket {path}: {source}")]
    Mode {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Binds the admin socket, mode 0660.
///
/// The parent directory is made when its own parent exists, so a mistyped path does not grow a tree. A file that stands
/// at the path is removed only when it is a socket and a connection to it is refused, which proves that nobody listens.
///
/// # Errors
/// Every [`Error`] names the path and the cause; the file system is unchanged except for the directory.
pub fn bind(path: &Path) -> Result<UnixListener, Error> {
    make_directory(path)?;
    remove_stale(path)?;
    let listener = UnixListener::bind(path).map_err(|source| match source.kind() {
        // Lost a race against another agent that bound between the check and now.
        io::ErrorKind::AddrInUse => Error::InUse { path: path.to_owned() },
        _ => Error::Bind {
            path: path.to_owned(),
            source,
        },
    })?;
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE)).map_err(|source| Error::Mode {
        path: path.to_owned(),
        source,
    })?;
    Ok(listener)
}

fn make_directory(path: &Path) -> Result<(), Error> {
    let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
        return Ok(());
    };
    match fs::DirBuilder::new().mode(DIRECTORY_MODE).create(directory) {
        Ok(()) => Ok(()),
        // Whatever exists there is judged by bind itself.
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A read-only root with the directory mounted answers EROFS before it looks whether the name exists.
        Err(_) if directory.is_dir() => Ok(()),
        Err(source) => Err(Error::Directory {
            path: directory.to_owned(),
            source,
        }),
    }
}

fn remove_stale(path: &Path) -> Result<(), Error> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(Error::Stale {
                path: path.to_owned(),
                source,
            });
        }
    };
    if !kind.is_socket() {
        return Err(Error::NotASocket { path: path.to_owned() });
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(Error::InUse { path: path.to_owned() }),
        Err(source) if source.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|source| Error::Stale {
                path: path.to_owned(),
                source,
            })
        }
        Err(source) => Err(Error::Stale {
            path: path.to_owned(),
            source,
        }),
    }
}
