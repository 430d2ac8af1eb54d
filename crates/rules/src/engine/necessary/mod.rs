//! What must hold for an event so that any rule can match it or be unknown for it, said with what a filter of the host
//! program can test, e.g. in the kernel: an event for which it does not hold need not be handed over.
//!
//! The condition is necessary and not sufficient. What the host's [`Vocabulary`] has no test for counts as true; what a
//! filter cannot tell must count as true there too, because a comparison with it is unknown and an unknown outcome is told.
//! Where the condition would become too long, parts of it are left out: it becomes weaker, never stronger.
//!
//! `leaf` reads a comparison, `walk` goes through the graph, `condition` puts together and shortens, `set` and `pattern`
//! are what stands behind an axis.

mod condition;
mod leaf;
mod pattern;
mod set;
#[cfg(test)]
mod tests;
mod vocabulary;
mod walk;

use std::fmt;

pub use condition::Condition;
pub use pattern::{Pattern, Patterns};
pub use set::{Seen, Set};
pub use vocabulary::{Axis, Means, Part, Values, Vocabulary, Word};
pub(super) use walk::necessary;

/// What must hold for an event of some type: any of these. Of none, no event of the type is of interest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Necessary {
    /// In no order that says anything.
    pub any: Vec<Condition>,
}

impl Necessary {
    /// Whether every event may be of interest.
    #[must_use]
    pub fn is_always(&self) -> bool {
        self.any.iter().any(|condition| condition.all.is_empty())
    }

    /// Whether no event can be of interest.
    #[must_use]
    pub fn is_never(&self) -> bool {
        self.any.is_empty()
    }

    /// Whether it holds for an event, of which `seen` tells what is on an axis. This is what a filter must do: a filter that
    /// lets less through loses events.
    pub fn holds<'s>(&self, seen: impl Fn(&Axis) -> Seen<'s>) -> bool {
        self.any.iter().any(|condition| condition.holds(&seen))
    }
}

impl fmt::Display for Necessary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_never() {
            return f.write_str("never");
        }
        for (at, condition) in self.any.iter().enumerate() {
            let or = if at > 0 { "\nor " } else { "" };
            write!(f, "{or}{condition}")?;
        }
        Ok(())
    }
}
