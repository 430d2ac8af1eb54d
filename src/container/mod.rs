//! Container identity: from a cgroup path to the container, its image and its pod, or the reason why not.
//!
//! The path of a lookup: [`cgroup`] reads ids out of the path → [`resolver`] answers from its caches or asks every
//! usable runtime that [`discovery`] found → each runtime is asked over [`cri`] first, then over [`containerd`]'s own
//! API → `image` and `completeness` decide what the answer is worth → an [`Outcome`].
//!
//! Everything here is synchronous to its caller and bounded in time: the calls run on a current-thread event loop that
//! exists only while a lookup waits. No thread is started, no name is resolved and no file is opened after
//! [`Resolver::new`]; a lookup makes these system calls and no others:
//!
//! * to connect: `socket`, `connect`, `getsockopt`, `epoll_ctl`, `close`;
//! * to ask and wait: `epoll_wait`, `write`/`writev`/`sendto`, `read`/`recvfrom`, the event loop's `eventfd` included;
//! * memory and locks: `brk`, `mmap`, `munmap`, `madvise`, `mremap`, `futex`; `getrandom` for a hash map's first seed.
//!
//! What it refuses to do: write anywhere, follow a container's file system, keep or log environment variables, and
//! guess. A name that no runtime confirmed is absent, and the reason is in [`Metadata`].

pub mod cgroup;
mod completeness;
mod connection;
pub mod containerd;
pub mod cri;
pub mod discovery;
mod image;
pub mod outcome;
mod pacing;
pub mod resolver;
mod runtime;
pub mod stats;
#[cfg(test)]
mod testing;
mod verbose;

pub use cgroup::CgroupIdentity;
pub use discovery::{Candidate, Origin, State, probe};
pub use outcome::{Container, Image, Kubernetes, Metadata, Outcome, Pod, Qos, Reason, Source, Status};
pub use resolver::Resolver;
pub use stats::LookupStats;
