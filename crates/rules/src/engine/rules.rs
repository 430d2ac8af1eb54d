//! The rules of a host program, ready to be evaluated.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::FixedState;
use pinhole_priority::Priority;

use super::Subject;
use super::classes::Classes;
use super::compile::Compiler;
use super::evaluate::{Reason, Run, Scratch};
use super::graph::{GraphNode, NodeId};
use super::necessary::{Necessary, Vocabulary, necessary};
use super::policy::{Policy, WhenUnknown};
use super::program::{AllClasses, Builder, Entry, Program};
use super::test::Test;
use crate::catalogue::{Catalogue, EVENT_TYPE, Event, EventType};
use crate::field::Field;
use crate::library::Rule;
use crate::output::Template;
use crate::problem::{Problem, Severity, shortened};
use crate::source::Span;
use crate::value::{Answer, Truth, Value};

/// Whether an event can match several rules (`rule_matching`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Matching {
    /// The first rule that matches, in the order of the files, is the only one.
    #[default]
    First,
    /// All rules that match.
    All,
}

/// How rules are compiled.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether an event can match several rules.
    pub matching: Matching,
    /// What is done where an outcome is unknown.
    pub policy: Policy,
}

/// A rule that is evaluated, without its condition.
#[derive(Debug)]
pub struct Compiled {
    /// Its name.
    pub name: String,
    /// How urgent it is.
    pub priority: Priority,
    /// The kind of events that it watches.
    pub source: String,
    /// Its tags.
    pub tags: BTreeSet<String>,
    /// Its message.
    pub output: Template,
    /// What is done where it is unknown whether it holds.
    pub when_unknown: WhenUnknown,
}

/// What came of a rule for an event; nothing is told of a rule that does not hold.
#[derive(Debug)]
pub enum Outcome<'e> {
    /// It holds.
    Match {
        /// Its number.
        number: u32,
        /// The rule.
        rule: &'e Compiled,
    },
    /// It is unknown whether it holds.
    Unknown {
        /// Its number.
        number: u32,
        /// The rule.
        rule: &'e Compiled,
        /// What this hangs on.
        reasons: Vec<Reason>,
    },
}

/// Conditions by the numbers of their rules.
type Conditions = Box<[(u32, NodeId)]>;

/// Compiled rules.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Compiled>,
    tests: Vec<Test>,
    classes: Vec<Classes>,
    /// The programs, by type of events; the first is empty.
    programs: Vec<Program>,
    by_type: Vec<u32>,
    /// What the programs were made of: conditions, and those of each program by the numbers of their rules.
    nodes: Box<[GraphNode]>,
    conditions: Vec<Conditions>,
    matching: Matching,
}

impl RuleSet {
    /// Compiles the rules that are enabled. There is no rule set where something is wrong with one of them; all problems are
    /// told, warnings too.
    #[must_use]
    pub fn compile(rules: &[Rule], catalogue: &Catalogue, options: &Options) -> (Option<Self>, Vec<Problem>) {
        let mut compiler = Compiler::new(catalogue);
        let mut compiled = Vec::new();
        let mut conditions = Vec::new();
        for rule in rules.iter().filter(|rule| rule.enabled) {
            if let Some((rule, condition)) = compile(&mut compiler, rule, &options.policy) {
                compiled.push(rule);
                conditions.push(condition);
            }
        }
        let Programs {
            classes,
            programs,
            conditions,
            by_type,
        } = programs(&mut compiler, rules, &compiled, &conditions);
        let Compiler {
            tests, problems, graph, ..
        } = compiler;
        let broken = problems.iter().any(|problem| problem.severity == Severity::Error);
        let set = Self {
            rules: compiled,
            tests,
            classes,
            programs,
            by_type,
            nodes: graph.into_nodes(),
            conditions,
            matching: options.matching,
        };
        ((!broken).then_some(set), problems)
    }

    /// The rules, by their numbers.
    #[must_use]
    pub fn rules(&self) -> &[Compiled] {
        &self.rules
    }

    /// The numbers of the rules that events of a type can match.
    pub fn rules_of(&self, event: EventType) -> impl Iterator<Item = u32> {
        self.program(event).rules.iter().map(|entry| entry.rule)
    }

    /// What must hold for an event of a type so that it can match a rule or be unknown for one, as far as `vocabulary` can say
    /// it. Meant to be asked for once per type, when rules are loaded.
    #[must_use]
    pub fn necessary(&self, event: EventType, vocabulary: &dyn Vocabulary) -> Necessary {
        let at = self.at(event);
        necessary(&self.nodes, &self.tests, event, &self.conditions[at], vocabulary)
    }

    /// Evaluates an event. Rules come in the order of the files. `each` is told what holds and what is unknown; where only
    /// the first match counts, nothing behind it is told.
    pub fn evaluate<'e, S: Subject + ?Sized>(
        &'e self,
        event: EventType,
        subject: &'e S,
        scratch: &mut Scratch,
        mut each: impl FnMut(Outcome<'e>),
    ) {
        let program = self.program(event);
        if program.rules.is_empty() {
            return;
        }
        let mut run = Run::new(program, &self.tests, &self.classes, subject, scratch);
        for &Entry {
            rule: number,
            step,
            path,
        } in &program.rules
        {
            let rule = || &self.rules[number as usize];
            let truth = match run.holds(path) {
                Some(holds) => holds.into(),
                // By the slower way, on which what is unknown is passed over.
                None => run.truth(step),
            };
            match truth {
                Truth::False => {}
                Truth::True => {
                    each(Outcome::Match { number, rule: rule() });
                    if self.matching == Matching::First {
                        return;
                    }
                }
                Truth::Unknown => {
                    let mut reasons = Vec::new();
                    run.reasons(step, &mut reasons);
                    each(Outcome::Unknown {
                        number,
                        rule: rule(),
                        reasons,
                    });
                }
            }
        }
    }

