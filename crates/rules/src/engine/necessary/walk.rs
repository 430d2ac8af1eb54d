//! From the graph of conditions to what is necessary.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::Necessary;
use super::condition::{Any, MOST_PARTS};
use super::leaf;
use super::vocabulary::Vocabulary;
use crate::catalogue::EventType;
use crate::engine::graph::{GraphNode, NodeId};
use crate::engine::test::Test;

/// How many conditions a rule may give.
const MOST_PER_RULE: usize = 4;

/// What must hold for an event of a type so that one of these rules can match it or be unknown for it.
pub(in crate::engine) fn necessary(
    nodes: &[GraphNode],
    tests: &[Test],
    event: EventType,
    rules: &[(u32, NodeId)],
    vocabulary: &dyn Vocabulary,
) -> Necessary {
    let mut walk = Walk {
        nodes,
        tests,
        event,
        vocabulary,
        known: HashMap::default(),
    };
    let mut any = Any::never();
    for &(rule, node) in rules {
        let mut one = walk.may(node, true).at_most(MOST_PER_RULE);
        for condition in &mut one.0 {
            condition.rules.insert(rule);
        }
        any = any.or(one, usize::MAX);
        if any.0.len() > MOST_PARTS {
            any = any.at_most(vocabulary.most());
        }
    }
    Necessary {
        any: any.at_most(vocabulary.most()).0,
    }
}

struct Walk<'w> {
    nodes: &'w [GraphNode],
    tests: &'w [Test],
    event: EventType,
    vocabulary: &'w dyn Vocabulary,
    /// What is met again, in the same rule or in another.
    known: HashMap<(NodeId, bool), Any, FixedState>,
}

impl Walk<'_> {
    /// What must hold so that a condition can be `wanted` or unknown: `not` is carried down to the comparisons.
    fn may(&mut self, id: NodeId, wanted: bool) -> Any {
        if let Some(known) = self.known.get(&(id, wanted)) {
            return known.clone();
        }
        let nodes = self.nodes;
        let any = match &nodes[id.0 as usize] {
            GraphNode::Fixed(truth) if *truth == wanted => Any::always(),
            GraphNode::Fixed(_) => Any::never(),
            GraphNode::Test(test) => leaf::may(&self.tests[test.0 as usize], self.event, wanted, self.vocabulary),
            GraphNode::Not(of) => self.may(*of, !wanted),
            GraphNode::All(of) if wanted => self.all(of, wanted),
            GraphNode::Any(of) if !wanted => self.all(of, wanted),
            // Where exactly one holds, one holds.
            GraphNode::All(of) | GraphNode::Any(of) => self.any(of, wanted),
            GraphNode::OneOf(of) if wanted => self.any(of, wanted),
            GraphNode::OneOf(_) => Any::always(),
        };
        self.known.insert((id, wanted), any.clone());
        any
    }

    fn all(&mut self, of: &[NodeId], wanted: bool) -> Any {
        let mut parts: Vec<_> = of.iter().map(|&part| self.may(part, wanted)).collect();
        // The short ones first: what they leave is multiplied.
        parts.sort_by_key(|part| part.0.len());
        parts.into_iter().fold(Any::always(), Any::and)
    }

    fn any(&mut self, of: &[NodeId], wanted: bool) -> Any {
        of.iter()
            .fold(Any::never(), |any, &part| any.or(self.may(part, wanted), MOST_PARTS))
    }
}
