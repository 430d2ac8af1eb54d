//! `agent doctor`: `input` is what the doctor is told, `run` one examination of this host,
//! `manifests` one of files.

mod input;
mod look;
mod manifests;
mod run;

use super::args::{DoctorArgs, NotExplained};
use super::exit::Exit;
use super::{complain, explain};
use crate::config::{self, Sources};
use crate::platform::detect;

pub(super) use look::look;
#[cfg(test)]
pub(crate) use manifests::command_line;

/// Wrong settings are a finding of the doctor, not the end of it: it goes on with the defaults.
pub fn main(arguments: &DoctorArgs) -> Exit {
    if !arguments.manifest.is_empty() {
        return manifests::run(arguments);
    }
    let sources = Sources::of_this_process();
    if let Some(target) = &arguments.explain {
        let format = match arguments.format.try_into() {
            Ok(format) => format,
            Err(error @ NotExplained) => return complain(&error, Exit::Usage),
        };
        return match config::load(&arguments.overrides, &sources) {
            Err(error) if error.is_usage() => complain(&error, Exit::Usage),
            loaded => explain::run(&explain::input(target.clone(), loaded), format),
        };
    }
    let input = match config::load(&arguments.overrides, &sources) {
        Ok(loaded) => input::input(loaded, arguments.into()),
        Err(error) if error.is_usage() => return complain(&error, Exit::Usage),
        Err(error) => match detect(&sources.facts) {
            Ok(detection) => input::without_settings(&error, detection, arguments.into()),
            Err(error) => return complain(&error, Exit::Internal),
        },
    };
    run::run(&input, arguments)
}