    /// A type that the catalogue did not give has no rules.
    fn at(&self, event: EventType) -> usize {
        self.by_type.get(usize::from(event.0)).copied().unwrap_or(0) as usize
    }

    fn program(&self, event: EventType) -> &Program {
        &self.programs[self.at(event)]
    }
}

/// Compiles a rule; tells what is wrong with it and leaves it out where it is to be.
fn compile(compiler: &mut Compiler<'_>, rule: &Rule, policy: &Policy) -> Option<(Compiled, NodeId)> {
    compiler.item = format!("rule {}", shortened(&rule.name));
    compiler.unknown_field = false;
    compiler.never.clear();
    let told = compiler.problems.len();
    let condition = compiler.condition(&rule.condition, 0);
    // Only what a condition asks for decides; an output may show that there is nothing.
    let never = std::mem::take(&mut compiler.never);
    let output = Template::compile(&rule.output, compiler);
    if rule.skip_if_unknown && compiler.unknown_field {
        for problem in &mut compiler.problems[told..] {
            problem.severity = Severity::Warning;
        }
        let message = "this rule is left out, as it asks where a field is not known".to_owned();
        compiler.tell(Severity::Warning, &rule.span, message, None);
        return None;
    }
    for (span, name, why) in never {
        compiler.tell(
            Severity::Warning,
            &span,
            format!("`{name}` never has a value: {why}"),
            Some("a comparison with it is never true".to_owned()),
        );
    }
    let compiled = Compiled {
        name: rule.name.clone(),
        priority: rule.priority,
        source: rule.source.clone(),
        tags: rule.tags.clone(),
        output: output?,
        when_unknown: policy.of(&rule.name),
    };
    Some((compiled, condition.ok()?))
}

/// What is evaluated by type of events.
struct Programs {
    classes: Vec<Classes>,
    programs: Vec<Program>,
    conditions: Vec<Conditions>,
    by_type: Vec<u32>,
}

/// Puts the type of events into the conditions, and a program together for each set of what is left.
fn programs(compiler: &mut Compiler<'_>, rules: &[Rule], compiled: &[Compiled], conditions: &[NodeId]) -> Programs {
    let mut classes = AllClasses::new(&compiler.tests);
    let mut programs = vec![Program::default()];
    let mut of_programs = vec![Conditions::default()];
    let mut same: HashMap<Vec<(u32, NodeId)>, u32, FixedState> = HashMap::default();
    let mut by_type = Vec::new();
    let mut met = vec![0_usize; conditions.len()];
    let never = compiler.graph.fixed(false);
    for (_, event) in compiler.catalogue.events() {
        let left = given(compiler, event, conditions);
        let rules: Vec<_> = (0..).zip(left).filter(|&(_, node)| node != never).collect();
        for &(rule, _) in &rules {
            met[rule as usize] += 1;
        }
        let program = if rules.is_empty() {
            0
        } else {
            *same.entry(rules).or_insert_with_key(|rules| {
                programs.push(Builder::build(&compiler.graph, &compiler.tests, &mut classes, rules));
                of_programs.push(rules.as_slice().into());
                u32::try_from(programs.len() - 1).unwrap_or(0)
            })
        };
        by_type.push(program);
    }
    // Of a condition that is not whole nobody knows what it meets.
    let places: HashMap<&str, (&Span, bool)> = rules
        .iter()
        .filter(|rule| rule.whole)
        .map(|rule| (rule.name.as_str(), (&rule.span, rule.warn_event_types)))
        .collect();
    for (rule, met) in compiled.iter().zip(met) {
        let Some(&(span, warn)) = places.get(rule.name.as_str()) else {
            continue;
        };
        let message = match met {
            0 => "no event can match this rule",
            met if met == by_type.len() && met > 1 && warn => "this rule is met by events of every type, which is slow",
            _ => continue,
        };
        compiler.item = format!("rule {}", shortened(&rule.name));
        compiler.tell(Severity::Warning, span, message.to_owned(), None);
    }
    Programs {
        classes: classes.list,
        programs,
        conditions: of_programs,
        by_type,
    }
}

/// What is left of the conditions for a type of events.
fn given(compiler: &mut Compiler<'_>, event: &Event, conditions: &[NodeId]) -> Vec<NodeId> {
    let subject = TypeOnly {
        field: compiler.catalogue.field(EVENT_TYPE, None).ok(),
        event,
    };
    let tests = &compiler.tests;
    let truth = |test: super::graph::TestId| {
        let test = &tests[test.0 as usize];
        test.truth(&test.left.answer(&subject), &subject)
    };
    let mut known = HashMap::default();
    let graph = &mut compiler.graph;
    conditions
        .iter()
        .map(|&condition| graph.given(condition, &truth, &mut known))
        .collect()
}

/// An event of which nothing is known but its type.
struct TypeOnly<'c> {
    field: Option<Field>,
    event: &'c Event,
}

impl Subject for TypeOnly<'_> {
    fn answer(&self, field: &Field) -> Answer<'_> {
        if Some(field) == self.field.as_ref() {
            Answer::Known(Value::Text(self.event.name.as_bytes().into()))
        } else {
            Answer::Unknown("")
        }
    }
}
