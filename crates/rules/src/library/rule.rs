//! Rules with nothing left to look up but their fields.

use pinhole_priority::Priority;

use std::collections::BTreeSet;

use crate::source::Span;
use crate::syntax::Node;
use crate::text::Text;

/// A rule as it is evaluated.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// When it holds: no macro is left in it, each list's members stand where its name stood, exceptions are folded in.
    /// Its nodes know where they are written, be it the rule, a macro or an exception.
    pub condition: Node,
    /// The template of its message.
    pub output: Text,
    /// How urgent it is.
    pub priority: Priority,
    /// Its tags, in the order in which alerts show them.
    pub tags: BTreeSet<String>,
    /// The kind of events that it watches, e.g. `syscall`.
    pub source: String,
    /// Whether it is to be evaluated.
    pub enabled: bool,
    /// Whether it is left out with a warning, and not refused, where it uses a field that is not known
    /// (`skip-if-unknown-filter`).
    pub skip_if_unknown: bool,
    /// Whether a condition that meets every type of event earns a warning (`warn_evttypes`).
    pub warn_event_types: bool,
    /// Whether nothing was left out of its condition for being wrong. One that is not whole is there to be looked at; it cannot
    /// be used, as no library with an error can.
    pub whole: bool,
    /// Where it is declared: its name, in the newest definition.
    pub span: Span,
}
