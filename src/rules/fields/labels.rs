//! Labels as fields: one by its key, or all in one text.

use std::collections::BTreeMap;

use pinhole_rules::field::Given;
use pinhole_rules::value::Answer;

use super::{owned, text};
use crate::container::Selection;
use crate::rules::reasons;

/// Labels that were kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Labels<'s> {
    /// These.
    pub(super) kept: &'s BTreeMap<String, String>,
    /// There are more that are wanted.
    pub(super) truncated: bool,
    /// What is wanted.
    pub(super) selection: &'s Selection,
    /// Why it is not known what else there is, where the lookup did not come so far.
    pub(super) unknown: Option<&'static str>,
}

impl<'s> Labels<'s> {
    /// The label with the key that is given.
    pub(super) fn one(&self, given: &Given) -> Answer<'s> {
        let Given::Key(key) = given else {
            return Answer::Absent;
        };
        if let Some(value) = self.kept.get(&**key) {
            return text(value);
        }
        let why = if self.selection.wants_label(key) {
            self.unknown
                .or_else(|| self.truncated.then_some(reasons::LABELS_TRUNCATED))
        } else {
            Some(reasons::NOT_KEPT)
        };
        why.map_or(Answer::Absent, Answer::Unknown)
    }

    /// All, as upstream writes them.
    pub(super) fn all(&self) -> Answer<'s> {
        if let Some(why) = self
            .unknown
            .or_else(|| self.truncated.then_some(reasons::LABELS_TRUNCATED))
        {
            return Answer::Unknown(why);
        }
        let pairs: Vec<String> = self
            .kept
            .iter()
            .map(|(key, value)| {
                if value.is_empty() {
                    key.clone()
                } else {
                    format!("{key}:{value}")
                }
            })
            .collect();
        owned(pairs.join(", "))
    }
}
