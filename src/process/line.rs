//! A process's line of ancestors, from its parent upwards.
//!
//! Siblings and descendants share what is above them, so a line costs what is new in it. It is bounded all the same:
//! [`DEPTH`] ancestors are told, and nobody who forks on and on makes a line that grows for ever.

use std::sync::Arc;

use super::image::Ancestor;
use crate::capture::record::ProcessKey;

/// The most ancestors that are told of a process.
pub const DEPTH: usize = 64;
/// A line that has grown to this is cut back to [`DEPTH`]: only so often, because what is cut is no longer shared.
const LONGEST: usize = 2 * DEPTH;

/// Ancestors, the parent first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    nearest: Option<Arc<Link>>,
    /// Where there is no nearest one: that is for want of knowledge.
    cut: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Link {
    ancestor: Ancestor,
    above: Line,
    /// How many there are from here upwards.
    length: usize,
}

impl Line {
    /// No ancestors: those of the first process.
    pub const TOP: Self = Self {
        nearest: None,
        cut: false,
    };

    /// No ancestors are known, which does not mean that there are none.
    pub const UNKNOWN: Self = Self {
        nearest: None,
        cut: true,
    };

    /// The line of who stands directly below `ancestor`, whose own line is `above`.
    #[must_use]
    pub fn below(ancestor: Ancestor, above: Self) -> Self {
        let above = if above.length() < LONGEST {
            above
        } else {
            above.shortened(DEPTH - 1)
        };
        Self {
            nearest: Some(Arc::new(Link {
                length: above.length() + 1,
                ancestor,
                above,
            })),
            cut: false,
        }
    }

    /// The line of a child of someone in this line, or [`Self::UNKNOWN`].
    #[must_use]
    pub fn from(&self, parent: &ProcessKey) -> Self {
        self.tails()
            .find(|tail| tail.first().is_some_and(|first| first.key == *parent))
            .cloned()
            .unwrap_or(Self::UNKNOWN)
    }

    /// What is above the first `count`; where there are fewer, their end.
    pub(super) fn above(&self, count: usize) -> &Self {
        let mut line = self;
        for _ in 0..count {
            match &line.nearest {
                Some(link) => line = &link.above,
                None => break,
            }
        }
        line
    }

    /// The parent.
    #[must_use]
    pub fn first(&self) -> Option<&Ancestor> {
        self.nearest.as_ref().map(|link| &link.ancestor)
    }

    /// The parent first, at most [`DEPTH`].
    pub fn iter(&self) -> impl Iterator<Item = &Ancestor> {
        self.tails().filter_map(Self::first).take(DEPTH)
    }

    /// How many [`Self::iter`] gives.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length().min(DEPTH)
    }

    /// Whether no ancestor is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nearest.is_none()
    }

    /// Whether there are more than [`Self::iter`] gives, or may be.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.length() > DEPTH || self.above(DEPTH).cut
    }

    /// This line, what is above it, what is above that, to the empty end.
    fn tails(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |line| line.nearest.as_ref().map(|link| &link.above))
    }

    fn length(&self) -> usize {
        self.nearest.as_ref().map_or(0, |link| link.length)
    }

    fn shortened(&self, to: usize) -> Self {
        let kept: Vec<&Ancestor> = self.iter().take(to).collect();
        kept.into_iter()
            .rev()
            .fold(Self::UNKNOWN, |above, ancestor| Self::below(ancestor.clone(), above))
    }

    /// Whether the two are one, in memory too.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (&self.nearest, &other.nearest) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => self.cut == other.cut,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ancestor(pid: u32) -> Ancestor {
        Ancestor {
            key: ProcessKey {
                start: u64::from(pid),
                exec_id: 1,
                pid,
                reserved: 0,
            },
            name: format!("name-{pid}").into(),
            exe: None,
            args: None,
            args_truncated: false,
        }
    }

    fn pids(line: &Line) -> Vec<u32> {
        line.iter().map(|one| one.key.pid).collect()
    }

    #[test]
    fn a_line_is_whole_until_it_is_longer_than_is_told() {
        let mut line = Line::TOP;
        assert!(line.is_empty() && !line.is_cut());
        for pid in 1..=64 {
            line = Line::below(ancestor(pid), line);
        }
        assert_eq!((line.len(), line.is_cut()), (DEPTH, false));
        assert_eq!(pids(&line), (1..=64).rev().collect::<Vec<_>>());
        line = Line::below(ancestor(65), line);
        assert_eq!((line.len(), line.is_cut()), (DEPTH, true));
        assert_eq!(pids(&line), (2..=65).rev().collect::<Vec<_>>());
    }

    #[test]
    fn who_forks_for_ever_has_a_line_of_bounded_length() {
        let mut line = Line::TOP;
        for pid in 1..10_000 {
            line = Line::below(ancestor(pid), line);
            assert!(line.length() <= LONGEST);
            assert_eq!(line.len(), DEPTH.min(pid as usize));
            assert_eq!(line.first().unwrap().key.pid, pid);
            assert_eq!(line.is_cut(), pid as usize > DEPTH, "{pid}");
        }
    }

    #[test]
    fn what_is_above_is_shared_and_found_again() {
        let parent = Line::below(ancestor(2), Line::below(ancestor(1), Line::TOP));
        let child = Line::below(ancestor(3), parent.clone());
        assert!(child.above(1).is(&parent));
        assert_eq!(child.from(&ancestor(2).key), parent);
        assert_eq!(child.from(&ancestor(9).key), Line::UNKNOWN);
        assert!(Line::below(ancestor(3), Line::UNKNOWN).is_cut());
    }
}
