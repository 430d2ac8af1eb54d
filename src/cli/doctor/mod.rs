//! `agent doctor`: `run` examines this host, once or until all is well, `manifests` files; `explain_id`, `bundle` and `merge` are
//! its tools.
//!
//! Whatever looks at a machine or at files is confined first, by `confine`: from there on the kernel refuses everything that
//! would write.

mod bundle;
mod confine;
mod explain_id;
mod files;
mod input;
mod look;
mod manifests;
mod merge;
mod run;
mod wait;

use super::args::{DoctorArgs, DoctorTool, NotExplained};
use super::exit::Exit;
use super::{complain, explain, say};
use crate::config::{self, Sources};

pub(super) use look::look;
#[cfg(test)]
pub(crate) use manifests::command_line;

/// Does what was asked for.
pub fn main(arguments: &DoctorArgs) -> Exit {
    match (&arguments.tool, &arguments.explain) {
        (Some(DoctorTool::Explain(arguments)), _) => explain_id::run(arguments),
        (Some(DoctorTool::Bundle(arguments)), _) => bundle::run(arguments),
        (Some(DoctorTool::Merge(arguments)), _) => merge::run(arguments),
        (None, Some(target)) => {
            let format = match arguments.format.try_into() {
                Ok(format) => format,
                Err(error @ NotExplained) => return complain(&error, Exit::Usage),
            };
            let _ = confine::confine();
            match config::load(&arguments.overrides, &Sources::of_this_process()) {
                Err(error) if error.is_usage() => complain(&error, Exit::Usage),
                loaded => explain::run(&explain::input(target.clone(), loaded), format),
            }
        }
        (None, None) if arguments.manifest.is_empty() => run::run(arguments),
        (None, None) => manifests::run(arguments),
    }
}
