//! `agent rules`: rule files are looked at, or tried on what was recorded. Without privilege and without a kernel.

mod check;
mod fields;
mod test;

use std::path::PathBuf;

use super::args::RulesCommand;
use super::exit::Exit;
use crate::config::Loaded;
use crate::config::settings::Rules;

/// Does what was asked.
pub fn main(command: RulesCommand) -> Exit {
    match command {
        RulesCommand::Check(arguments) => super::with_settings(&arguments.overrides, |loaded| {
            with_rules(&arguments.files, loaded, |rules| check::run(&arguments, rules))
        }),
        RulesCommand::Test(arguments) => super::with_settings(&arguments.overrides, |loaded| {
            with_rules(&arguments.files, loaded, |rules| test::run(&arguments, rules, loaded))
        }),
        RulesCommand::Fields { prefix } => fields::run(&prefix),
    }
}

/// No rules are named, neither here nor in the settings.
#[derive(Debug, thiserror::Error)]
#[error("no rule files: name them, or set rules.files (--rules)")]
struct NoRules;

/// The settings of rules, with the files that are named on the command line in place of theirs.
fn with_rules(files: &[PathBuf], loaded: &Loaded, command: impl FnOnce(&Rules) -> Exit) -> Exit {
    let mut rules = loaded.settings.rules.clone();
    if !files.is_empty() {
        rules.files = files.to_vec();
    }
    if rules.files.is_empty() {
        return super::complain(&NoRules, Exit::Usage);
    }
    command(&rules)
}
