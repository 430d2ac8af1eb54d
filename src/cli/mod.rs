//! The front door: [`args`] is the command line, a file per command what it does, [`exit`] what the agent ends with.

pub mod args;
pub mod exit;
pub mod profile;
pub mod run;

use std::ffi::OsString;
use std::io::{self, Write};

use args::{Cli, Command};
use exit::Exit;

use crate::config::{self, Loaded, Overrides, Sources};
use crate::output::log;

/// Does what the command line asks. Everything it has to say about failure goes to standard error, one message.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::parse_arguments(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help that cannot be written has no reader either.
            let _ = error.print();
            return Exit::from(&error);
        }
    };
    match cli.command {
        Command::Run(run) => with_settings(&run.overrides, run_agent),
        Command::Doctor(_) => Exit::Internal,
        Command::Profile(command) => profile::run(&command),
    }
}

fn with_settings(overrides: &Overrides, command: impl FnOnce(&Loaded) -> Exit) -> Exit {
    match config::load(overrides, &Sources::of_this_process()) {
        Ok(loaded) => command(&loaded),
        Err(error) => complain(&error, Exit::from(&error)),
    }
}

fn run_agent(loaded: &Loaded) -> Exit {
    if let Err(error) = log::init(&loaded.settings.log) {
        return complain(&error, Exit::Configuration);
    }
    match run::run(loaded) {
        Ok(()) => Exit::Success,
        Err(error) => {
            let exit = error.exit();
            complain(&error, exit)
        }
    }
}

/// One message, on standard error, whatever the log's level and target.
fn complain(error: &dyn std::error::Error, exit: Exit) -> Exit {
    let _ = writeln!(io::stderr(), "agent: {error}");
    exit
}
