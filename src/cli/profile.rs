//! `agent profile`: which profiles there are, what they set, and which one fits here.

use std::io::{self, Write};

use super::args::ProfileCommand;
use super::exit::Exit;
use crate::platform::{Facts, detect, profile};

/// Prints what was asked for.
pub fn run(command: &ProfileCommand) -> Exit {
    match print(command, &mut io::stdout().lock()) {
        Ok(exit) => exit,
        // Nobody reads on: `agent profile list | head -1`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => super::complain(&error, Exit::Internal),
    }
}

fn print(command: &ProfileCommand, out: &mut impl Write) -> io::Result<Exit> {
    match command {
        ProfileCommand::List => {
            for profile in profile::all().map_err(io::Error::other)? {
                writeln!(out, "{:<12} {}", profile.name, profile.summary)?;
            }
        }
        ProfileCommand::Show { name } => match profile::get(name) {
            Ok(profile) => out.write_all(profile.settings.as_bytes())?,
            Err(error) => return Ok(super::complain(&error, Exit::Usage)),
        },
        ProfileCommand::Detect => {
            let detection = detect(&Facts::of_this_host());
            writeln!(out, "{}", detection.profile)?;
            for line in &detection.evidence {
                writeln!(out, "  because {line}")?;
            }
            for line in &detection.rejected {
                writeln!(out, "  not {line}")?;
            }
        }
    }
    Ok(Exit::Success)
}
