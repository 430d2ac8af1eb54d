//! What is evaluated for one type of events: the conditions of its rules, with the type put in and the parts in the order in
//! which they are cheapest.

mod gather;

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;

use super::classes::{Classes, Members};
use super::graph::{Graph, GraphNode, NodeId, TestId};
use super::matcher::{Matcher, Texts};
use super::operand::Operand;
use super::path::{self, Turn};
use super::pieces::Pieces;
use super::test::{Check, Test};
use super::weight::{self, Weight};
use crate::field::Field;

/// The place of a step in a program.
pub(super) type Step = u32;

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// How many answers of an event are kept while it is evaluated, those that most comparisons ask for; the others are asked
/// for anew.
pub(super) const ANSWERS: usize = 8;

/// The rules of one type of events.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) steps: Vec<StepEntry>,
    /// The rules, in the order of the files.
    pub(super) rules: Vec<Entry>,
    /// The conditions again, as a path through their comparisons.
    pub(super) path: Vec<Turn>,
    /// How many truths are kept while an event is evaluated.
    pub(super) truths: usize,
    /// The fields whose values are looked up in classes.
    pub(super) fields: Vec<ClassField>,
}

/// A rule of a program.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its number.
    pub(super) rule: u32,
    /// Its condition.
    pub(super) step: Step,
    /// Where its path begins.
    pub(super) path: u32,
}

/// A field whose value is looked up in classes.
#[derive(Debug)]
pub(super) struct ClassField {
    pub(super) field: Field,
    /// The number of its classes.
    pub(super) classes: usize,
    /// Where its answer is kept, or [`NONE`].
    pub(super) answer: u32,
}

/// A condition and where its truth is kept.
#[derive(Debug)]
pub(super) struct StepEntry {
    pub(super) kind: StepKind,
    /// [`NONE`] where only one other asks for it, or it costs no more than to remember it.
    pub(super) truth: u32,
    /// Whether several ask for it.
    pub(super) shared: bool,
}

#[derive(Debug)]
pub(super) enum StepKind {
    Fixed(bool),
    /// Whether a field's value is one of some.
    Class {
        /// Which of the program's fields.
        field: u32,
        members: Members,
        /// Whether it is to be none of them, which an absent value is not either.
        negated: bool,
        /// Whether the outcome is turned around.
        not: bool,
    },
    Test {
        test: TestId,
        /// Where the answer for its left side is kept, or [`NONE`].
        answer: u32,
    },
    /// Whether any of some pieces stands in a field's text.
    Pieces {
        pieces: Box<Pieces>,
        /// Where the answer for the field is kept, or [`NONE`].
        answer: u32,
        /// Whether the outcome is turned around.
        not: bool,
    },
    Not(Step),
    All(Box<[Step]>),
    Any(Box<[Step]>),
    OneOf(Box<[Step]>),
}

/// The classes of all fields, over all rules.
#[derive(Debug, Default)]
pub(super) struct AllClasses {
    pub(super) list: Vec<Classes>,
    of: HashMap<Field, usize, FixedState>,
}

impl AllClasses {
    /// Gathers the texts of all comparisons.
    pub(super) fn new(tests: &[Test]) -> Self {
        let mut all = Self::default();
        for (field, texts) in tests.iter().filter_map(sorted_by_class) {
            let at = *all.of.entry(field.clone()).or_insert_with(|| {
                all.list.push(Classes::default());
                all.list.len() - 1
            });
            // In order, so that the same rules are compiled to the same program each time.
            let mut texts: Vec<_> = texts.iter().collect();
            texts.sort_unstable();
            for text in texts {
                all.list[at].add(text);
            }
        }
        all
    }
}

/// The field and the texts of a comparison that asks whether a text is one of some.
fn sorted_by_class(test: &Test) -> Option<(&Field, &Texts)> {
    match test {
        Test {
            left: Operand::Field(field),
            check:
                Check::Values {
                    matcher: Matcher::Texts(texts),
                    one_value: true,
                    ..
                },
        } => Some((field, texts)),
        _ => None,
    }
}

