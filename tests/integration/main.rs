//! The agent against real things: a real kernel, a real containerd, real pods, other kernels in virtual machines.
//!
//! Needs root. A missing tool is a failure that names its package; `tests/lab/setup` installs them all.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test, and in what only tests call, a panic is how a failure is told"
)]

#[expect(
    dead_code,
    reason = "the lab serves the demo and the benchmark too; each uses a part of it"
)]
#[path = "../lab/mod.rs"]
mod lab;

mod actor;
mod bad_input;
mod bomb;
mod cgroups;
mod count;
mod daemonset;
mod deeds;
mod delivery;
mod descriptors;
mod discovery;
mod doctor;
mod doctor_formats;
mod doctor_manifest;
mod doctor_page;
mod edges;
mod event;
mod explain;
mod exposure;
mod faults;
mod grants;
mod harness;
mod health;
mod hooks;
mod hurry;
mod image;
mod journald;
mod kernels;
mod landlock;
mod ledger;
mod limits;
mod lost;
mod manifest;
mod memory;
mod output;
mod pod;
mod pod_process;
mod privileges;
mod processes;
mod pulse;
mod reduced;
mod rules;
mod runtimes;
mod seccomp;
mod state;
mod status;
mod strace_oracle;
mod words;
