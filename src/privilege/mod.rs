//! What the agent may do: which capabilities it needs, how it gives them up, and the filter it lives under afterwards.
//!
//! The order of a start, each step in its file:
//! 1. [`capabilities::check`]: are the needed ones granted, and if not, which setting grants them.
//! 2. [`capabilities::raise`]: make exactly those effective; whatever else was granted is gone from here on.
//! 3. (the kernel programs are loaded, attached and their maps mapped: not in this module)
//! 4. [`drop::drop_all`]: no capability is left in any set, no_new_privs, not dumpable. Before any thread is spawned.
//!    [`posture`] has the kernel's word on what belongs to the process as a whole.
//! 5. [`landlock::restrict`]: the files, ports and sockets that are not needed from here on are closed off, where the kernel can.
//! 6. (the control thread is spawned)
//! 7. [`seccomp::install`]: the filter of `seccomp/agent-run.json` over every thread.
//! 8. [`guard::Guard`]: the kernel's own word on every thread, at once and every 30 seconds.
//!
//! It refuses to gain anything: no set-uid, no ambient capabilities, no fallback to more privilege.

pub mod capabilities;
pub mod drop;
pub mod file;
pub mod guard;
pub mod landlock;
pub mod limits;
pub mod posture;
pub mod seccomp;
pub mod set;
pub mod status;

#[cfg(test)]
mod confinement_tests;
#[cfg(test)]
mod tests;

pub use set::Capabilities;
