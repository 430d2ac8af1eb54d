//! The front door: [`args`] is the command line, a file per command what it does, [`exit`] what the agent ends with.

pub mod args;
pub mod doctor;
pub mod exit;
mod explain;
pub mod exposure;
pub mod hooks;
pub mod manifest;
pub mod plan;
pub mod profile;
pub mod rules;
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
        Command::Run(run) if run.print_hooks => with_settings(&run.overrides, plan::run),
        Command::Run(run) => with_settings(&run.overrides, run_agent),
        Command::Hooks(arguments) => with_settings(&arguments.overrides, |loaded| hooks::run(&arguments, loaded)),
        Command::Doctor(arguments) => doctor::main(&arguments),
        Command::Exposure(arguments) => exposure::run(&arguments),
        Command::Manifest(arguments) => manifest::run(arguments),
        Command::Seccomp { policy } => say(manifest::policy(policy).as_bytes()),
        Command::Rules(command) => rules::main(command),
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
    let log = match log::init(&loaded.settings.log) {
        Ok(log) => log,
        Err(error) => return complain(&error, Exit::Configuration),
    };
    match run::run(loaded, log) {
        Ok(()) => Exit::Success,
        Err(error) => {
            let exit = error.exit();
            complain(&error, exit)
        }
    }
}

/// What a command has to say, on standard output.
fn say(page: &[u8]) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(page).and_then(|()| out.flush()) {
        Ok(()) => Exit::Success,
        // Nobody reads on: `| head -1`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => complain(&error, Exit::Internal),
    }
}

/// One message, on standard error, whatever the log's level and target.
fn complain(error: &dyn std::error::Error, exit: Exit) -> Exit {
    let _ = writeln!(io::stderr(), "agent: {error}");
    exit
}
