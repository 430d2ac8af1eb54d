//! What is done where a rule's outcome hangs on something that could not be found out, and how often.

use std::collections::{HashMap, HashSet};

/// What is done where it is unknown whether a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenUnknown {
    /// An alert that says so, once per container and rule.
    #[default]
    Alert,
    /// Nothing but to count it.
    Hold,
}

/// What is done for which rule.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// For rules that are not named.
    pub otherwise: WhenUnknown,
    /// For rules by their names.
    pub rules: HashMap<String, WhenUnknown>,
}

impl Policy {
    /// What is done for a rule.
    #[must_use]
    pub fn of(&self, rule: &str) -> WhenUnknown {
        self.rules.get(rule).copied().unwrap_or(self.otherwise)
    }
}

/// Lets the first unknown outcome per container and rule pass, and counts the others.
///
/// It remembers the newest pairs, at least `most` and at most twice as many. One that it forgot passes again, so that a node
/// with more containers than that alerts again for the oldest ones, and no memory grows. Rules are numbers of one
/// [`RuleSet`](super::RuleSet); see [`Self::renumber`] for another one.
#[derive(Debug)]
pub struct Once {
    most: usize,
    /// The newest pairs, and those before them; the latter are forgotten together.
    newer: HashSet<(Box<str>, u32)>,
    older: HashSet<(Box<str>, u32)>,
    held: HashMap<u32, u64>,
}

impl Once {
    /// Remembers `most` pairs, at least one.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            newer: HashSet::new(),
            older: HashSet::new(),
            held: HashMap::new(),
        }
    }

    /// Whether an unknown outcome passes. `container` is empty for the host and for what is in an unknown container.
    pub fn passes(&mut self, container: &str, rule: u32) -> bool {
        let pair = (container.into(), rule);
        let seen = self.newer.contains(&pair) || self.older.contains(&pair);
        // A pair that comes again is new again: the ones that were not seen for longest are forgotten.
        if !self.newer.contains(&pair) {
            if self.newer.len() == self.most {
                self.older = std::mem::take(&mut self.newer);
            }
            self.newer.insert(pair);
        }
        if seen {
            self.hold(rule);
        }
        !seen
    }

    /// Counts an outcome that is held back.
    pub fn hold(&mut self, rule: u32) {
        *self.held.entry(rule).or_default() += 1;
    }

    /// How many were held back by rule since this was asked last.
    pub fn take_held(&mut self) -> HashMap<u32, u64> {
        std::mem::take(&mut self.held)
    }

    /// Goes on with the rules of another set: `number` tells the number there of a rule that is the same. The others are forgotten.
    pub fn renumber(&mut self, number: impl Fn(u32) -> Option<u32>) {
        for pairs in [&mut self.newer, &mut self.older] {
            *pairs = std::mem::take(pairs)
                .into_iter()
                .filter_map(|(container, rule)| Some((container, number(rule)?)))
                .collect();
        }
        self.held = std::mem::take(&mut self.held)
            .into_iter()
            .filter_map(|(rule, count)| Some((number(rule)?, count)))
            .collect();
    }

    /// How many pairs it remembers.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.newer.len() + self.older.len()
    }
}
