//! Renderers of the report: one file per format, none of them judges.

mod json;
#[cfg(test)]
mod tests;
mod text;

pub use json::json;
pub use text::{Look, text};
pub(super) use text::{ascii, wrap};
