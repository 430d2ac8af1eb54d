//! Whether something happened to a runtime's socket file: it appeared, was replaced, or lets somebody else in.
//!
//! It owns one inotify instance and knows paths and nothing of runtimes; it neither connects nor decides what a change
//! means. The directory of each socket is watched, or the nearest one above it that exists, and the watch follows as
//! directories appear and go. What is moved or removed further above, while somebody keeps the directory itself alive, is
//! not told; a runtime that does not answer is looked for at intervals besides.
//!
//! To watch a directory takes the right to read it, and containerd gives its own the mode 0711 (`/run/containerd` and its
//! like): a user other than root gets EACCES there. A user may also have no inotify instance left. For such a socket its
//! inode is compared with what it was, which takes the right to search only, and at most every [`LOOK`].

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

/// How often the sockets are looked at whose directories cannot be watched.
pub const LOOK: Duration = Duration::from_millis(250);
/// What is taken from the kernel's queue in one go, in buffers of 4 KiB; the rest keeps the descriptor readable.
const READS: usize = 16;
/// How often a directory may have appeared while the one above it was being watched.
const RACES: usize = 8;

/// What is watched for. Runtimes make the file first and give it its mode and owner then, so a change of attributes counts.
/// The seccomp filter of the running agent allows exactly this mask.
pub(crate) const MASK: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);
/// The watched directory itself is not where it was.
const GONE: AddWatchFlags = AddWatchFlags::IN_DELETE_SELF
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_IGNORED)
    .union(AddWatchFlags::IN_UNMOUNT);

/// Watches the files of some sockets.
#[derive(Debug)]
pub struct Watch {
    inotify: Option<Inotify>,
    targets: Vec<Target>,
    look_at: Instant,
}

#[derive(Debug)]
struct Target {
    socket: PathBuf,
    by: By,
}

#[derive(Debug)]
enum By {
    /// A directory at or above the socket's.
    Directory {
        descriptor: WatchDescriptor,
        /// What must happen to: the socket's name, or that of the next directory on the way to it.
        name: OsString,
        /// It is the socket's own directory.
        own: bool,
    },
    /// Looking at it.
    Inode(Option<Inode>),
}

/// Device, inode number and time of the last change of the inode, with nanoseconds: the last tells a number that is used
/// again, and a new mode.
type Inode = (u64, u64, i64, i64);

impl Watch {
    /// Watches these sockets, whether they are there or not. What happens from now on is told.
    #[must_use]
    pub fn new(sockets: impl IntoIterator<Item = PathBuf>, now: Instant) -> Self {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)
            .inspect_err(|error| tracing::debug!(%error, "no inotify instance: sockets are looked at instead"))
            .ok();
        Self::with(inotify, sockets, now)
    }

    fn with(inotify: Option<Inotify>, sockets: impl IntoIterator<Item = PathBuf>, now: Instant) -> Self {
        let targets = sockets
            .into_iter()
            .map(|socket| Target {
                by: follow(inotify.as_ref(), &socket),
                socket,
            })
            .collect();
        Self {
            inotify,
            targets,
            look_at: now + LOOK,
        }
    }

    /// Readable when [`Self::changed`] has something to take. `None` without an inotify instance.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// The sockets, by their place in the list given at first, to whose file something has happened; each once, in order.
    /// Never waits.
    pub fn changed(&mut self, now: Instant) -> Vec<usize> {
        let mut changed = vec![false; self.targets.len()];
        for events in self.take() {
            let lost: Vec<usize> = self.judge(&events, &mut changed);
            for index in lost {
                changed[index] |= self.follow_again(index);
            }
        }
        if now >= self.look_at {
            self.look_at = now + LOOK;
            self.look(&mut changed);
        }
        (0..changed.len()).filter(|index| changed[*index]).collect()
    }

    fn take(&self) -> Vec<Vec<InotifyEvent>> {
        let Some(inotify) = &self.inotify else {
            return Vec::new();
        };
        // Empty is EAGAIN; any other error would come again, and the next call meets it then.
        std::iter::from_fn(|| inotify.read_events().ok()).take(READS).collect()
    }

    /// Marks what happened to a socket's own name, and returns those whose directory has to be found anew.
    fn judge(&self, events: &[InotifyEvent], changed: &mut [bool]) -> Vec<usize> {
        let mut lost = Vec::new();
        for (index, target) in self.targets.iter().enumerate() {
            let By::Directory { descriptor, name, own } = &target.by else {
                continue;
            };
            for event in events {
                let overflow = event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW);
                if event.wd != *descriptor && !overflow {
                    continue;
                }
                let named = event.name.as_ref() == Some(name);
                changed[index] |= named && *own;
                if overflow || event.mask.intersects(GONE) || (named && !*own) {
                    lost.push(index);
                    break;
                }
            }
        }
        lost
    }

    /// Finds the directory to watch anew. Says whether the socket is there.
    fn follow_again(&mut self, index: usize) -> bool {
        let target = &mut self.targets[index];
        let by = follow(self.inotify.as_ref(), &target.socket);
        let before = std::mem::replace(&mut target.by, by);
        let there = inode(&target.socket).is_some();
        if let (Some(inotify), Some(descriptor)) = (&self.inotify, before.descriptor())
            && self
                .targets
                .iter()
                .all(|target| target.by.descriptor() != Some(descriptor))
        {
            // The kernel has removed it already where the directory is gone.
            let _ = inotify.rm_watch(descriptor);
        }
        there
    }

    fn look(&mut self, changed: &mut [bool]) {
        for (target, changed) in self.targets.iter_mut().zip(changed) {
            if let By::Inode(before) = &mut target.by {
                let now = inode(&target.socket);
                *changed |= now.is_some() && now != *before;
                *before = now;
            }
        }
    }
}

impl By {
    fn descriptor(&self) -> Option<WatchDescriptor> {
        match self {
            Self::Directory { descriptor, .. } => Some(*descriptor),
            Self::Inode(_) => None,
        }
    }
}

/// Watches the nearest directory above a socket that is there, or the socket where that is not allowed.
fn follow(inotify: Option<&Inotify>, socket: &Path) -> By {
    let by_inode = || By::Inode(inode(socket));
    let Some(inotify) = inotify else {
        return by_inode();
    };
    for _ in 0..RACES {
        let (mut below, mut found) = (socket, None);
        for directory in socket.ancestors().skip(1) {
            match inotify.add_watch(directory, MASK) {
                Ok(descriptor) => {
                    found = Some((descriptor, directory));
                    break;
                }
                Err(Errno::ENOENT | Errno::ENOTDIR) => below = directory,
                Err(error) => {
                    tracing::debug!(directory = %directory.display(), %error, "not watched: its socket is looked at instead");
                    return by_inode();
                }
            }
        }
        let (Some((descriptor, directory)), Some(name)) = (found, below.file_name()) else {
            return by_inode();
        };
        let own = socket.parent() == Some(directory);
        // What appeared before the watch was there is not told by it.
        if own || !below.is_dir() {
            return By::Directory {
                descriptor,
                name: name.to_owned(),
                own,
            };
        }
    }
    by_inode()
}

fn inode(socket: &Path) -> Option<Inode> {
    let file = fs::metadata(socket).ok()?;
    Some((file.dev(), file.ino(), file.ctime(), file.ctime_nsec()))
}

#[cfg(test)]
mod tests;
