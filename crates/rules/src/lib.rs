//! Falco's rule language, and nothing of an operating system: rule files are loaded, resolved, compiled against a catalogue
//! of fields that the host program supplies, and evaluated over events of which the host program answers field by field.
//!
//! The way of a rule: a [`source`] is read by [`mod@file`] into declarations, whose every [`text`] knows its places; [`syntax`]
//! makes trees of conditions; [`library`] puts together what is declared in several places, until nothing is left to look up
//! but the names of [`field`]s in the host's [`catalogue`]; what is wrong becomes a [`problem`]; the [`engine`] compares
//! [`value`]s in a logic of three truths, because what could not be found out is neither equal nor different; [`output`]
//! writes the message.

pub mod catalogue;
pub mod engine;
pub mod field;
pub mod file;
#[cfg(test)]
mod host;
pub mod library;
pub mod output;
pub mod problem;
pub mod source;
pub mod syntax;
pub mod text;
pub mod value;
