//! Recordings: what the kernel side told, with what the lookup of containers found out, in a file, so that rules can be
//! tried on it without a kernel.
//!
//! Owns the form of the file. It begins with a line of JSON that says what wrote it, then come frames: a size, a kind and
//! so many bytes, of a record as it was in the ring or of an outcome as JSON. An outcome goes before the first record to
//! which it belongs. Numbers are in the byte order of the machine, as records are.

mod format;
mod read;
mod replay;
mod write;

pub use format::{Beginning, Error};
pub use read::Reader;
pub use replay::{Replayed, replay};
pub use write::Recorder;

#[cfg(test)]
mod tests;
