//! A condition as a path through its comparisons: each says where to go on where it is true and where it is not, so that
//! `and`, `or` and `not` cost nothing while an event is evaluated. What is unknown leaves the path: the steps of the program
//! know what to do with that, and most events have nothing unknown that matters.

use super::program::{NONE, Step, StepEntry, StepKind};

/// The end where the condition holds.
pub(super) const YES: u32 = u32::MAX;
/// The end where it does not.
pub(super) const NO: u32 = u32::MAX - 1;

/// A comparison on a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// The comparison, or a condition that several ask for and whose truth is kept.
    pub(super) step: Step,
    /// Where to go on where it is true.
    pub(super) yes: u32,
    /// Where to go on where it is not.
    pub(super) no: u32,
}

/// Lays the path of a condition, from its end; says where it begins.
pub(super) fn lay(steps: &[StepEntry], path: &mut Vec<Turn>, step: Step) -> u32 {
    lay_to(steps, path, step, YES, NO)
}

fn lay_to(steps: &[StepEntry], path: &mut Vec<Turn>, step: Step, yes: u32, no: u32) -> u32 {
    let entry = &steps[step as usize];
    // What several ask for is not laid several times, as it could hold others of the kind.
    let alone = entry.truth == NONE && !entry.shared;
    match &entry.kind {
        StepKind::Not(of) if alone => lay_to(steps, path, *of, no, yes),
        StepKind::All(of) if alone => of
            .iter()
            .rev()
            .fold(yes, |next, part| lay_to(steps, path, *part, next, no)),
        StepKind::Any(of) if alone => of
            .iter()
            .rev()
            .fold(no, |next, part| lay_to(steps, path, *part, yes, next)),
        _ => {
            path.push(Turn { step, yes, no });
            u32::try_from(path.len() - 1).unwrap_or(NO)
        }
    }
}
