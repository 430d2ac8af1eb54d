//! Container identity: from a cgroup path to the container, its image and its pod, or the reason why not.
//!
//! The path of a lookup: [`cgroup`] reads ids out of the path → [`resolver`] answers from its caches or asks every
//! usable runtime that [`discovery`] found → each runtime is asked over [`cri`] first, then over [`containerd`]'s own
//! API, Docker and podman over HTTP (`engine`) → where none told, `bundle` reads what was written down → `image` and
//! `completeness` decide what the answer is worth → an [`Outcome`].
//!
//! Everything here is synchronous to its caller and bounded in time: lookups are tasks on a current-thread event loop
//! that turns only while its caller waits in it, sleeps in it or gives it a turn. No thread is started and no
//! name is resolved; of files, sockets are looked at, and of a bundle's directory that is open since the start one file is
//! opened for reading. Lookups, with events waiting for them and without, make these system calls and no others (seen with
//! strace against containerd 1.6 and its restarts, and a socket that speaks Docker's API):
//!
//! * to ask and wait: `writev`, `recvfrom`, `epoll_wait`, `write` (the event loop's own eventfd); for the pipeline's sleep
//!   beside it `epoll_ctl`, and with no lookup under way `poll`;
//! * to connect again after a runtime's restart: `socket`, `connect`, `getsockopt`, `epoll_ctl`, `sendto`, `close`; in
//!   debug builds the standard library adds `fcntl` (`F_GETFD`) before each `close`;
//! * to ask Docker or podman, which takes a connection for each question: the same without `sendto`, and `shutdown`;
//! * to read a bundle that is asked for when no runtime tells: `openat`, `read`, `close`;
//! * to learn that a socket's file is another one: `read` of the inotify instance, before every sleep and lookup, `statx` of
//!   the sockets in directories that may not be watched, and `inotify_add_watch` and `inotify_rm_watch` as directories come
//!   and go;
//! * memory and locks: `brk`, `mmap`, `mremap`, `munmap`, `mprotect`, `madvise`, `futex`.
//!
//! Writing to a runtime that has gone raises SIGPIPE. Rust programs ignore it from the start; it must stay ignored.
//!
//! What it refuses to do: write anywhere, follow a container's file system, keep or log environment variables, and
//! guess. A name that no runtime confirmed is absent, and the reason is in [`Metadata`].

mod bounds;
mod bundle;
pub mod cgroup;
mod completeness;
pub mod connection;
pub mod containerd;
mod containers;
pub mod cri;
pub mod discovery;
mod engine;
mod entry;
pub mod fields;
mod flight;
mod http;
mod image;
mod inventory;
pub mod listed;
mod lookup;
mod moby;
pub mod mounts;
pub mod outcome;
pub mod own;
mod pacing;
mod placement;
mod removal;
pub mod resolver;
mod runtime;
mod sandboxes;
mod selection;
pub mod stats;
#[cfg(test)]
pub(crate) mod testing;
pub mod trace;
mod verbose;
pub mod watch;

pub use cgroup::CgroupIdentity;
pub use discovery::{Candidate, Origin, Protocol, Rank, State, probe};
pub use fields::Field;
pub use outcome::{
    Container, Image, Kubernetes, Metadata, Mount, Outcome, Pod, Propagation, Qos, Reason, Source, Status,
};
pub use resolver::{CgroupName, Resolver};
pub use runtime::{Answering, Now};
pub(crate) use selection::Selection;
pub use stats::{FirstEvents, LookupStats};
