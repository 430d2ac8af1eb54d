//! Every system call of the table, made in success and in failure, and what the agent tells of it compared with strace's
//! words and with what the program itself did.
//!
//! [`program`] performs the deeds: raw system calls of a process of its own, natively and the ways of 32-bit programs, each
//! with a line that states what was done and what must come of it. [`judge`] holds three accounts of the same run against
//! each other: the program's, strace's and the agent's. [`here`] does so on this kernel, [`machines`] on others.
//!
//! Nothing here knows how the agent finds out; nothing outside of the program's own directory and namespaces is touched.

mod account;
mod actor;
mod given;
mod here;
mod judge;
mod kernel;
pub(crate) mod machines;
mod memory;
mod program;
mod scenes;
mod words;
