//! The kernel's numbers in the words that strace prints.
//!
//! One family of numbers per file; [`set`] puts flags together. Owns names only: what a number means for an event is decided in
//! [`super::arguments`]. The values come from libc where it has them, else from the header that the file names; a test compares
//! all of them with the system's headers.

pub mod at;
pub mod bpf;
pub mod capability;
pub mod clone;
pub mod errno;
pub mod family;
pub mod io_uring;
pub mod memfd;
pub mod message;
pub mod module;
pub mod mount;
pub mod open;
pub mod prctl;
pub mod protocol;
pub mod ptrace;
pub mod rename;
pub mod set;
pub mod signal;
pub mod socket;
pub mod umount;

#[cfg(test)]
mod tests;
