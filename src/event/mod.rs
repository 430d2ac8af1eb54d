//! Events: what is told, in the words of the documented interface.
//!
//! Turns records, processes and lookup outcomes into [`Event`]s and decides what each key means; how an event is
//! written down is the business of [`crate::output`]. Pure: clocks and names are handed in.
//!
//! A system call is told from the table's row ([`crate::capture::calls`]) and the parts that were read: its arguments by
//! [`arguments`], the file and the target by [`file`], the connection by [`network`].

pub mod arguments;
pub mod build;
pub mod clock;
pub mod confirm;
pub mod file;
pub mod loss;
pub mod names;
pub mod network;
pub mod shape;
mod structures;
pub mod summary;
pub mod value;

pub use build::build;
pub use clock::BootClock;
pub use loss::Loss;
pub use shape::{Event, Kind};
pub use summary::Summary;

#[cfg(test)]
mod tests;
