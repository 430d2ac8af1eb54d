//! The process table: who is running, as the kernel side told it.
//!
//! Owns the memory of processes between their events, and their line of ancestors. It asks nobody: no `/proc`, no
//! kernel. A process that is not in the table was lost or never reported, and is shown with what its event carries.

pub mod image;
pub mod line;
pub mod table;

pub use image::{Ancestor, Process};
pub use line::Line;
pub use table::{Fork, ProcessTable};
