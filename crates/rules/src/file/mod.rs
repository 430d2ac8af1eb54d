//! Rule files: YAML documents become declarations. What a declaration names is not looked up here, and conditions are not
//! read; what a key holds is checked, and every key that means nothing is told.
//!
//! Keys and their values are those of Falco's loader (`userspace/engine/rule_loader_reader.cpp`).

mod amend;
mod declaration;
mod exception;
mod item;
mod place;
mod read;
mod rule;
#[cfg(test)]
mod tests;
mod version;
mod yaml;

pub use declaration::{
    Amendment, Change, Declaration, Definition, Exception, List, Macro, Parts, Requirement, Row, Rule, Values,
};
pub use read::read;
pub use version::Version;
