//! How large a condition becomes when everything that it names is put in: measured before it is done, because a few lines
//! of macros that name each other twice stand for more than any memory holds.

use crate::syntax::{Expression, Node, Operand};

/// The most parts of a condition: comparisons, words and what joins them.
pub(super) const PARTS: usize = 100_000;
/// The most parts of all conditions together.
pub(super) const ALL_PARTS: usize = 1_000_000;
/// How deep a condition goes: what works on it may call itself as often. A written condition has less than 320 levels.
pub(super) const HEIGHT: usize = 500;

/// The size of a condition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) parts: usize,
    pub(super) height: usize,
}

impl Size {
    /// What is wrong with it.
    pub(super) fn excess(self) -> Option<String> {
        if self.parts > PARTS {
            Some(format!(
                "has more than {PARTS} parts when its macros and lists are put in"
            ))
        } else if self.height > HEIGHT {
            Some(format!("is nested deeper than {HEIGHT} when its macros are put in"))
        } else {
            None
        }
    }

    fn above(self, other: Self) -> Self {
        Self {
            parts: self.parts.saturating_add(other.parts),
            height: self.height.max(other.height),
        }
    }
}

/// Measures a condition whose macros and lists have these sizes.
pub(super) fn measure(node: &Node, of_macro: &dyn Fn(&str) -> Size, of_list: &dyn Fn(&str) -> usize) -> Size {
    let inner = match &node.expression {
        Expression::And(parts) | Expression::Or(parts) => {
            let sizes = parts.iter().map(|part| measure(part, of_macro, of_list));
            sizes.fold(Size::default(), Size::above)
        }
        Expression::Not(part) => measure(part, of_macro, of_list),
        Expression::Macro(name) => of_macro(name),
        Expression::Exists(left) => Size {
            parts: operand(left),
            height: 0,
        },
        Expression::Compare(comparison) => {
            let right = comparison.right.iter().map(|right| match right {
                Operand::Constant(word) if !word.quoted => of_list(&word.text).max(1),
                other => operand(other),
            });
            Size {
                parts: right.fold(operand(&comparison.left), usize::saturating_add),
                height: 0,
            }
        }
    };
    Size {
        parts: inner.parts.saturating_add(1),
        height: inner.height + 1,
    }
}

fn operand(of: &Operand) -> usize {
    match of {
        Operand::Constant(_) | Operand::Field { .. } => 1,
        Operand::Transformed { operands, .. } => operands.iter().map(operand).sum::<usize>() + 1,
    }
}
