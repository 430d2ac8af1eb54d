//! The fields, a table per family: name, type, from what of ours it comes, and how it is answered.

use pinhole_rules::catalogue::Event;
use pinhole_rules::field::{Argument, Definition, Given, Kind, Several};
use pinhole_rules::value::Answer;

use super::subject::Subject;

mod container;
mod evt;
mod fd;
mod fs_path;
mod group;
mod k8s;
mod proc;
mod thread;
mod user;

/// A field.
#[derive(Debug)]
pub struct Row {
    /// What the language knows of it.
    pub definition: Definition,
    /// What it is taken from, for the table in `docs/rules-fields.md`; how it differs from upstream's, where it does.
    pub from: &'static str,
    /// What an event answers.
    pub answer: Get,
}

/// What an event answers for a field with what stands in brackets.
pub type Get = for<'s, 'e, 'g> fn(&'s Subject<'e>, &'g Given) -> Answer<'s>;

/// All families, in the order of the documentation.
pub static FAMILIES: &[&[Row]] = &[
    evt::ROWS, proc::ROWS, thread::ROWS, fd::ROWS, fs_path::ROWS, user::ROWS, group::ROWS, container::ROWS, k8s::ROWS,
];
