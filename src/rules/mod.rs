//! Rules: which fields and types of events they may name here, and what an event answers for each.
//!
//! The language itself, and how rules are evaluated, is the business of the crate `pinhole_rules`, which knows nothing of
//! an operating system. Here a [`Subject`] answers its questions from a record, the process table and the outcome of the
//! lookup, lazily: an event pays for the fields that its rules ask for.

pub mod accounts;
pub mod alert;
pub mod catalogue;
mod connection;
mod descriptor;
pub mod detector;
mod executable;
pub mod fields;
pub mod files;
mod lineage;
pub mod loaded;
mod params;
mod path;
pub mod prefilter;
pub mod reasons;
pub mod reload;
pub mod subject;
mod surroundings;
mod terminal;

pub use alert::Alert;
pub use catalogue::CATALOGUE;
pub use detector::Detector;
pub use reload::Reloader;
pub use subject::Subject;

#[cfg(test)]
mod tests;