/// Puts a program together.
pub(super) struct Builder<'g> {
    graph: &'g Graph,
    tests: &'g [Test],
    classes: &'g mut AllClasses,
    program: Program,
    /// Where a node's step is, and its weight.
    placed: HashMap<NodeId, (Step, Weight), FixedState>,
    /// How many others ask for a node.
    asked: HashMap<NodeId, u32, FixedState>,
    /// Where the answers of the fields are kept that are asked for most.
    answers: BTreeMap<Field, u32>,
    class_fields: HashMap<Field, u32, FixedState>,
}

impl<'g> Builder<'g> {
    /// A program of these conditions by the numbers of their rules.
    pub(super) fn build(
        graph: &'g Graph,
        tests: &'g [Test],
        classes: &'g mut AllClasses,
        rules: &[(u32, NodeId)],
    ) -> Program {
        let mut builder = Self {
            graph,
            tests,
            classes,
            program: Program::default(),
            placed: HashMap::default(),
            asked: HashMap::default(),
            answers: BTreeMap::new(),
            class_fields: HashMap::default(),
        };
        builder.count(rules);
        for &(rule, node) in rules {
            let (step, _) = builder.place(node);
            let path = path::lay(&builder.program.steps, &mut builder.program.path, step);
            builder.program.rules.push(Entry { rule, step, path });
        }
        builder.program
    }

    /// Counts who asks for what.
    fn count(&mut self, rules: &[(u32, NodeId)]) {
        let mut fields: BTreeMap<&Field, (u32, bool)> = BTreeMap::new();
        let mut open: Vec<NodeId> = rules.iter().map(|&(_, node)| node).collect();
        while let Some(node) = open.pop() {
            let asked = self.asked.entry(node).or_default();
            *asked += 1;
            if *asked > 1 {
                continue;
            }
            match self.graph.node(node) {
                GraphNode::Fixed(_) => {}
                GraphNode::Test(test) => {
                    let test = &self.tests[test.0 as usize];
                    if let Operand::Field(field) = &test.left {
                        let (times, class) = fields.entry(field).or_default();
                        // All comparisons by class ask once together.
                        if sorted_by_class(test).is_none() || !std::mem::replace(class, true) {
                            *times += 1;
                        }
                    }
                }
                GraphNode::Not(of) => open.push(*of),
                GraphNode::All(of) | GraphNode::Any(of) | GraphNode::OneOf(of) => open.extend_from_slice(of),
            }
        }
        let mut fields: Vec<_> = fields.into_iter().filter(|(_, (times, _))| *times > 1).collect();
        fields.sort_by_key(|(_, (times, _))| std::cmp::Reverse(*times));
        let slots = fields.into_iter().zip(0_u32..).take(ANSWERS);
        self.answers = slots.map(|((field, _), slot)| (field.clone(), slot)).collect();
    }

