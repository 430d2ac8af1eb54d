//! Making the socket file: the only place of this room that touches the file system.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr};
use nix::sys::stat::{Mode, umask};

/// Mode of the socket: the agent's user and group, nobody else. Group access lets another container of the pod ask.
const SOCKET_MODE: libc::mode_t = 0o660;
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
    // The mode is there from the first moment: between bind and a chmod the socket would be open to whom the umask lets in.
    // The umask belongs to the process, which has but one thread yet.
    let before = umask(Mode::from_bits_truncate(0o777 & !SOCKET_MODE));
    let bound = UnixListener::bind(path);
    umask(before);
    bound.map_err(|source| match source.kind() {
        // Lost a race against another agent that bound between the check and now.
        io::ErrorKind::AddrInUse => Error::InUse { path: path.to_owned() },
        _ => Error::Bind {
            path: path.to_owned(),
            source,
        },
    })
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
    match probe(path) {
        Ok(()) | Err(Errno::EAGAIN) => Err(Error::InUse { path: path.to_owned() }),
        Err(Errno::ECONNREFUSED) => fs::remove_file(path).map_err(|source| Error::Stale {
            path: path.to_owned(),
            source,
        }),
        Err(errno) => Err(Error::Stale {
            path: path.to_owned(),
            source: errno.into(),
        }),
    }
}

/// Connects without waiting: a listener whose backlog is full, and who may never accept, answers EAGAIN.
fn probe(path: &Path) -> nix::Result<()> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    socket::connect(socket.as_raw_fd(), &UnixAddr::new(path)?)
}
