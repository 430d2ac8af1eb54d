//! All conditions as one graph: what is written twice, in one rule or in several, is one node.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;

use crate::value::Truth;

/// The number of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(pub(super) u32);

/// The number of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TestId(pub(super) u32);

/// A condition whose parts are nodes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum GraphNode {
    /// Always so, or never.
    Fixed(bool),
    Test(TestId),
    Not(NodeId),
    /// All of these, in order of their numbers, each once; at least two.
    All(Box<[NodeId]>),
    /// Any of these, likewise.
    Any(Box<[NodeId]>),
    /// Exactly one of these; the same one may stand there twice, and then is not it.
    OneOf(Box<[NodeId]>),
}

/// Nodes, each once.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<GraphNode>,
    /// Whether a node hangs on the type of the event.
    typed: Vec<bool>,
    known: HashMap<GraphNode, NodeId, FixedState>,
}

impl Graph {
    pub(super) fn node(&self, id: NodeId) -> &GraphNode {
        &self.nodes[id.0 as usize]
    }

    /// All nodes by their numbers.
    pub(super) fn into_nodes(self) -> Box<[GraphNode]> {
        self.nodes.into()
    }

    pub(super) fn fixed(&mut self, truth: bool) -> NodeId {
        self.add(GraphNode::Fixed(truth), false)
    }

    /// `typed`: whether it hangs on the type of the event.
    pub(super) fn test(&mut self, test: TestId, typed: bool) -> NodeId {
        self.add(GraphNode::Test(test), typed)
    }

    pub(super) fn not(&mut self, of: NodeId) -> NodeId {
        match self.node(of) {
            GraphNode::Fixed(truth) => {
                let truth = !truth;
                self.fixed(truth)
            }
            GraphNode::Not(inner) => *inner,
            _ => self.add(GraphNode::Not(of), self.typed[of.0 as usize]),
        }
    }

    pub(super) fn all(&mut self, of: impl IntoIterator<Item = NodeId>) -> NodeId {
        self.joined(of, true)
    }

    pub(super) fn any(&mut self, of: impl IntoIterator<Item = NodeId>) -> NodeId {
        self.joined(of, false)
    }

    pub(super) fn one_of(&mut self, of: impl IntoIterator<Item = NodeId>) -> NodeId {
        let mut of: Vec<_> = of.into_iter().collect();
        of.sort_unstable();
        match of.as_slice() {
            [] => self.fixed(false),
            [one] => *one,
            _ => {
                let typed = of.iter().any(|it| self.typed[it.0 as usize]);
                self.add(GraphNode::OneOf(of.into()), typed)
            }
        }
    }

    /// `and` where `neutral` is true, `or` where it is false. In three-valued logic too a false part makes `and` false, and
    /// the order of parts and their number say nothing; that a part and its opposite stand there does.
    fn joined(&mut self, of: impl IntoIterator<Item = NodeId>, neutral: bool) -> NodeId {
        let mut parts = Vec::new();
        for id in of {
            match (self.node(id), neutral) {
                (GraphNode::Fixed(truth), _) if *truth == neutral => {}
                (GraphNode::Fixed(_), _) => return id,
                (GraphNode::All(inner), true) | (GraphNode::Any(inner), false) => parts.extend_from_slice(inner),
                _ => parts.push(id),
            }
        }
        parts.sort_unstable();
        parts.dedup();
        let fewer = self.factored(&parts, neutral);
        if fewer.len() < parts.len() {
            return self.joined(fewer, neutral);
        }
        match parts.as_slice() {
            [] => self.fixed(neutral),
            [one] => *one,
            _ => {
                let typed = parts.iter().any(|it| self.typed[it.0 as usize]);
                let parts = parts.into();
                self.add(
                    if neutral {
                        GraphNode::All(parts)
                    } else {
                        GraphNode::Any(parts)
                    },
                    typed,
                )
            }
        }
    }

    /// `a and b or a and c` as `a and (b or c)`, and the same with `and` and `or` exchanged, which in three-valued logic too
    /// is the same. `a or a and b` becomes `a`. Each part goes to the one of its own parts that most others have.
    fn factored(&mut self, parts: &[NodeId], neutral: bool) -> Vec<NodeId> {
        let inner: Vec<Box<[NodeId]>> = parts
            .iter()
            .map(|&part| match (self.node(part), neutral) {
                (GraphNode::Any(of), true) | (GraphNode::All(of), false) => of.clone(),
                _ => [part].into(),
            })
            .collect();
        let mut counts: HashMap<NodeId, u32, FixedState> = HashMap::default();
        for part in inner.iter().flatten() {
            *counts.entry(*part).or_default() += 1;
        }
        let mut groups: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
        let mut left = Vec::new();
        for (at, of) in inner.iter().enumerate() {
            let most = of.iter().map(|part| (counts[part], *part)).max();
            match most {
                Some((2.., part)) => groups.entry(part).or_default().push(at),
                _ => left.push(parts[at]),
            }
        }
        for (common, members) in groups {
            if let [alone] = members.as_slice() {
                left.push(parts[*alone]);
                continue;
            }
            let mut rests = Vec::with_capacity(members.len());
            for at in members {
                let rest: Vec<_> = inner[at].iter().copied().filter(|part| *part != common).collect();
                rests.push(self.joined(rest, !neutral));
            }
            let rests = self.joined(rests, neutral);
            left.push(self.joined([common, rests], !neutral));
        }
        left
    }

    fn add(&mut self, node: GraphNode, typed: bool) -> NodeId {
        let next = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        *self.known.entry(node).or_insert_with_key(|node| {
            self.nodes.push(node.clone());
            self.typed.push(typed);
            next
        })
    }

    /// What is left of a condition where the comparisons of the event's type are known. `known` remembers what was asked
    /// before for the same type.
    pub(super) fn given(
        &mut self,
        id: NodeId,
        truth: &impl Fn(TestId) -> Truth,
        known: &mut HashMap<NodeId, NodeId, FixedState>,
    ) -> NodeId {
        if !self.typed[id.0 as usize] {
            return id;
        }
        if let Some(&left) = known.get(&id) {
            return left;
        }
        let mut each = |graph: &mut Self, parts: &[NodeId]| -> Vec<NodeId> {
            parts.iter().map(|&part| graph.given(part, truth, known)).collect()
        };
        let left = match self.node(id).clone() {
            GraphNode::Fixed(_) => id,
            GraphNode::Test(test) => match truth(test) {
                Truth::True => self.fixed(true),
                Truth::False => self.fixed(false),
                // It hangs on more than the type.
                Truth::Unknown => id,
            },
            GraphNode::Not(of) => {
                let of = each(self, &[of]);
                self.not(of[0])
            }
            GraphNode::All(of) => {
                let of = each(self, &of);
                self.all(of)
            }
            GraphNode::Any(of) => {
                let of = each(self, &of);
                self.any(of)
            }
            GraphNode::OneOf(of) => {
                let of = each(self, &of);
                self.one_of(of)
            }
        };
        known.insert(id, left);
        left
    }
}
