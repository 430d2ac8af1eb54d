//! What may stand on an axis.

use std::fmt;

use super::pattern::Pattern;
use super::vocabulary::Axis;

/// More patterns than this are none: the axis is left out.
const MOST_PATTERNS: usize = 256;

/// What may stand on an axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Set {
    /// A value of some class.
    Classes {
        /// A bit per class.
        members: u64,
        /// Whether there may be none.
        absent: bool,
    },
    /// A text that fits any of these.
    Texts(Vec<Pattern>),
}

/// What an event has on an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'s> {
    /// A value of this class.
    Class(usize),
    /// This text.
    Text(&'s [u8]),
    /// It has no such thing, for certain.
    Absent,
    /// It cannot be told.
    Unknown,
}

impl Set {
    /// Whether what is there may stand there.
    #[must_use]
    pub fn has(&self, seen: Seen<'_>) -> bool {
        match (self, seen) {
            (_, Seen::Unknown) => true,
            (Self::Classes { members, .. }, Seen::Class(class)) => class > 63 || members >> class & 1 == 1,
            (Self::Classes { absent, .. }, Seen::Absent) => *absent,
            (Self::Texts(patterns), Seen::Text(text)) => patterns.iter().any(|pattern| pattern.fits(text)),
            (Self::Texts(_), Seen::Absent) => false,
            // The host mixes its axes up.
            (Self::Classes { .. }, Seen::Text(_)) | (Self::Texts(_), Seen::Class(_)) => true,
        }
    }

    /// Whether nothing may stand there: not even something that cannot be told.
    pub(super) fn is_never(&self, axis: &Axis) -> bool {
        axis.certain && self.is_empty()
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Classes { members, absent } => *members == 0 && !absent,
            Self::Texts(patterns) => patterns.is_empty(),
        }
    }

    /// Whether all that may stand here may stand there.
    pub(super) fn within(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Classes { members, absent },
                Self::Classes {
                    members: others,
                    absent: too,
                },
            ) => members & !others == 0 && (!absent || *too),
            (Self::Texts(patterns), Self::Texts(others)) => patterns
                .iter()
                .all(|pattern| others.iter().any(|other| pattern.within(other))),
            _ => false,
        }
    }

    /// What may stand in either; nothing where that is anything.
    pub(super) fn either(&self, other: &Self, axis: &Axis) -> Option<Self> {
        let both = match (self, other) {
            (
                Self::Classes { members, absent },
                Self::Classes {
                    members: others,
                    absent: too,
                },
            ) => Self::Classes {
                members: members | others,
                absent: *absent || *too,
            },
            (Self::Texts(patterns), Self::Texts(others)) => {
                Self::Texts(fewest(patterns.iter().chain(others).cloned().collect()))
            }
            _ => return None,
        };
        both.bounded(axis)
    }

    /// The same, or nothing where it says nothing or too much.
    pub(super) fn bounded(self, axis: &Axis) -> Option<Self> {
        let kept = match &self {
            Self::Classes { members, absent } => !(*absent && *members == all(axis.classes.len())),
            Self::Texts(patterns) => patterns.len() <= MOST_PATTERNS,
        };
        kept.then_some(self)
    }

    /// What may stand in both, or more.
    pub(super) fn both(&self, other: &Self) -> Self {
        match (self, other) {
            (
                Self::Classes { members, absent },
                Self::Classes {
                    members: others,
                    absent: too,
                },
            ) => Self::Classes {
                members: members & others,
                absent: *absent && *too,
            },
            (Self::Texts(patterns), Self::Texts(others)) => {
                if patterns.len() * others.len() > MOST_PATTERNS * MOST_PATTERNS / 16 {
                    return if patterns.len() <= others.len() { self } else { other }.clone();
                }
                let met = patterns
                    .iter()
                    .flat_map(|one| others.iter().filter_map(|two| one.both(two)))
                    .cloned();
                Self::Texts(fewest(met.collect()))
            }
            _ => self.clone(),
        }
    }

    pub(super) fn show(&self, axis: &Axis, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in (", axis.name)?;
        match self {
            Self::Classes { members, absent } => {
                let names = axis.classes.iter().enumerate().filter(|(at, _)| members >> at & 1 == 1);
                let names = names.map(|(_, name)| *name).chain(absent.then_some("absent"));
                f.write_str(&names.collect::<Vec<_>>().join(", "))?;
            }
            Self::Texts(patterns) => {
                let texts: Vec<_> = patterns.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join(", "))?;
            }
        }
        f.write_str(")")
    }
}

/// A bit per class.
pub(super) fn all(classes: usize) -> u64 {
    u64::MAX
        .checked_shr(64_u32.saturating_sub(u32::try_from(classes).unwrap_or(64)))
        .unwrap_or(0)
}

/// The patterns that are within no other one, in order.
fn fewest(mut patterns: Vec<Pattern>) -> Vec<Pattern> {
    patterns.sort_unstable();
    patterns.dedup();
    // What is left is told apart: of two that are within each other, the first one stays.
    let mut kept: Vec<Pattern> = Vec::with_capacity(patterns.len());
    for pattern in patterns {
        if kept.iter().any(|other| pattern.within(other)) {
            continue;
        }
        kept.retain(|other| !other.within(&pattern));
        kept.push(pattern);
    }
    kept
}
