//! Comparisons that become one step: those with one field, where `and` or `or` joins them.

use std::collections::BTreeMap;

use super::{Builder, NONE, Step, StepEntry, StepKind};
use crate::engine::classes::Members;
use crate::engine::graph::{GraphNode, NodeId};
use crate::engine::pieces::Pieces;
use crate::engine::weight::Weight;
use crate::field::Field;

impl Builder<'_> {
    /// The steps of the parts. Those that look for pieces in one field become one, where nobody else asks for them: of `or`
    /// those that want one there, of `and` those that want none.
    pub(super) fn gather(&mut self, of: &[NodeId], and: bool) -> Vec<(Step, Weight)> {
        let mut groups: BTreeMap<&Field, Vec<NodeId>> = BTreeMap::new();
        let mut placed = Vec::with_capacity(of.len());
        let (graph, tests) = (self.graph, self.tests);
        for &part in of {
            let alone = |node: &NodeId| self.asked.get(node).is_none_or(|asked| *asked == 1);
            let wanted = match graph.node(part) {
                GraphNode::Not(inner) if and && alone(&part) => *inner,
                GraphNode::Test(_) if !and => part,
                _ => {
                    placed.push(self.place(part));
                    continue;
                }
            };
            match graph.node(wanted) {
                GraphNode::Test(test) if alone(&wanted) => match Pieces::field(&tests[test.0 as usize]) {
                    Some(field) => groups.entry(field).or_default().push(part),
                    None => placed.push(self.place(part)),
                },
                _ => placed.push(self.place(part)),
            }
        }
        for (field, parts) in groups {
            if let [alone] = parts.as_slice() {
                placed.push(self.place(*alone));
                continue;
            }
            let of_part = |part: &NodeId| match graph.node(*part) {
                GraphNode::Test(test) => Some(&tests[test.0 as usize]),
                GraphNode::Not(inner) => match graph.node(*inner) {
                    GraphNode::Test(test) => Some(&tests[test.0 as usize]),
                    _ => None,
                },
                _ => None,
            };
            let pieces = Pieces::new(field, parts.iter().filter_map(of_part));
            let answer = self.answers.get(field).copied().unwrap_or(NONE);
            let weight = pieces.weight();
            let likely = if and { 1.0 - weight.likely } else { weight.likely };
            let kept = if answer == NONE { 5.0 } else { 1.0 };
            let step = Step::try_from(self.program.steps.len()).unwrap_or(Step::MAX);
            self.program.steps.push(StepEntry {
                kind: StepKind::Pieces {
                    pieces: Box::new(pieces),
                    answer,
                    not: and,
                },
                truth: NONE,
                shared: false,
            });
            placed.push((
                step,
                Weight {
                    cost: weight.cost + kept,
                    likely,
                },
            ));
        }
        placed
    }

    /// Makes one step of those that look one field up: of `or`, a value of either is asked for, of `and`, one of both, and the
    /// other way round where the outcome is turned around.
    pub(super) fn join(&mut self, placed: &mut Vec<(Step, Weight)>, and: bool) {
        let mut joined: Vec<(Step, Weight)> = Vec::with_capacity(placed.len());
        let steps = &mut self.program.steps;
        for (step, weight) in placed.drain(..) {
            let same = joined.iter_mut().find_map(|earlier| {
                let one = alone(&steps[earlier.0 as usize].kind)?;
                let two = alone(&steps[step as usize].kind)?;
                let (field, members, not) = one;
                let both = (field == two.0 && not == two.2).then(|| members.joined(two.1, and == not))?;
                Some((earlier, both, field, not))
            });
            let Some((earlier, members, field, not)) = same else {
                joined.push((step, weight));
                continue;
            };
            earlier.0 = Step::try_from(steps.len()).unwrap_or(Step::MAX);
            // Of `or` it is likelier now, of `and` less likely.
            earlier.1.likely = if and {
                earlier.1.likely.min(weight.likely)
            } else {
                earlier.1.likely.max(weight.likely)
            };
            steps.push(StepEntry {
                kind: StepKind::Class {
                    field,
                    members,
                    negated: false,
                    not,
                },
                truth: NONE,
                shared: false,
            });
        }
        *placed = joined;
    }
}

/// What is looked up, where nothing but that decides.
fn alone(kind: &StepKind) -> Option<(u32, &Members, bool)> {
    match kind {
        StepKind::Class {
            field,
            members,
            negated: false,
            not,
        } => Some((*field, members, *not)),
        _ => None,
    }
}
