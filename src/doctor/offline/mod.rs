//! The offline examination: manifests are judged before they are applied, with the ids that the doctor has on a node.
//!
//! It owns what turns files into [`super::facts::manifests`] and those into a report. It needs no privilege, looks at no
//! machine and asks no cluster; what is not among the files is said to be that, and never guessed. The judges stand with
//! the checks.

mod agent;
mod error;
mod examine;
mod gather;
pub(super) mod seccomp;
mod settings;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use examine::examine_manifests;
pub use gather::{Input, gather};
pub(super) use settings::default_of;
pub use settings::{CommandLine, NODE, WrongCommandLine};