    fn place(&mut self, node: NodeId) -> (Step, Weight) {
        if let Some(&placed) = self.placed.get(&node) {
            return placed;
        }
        let graph = self.graph;
        let (kind, weight) = match graph.node(node) {
            GraphNode::Fixed(truth) => (
                StepKind::Fixed(*truth),
                Weight {
                    cost: 1.0,
                    likely: f64::from(u8::from(*truth)),
                },
            ),
            GraphNode::Test(test) => self.test(*test),
            GraphNode::Not(of) => {
                let (step, weight) = self.place(*of);
                let likely = 1.0 - weight.likely;
                let kind = match &self.program.steps[step as usize].kind {
                    StepKind::Class {
                        field,
                        members,
                        negated,
                        not,
                    } => StepKind::Class {
                        field: *field,
                        members: members.clone(),
                        negated: *negated,
                        not: !not,
                    },
                    _ => StepKind::Not(step),
                };
                (kind, Weight { likely, ..weight })
            }
            GraphNode::All(of) | GraphNode::Any(of) => {
                let and = matches!(graph.node(node), GraphNode::All(_));
                let (steps, weight) = self.ordered(of, and);
                // They may have become one, which is the same then, and costs no step of its own.
                if let ([one], Some(1)) = (&*steps, self.asked.get(&node)) {
                    self.placed.insert(node, (*one, weight));
                    return (*one, weight);
                }
                let kind = if and {
                    StepKind::All(steps)
                } else {
                    StepKind::Any(steps)
                };
                (kind, weight)
            }
            GraphNode::OneOf(of) => {
                let placed: Vec<_> = of.iter().map(|&it| self.place(it)).collect();
                let cost = placed.iter().map(|(_, weight)| weight.cost).sum();
                let steps = placed.into_iter().map(|(step, _)| step).collect();
                (StepKind::OneOf(steps), Weight { cost, likely: 0.1 })
            }
        };
        let cheap = matches!(kind, StepKind::Fixed(_) | StepKind::Class { .. } | StepKind::Not(_));
        let shared = self.asked.get(&node).is_some_and(|asked| *asked > 1);
        let truth = if shared && !cheap {
            self.program.truths += 1;
            u32::try_from(self.program.truths - 1).unwrap_or(NONE)
        } else {
            NONE
        };
        let step = Step::try_from(self.program.steps.len()).unwrap_or(Step::MAX);
        self.program.steps.push(StepEntry { kind, truth, shared });
        self.placed.insert(node, (step, weight));
        (step, weight)
    }

    /// The parts of `and` or `or`, first those that settle it for the least: of `and` what is false, of `or` what is true.
    fn ordered(&mut self, of: &[NodeId], and: bool) -> (Box<[Step]>, Weight) {
        let mut placed = self.gather(of, and);
        self.join(&mut placed, and);
        let settles = |weight: &Weight| {
            let likely = if and { 1.0 - weight.likely } else { weight.likely };
            weight.cost / likely.max(0.001)
        };
        placed.sort_by(|(_, one), (_, other)| settles(one).total_cmp(&settles(other)));
        let (mut cost, mut goes_on) = (0.0, 1.0);
        for (_, weight) in &placed {
            cost += goes_on * weight.cost;
            goes_on *= if and { weight.likely } else { 1.0 - weight.likely };
        }
        let likely = if and { goes_on } else { 1.0 - goes_on };
        let steps = placed.into_iter().map(|(step, _)| step).collect();
        (steps, Weight { cost, likely })
    }

    fn test(&mut self, id: TestId) -> (StepKind, Weight) {
        let test = &self.tests[id.0 as usize];
        let answer = match &test.left {
            Operand::Field(field) => self.answers.get(field).copied().unwrap_or(NONE),
            Operand::Never | Operand::Text(_) | Operand::Transformed(..) => NONE,
        };
        if let Some((field, texts)) = sorted_by_class(test) {
            let classes = self.classes.of.get(field).copied().unwrap_or_default();
            let members = Members::new(texts.iter().map(|text| self.classes.list[classes].add(text)));
            let fields = &mut self.program.fields;
            let field = *self.class_fields.entry(field.clone()).or_insert_with_key(|field| {
                fields.push(ClassField {
                    field: field.clone(),
                    classes,
                    answer,
                });
                u32::try_from(fields.len() - 1).unwrap_or(NONE)
            });
            let negated = matches!(test.check, Check::Values { negated: true, .. });
            let likely = if texts.len() > 3 { 0.2 } else { 0.05 };
            return (
                StepKind::Class {
                    field,
                    members,
                    negated,
                    not: false,
                },
                Weight {
                    cost: 3.0,
                    likely: if negated { 1.0 - likely } else { likely },
                },
            );
        }
        let kept = if answer == NONE { 5.0 } else { 1.0 };
        let weight = weight::of(test);
        let cost = weight.cost + kept;
        (StepKind::Test { test: id, answer }, Weight { cost, ..weight })
    }
}
