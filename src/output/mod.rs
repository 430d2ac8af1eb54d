//! output

pub mod log;
