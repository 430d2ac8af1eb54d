//! Messages of alerts: the text that a rule's template becomes for an event, and the fields that it shows, by their names.

mod template;

pub use template::{Rendered, Template};

#[cfg(test)]
mod tests;
