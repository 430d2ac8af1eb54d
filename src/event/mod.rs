//! Events: what is told, in the words of the documented interface.
//!
//! Turns records, processes and lookup outcomes into [`Event`]s and decides what each key means; how an event is
//! written down is the business of [`crate::output`]. Pure: clocks and names are handed in.

pub mod build;
pub mod clock;
pub mod confirm;
pub mod flags;
pub mod shape;
pub mod summary;

pub use build::build;
pub use clock::BootClock;
pub use shape::{Event, Kind};
pub use summary::Summary;
