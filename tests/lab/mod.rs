//! The lab: real parts to test the agent against, each started privately and gone without a trace afterwards.
//!
//! Owns processes, temporary directories and cgroups that it made itself. Refuses to touch the machine's own container
//! runtime, its package sources, or anything else that it did not create. Nothing here judges the agent: that is what
//! `tests/integration` and `examples/demo.rs` do with it.
//!
//! A missing tool is an error that names its package, never a skipped test.

pub(crate) mod agent;
pub(crate) mod agent_image;
pub(crate) mod browser;
pub(crate) mod containerd;
pub(crate) mod daemon;
pub(crate) mod docker;
pub(crate) mod error;
pub(crate) mod events;
pub(crate) mod falco;
pub(crate) mod image;
pub(crate) mod initramfs;
pub(crate) mod journal;
pub(crate) mod kernels;
pub(crate) mod kubelet;
pub(crate) mod place;
pub(crate) mod pod;
pub(crate) mod podman;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod registry;
pub(crate) mod replay;
pub(crate) mod runtimes;
pub(crate) mod strace;
pub(crate) mod tool;
pub(crate) mod turn;
pub(crate) mod vm;
