//! `agent doctor --explain`: every step of the lookup of one container, or of all containers of one pod, with what was seen,
//! how long it took, and where it broke.
//!
//! It owns the walk and its report. The lookup itself is the agent's own code, which notes down what it does
//! ([`crate::container::trace`]); nothing of it is done a second time here.
//!
//! * [`target`] understands what is asked for, and finds it in what the runtimes list.
//! * [`gather`] is the thin edge: it runs the lookup and asks the running agent, and leaves [`facts`].
//! * `setting`, `walk` and `agent` are pure: from facts to the steps of the [`report`].
//! * [`text`] writes the report for people; as JSON it is written as it stands.
//!
//! It refuses to change anything, to take a runtime's word for what an abbreviated id means, and to show any environment.

mod agent;
pub mod facts;
pub mod gather;
pub mod report;
mod setting;
pub mod target;
pub mod text;
mod walk;

#[cfg(test)]
mod tests;

pub use gather::{Error, Input, gather};
pub use report::{Explanation, Verdict, explain};
pub use target::Target;
pub use text::text;
