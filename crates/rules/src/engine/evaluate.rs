//! Evaluation of an event's program. Nothing is allocated here, unless a comparison needs it (a function, a list).

use super::Subject;
use super::classes::{Class, Classes, Members, OTHER};
use super::graph::TestId;
use super::path::{NO, YES};
use super::pieces::Pieces;
use super::program::{ANSWERS, ClassField, NONE, Program, Step, StepEntry, StepKind};
use super::test::Test;
use crate::field::Field;
use crate::value::{Answer, Truth, Value};

/// What is kept while an event is evaluated, to be used for the next one again.
#[derive(Debug, Default)]
pub struct Scratch {
    truths: Vec<Option<Truth>>,
    classes: Vec<Found>,
}

/// A field that could not be found out, and that an outcome hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Which.
    pub field: Field,
    /// The word that the host gave for it.
    pub why: String,
}

/// More are not told.
const MOST_REASONS: usize = 16;

/// What the value of a field was found to be.
#[derive(Debug, Clone, Copy)]
enum Found {
    NotAsked,
    Class(Class),
    Absent,
    Unknown,
}

/// An event that is being evaluated.
pub(super) struct Run<'e, 'k, S: ?Sized> {
    program: &'e Program,
    tests: &'e [Test],
    classes: &'e [Classes],
    subject: &'e S,
    answers: [Option<Answer<'e>>; ANSWERS],
    scratch: &'k mut Scratch,
}

impl<'e, 'k, S: Subject + ?Sized> Run<'e, 'k, S> {
    #[inline]
    pub(super) fn new(
        program: &'e Program,
        tests: &'e [Test],
        classes: &'e [Classes],
        subject: &'e S,
        scratch: &'k mut Scratch,
    ) -> Self {
        scratch.truths.clear();
        scratch.truths.resize(program.truths, None);
        scratch.classes.clear();
        scratch.classes.resize(program.fields.len(), Found::NotAsked);
        Self {
            program,
            tests,
            classes,
            subject,
            answers: [const { None }; ANSWERS],
            scratch,
        }
    }

    /// Whether the condition holds whose path begins here; nothing where that hangs on something unknown.
    pub(super) fn holds(&mut self, path: u32) -> Option<bool> {
        let program = self.program;
        let mut at = path;
        loop {
            let turn = match at {
                YES => return Some(true),
                NO => return Some(false),
                at => &program.path[at as usize],
            };
            let truth = match &program.steps[turn.step as usize] {
                StepEntry {
                    kind:
                        StepKind::Class {
                            field,
                            members,
                            negated,
                            not,
                        },
                    ..
                } => self.one_of_classes(*field as usize, members, *negated, *not),
                StepEntry {
                    kind: StepKind::Test { test, answer },
                    truth: NONE,
                    ..
                } => self.test(*test, *answer),
                _ => self.truth(turn.step),
            };
            at = match truth {
                Truth::True => turn.yes,
                Truth::False => turn.no,
                Truth::Unknown => return None,
            };
        }
    }

    /// Whether a condition holds. In `and` and `or` what is unknown is passed over until another part settles it.
    pub(super) fn truth(&mut self, step: Step) -> Truth {
        let program = self.program;
        let entry = &program.steps[step as usize];
        let kept = entry.truth as usize;
        if entry.truth != NONE
            && let Some(truth) = self.scratch.truths[kept]
        {
            return truth;
        }
        let truth = match &entry.kind {
            StepKind::Fixed(truth) => (*truth).into(),
            StepKind::Class {
                field,
                members,
                negated,
                not,
            } => return self.one_of_classes(*field as usize, members, *negated, *not),
            StepKind::Test { test, answer } => self.test(*test, *answer),
            StepKind::Pieces { pieces, answer, not } => self.pieces(pieces, *answer, *not),
            StepKind::Not(of) => !self.truth(*of),
            StepKind::All(of) => self.joined(of, Truth::False),
            StepKind::Any(of) => self.joined(of, Truth::True),
            StepKind::OneOf(of) => self.one_of(of),
        };
        if entry.truth != NONE {
            self.scratch.truths[kept] = Some(truth);
        }
        truth
    }

    /// `and`, which a false part settles, and `or`, which a true one does.
    fn joined(&mut self, of: &[Step], settled: Truth) -> Truth {
        let mut truth = !settled;
        let program = self.program;
        for &step in of {
            // What most parts are, without another call.
            let part = match &program.steps[step as usize].kind {
                StepKind::Class {
                    field,
                    members,
                    negated,
                    not,
                } => self.one_of_classes(*field as usize, members, *negated, *not),
                _ => self.truth(step),
            };
            match part {
                part if part == settled => return settled,
                Truth::Unknown => truth = Truth::Unknown,
                Truth::True | Truth::False => {}
            }
        }
        truth
    }

    fn one_of(&mut self, of: &[Step]) -> Truth {
        let (mut holds, mut unknown) = (0_u32, false);
        for &step in of {
            match self.truth(step) {
                Truth::True if holds > 0 => return Truth::False,
                Truth::True => holds += 1,
                Truth::False => {}
                Truth::Unknown => unknown = true,
            }
        }
        if unknown { Truth::Unknown } else { (holds == 1).into() }
    }

    /// Why it is unknown whether a condition holds: what its unknown parts hang on.
    pub(super) fn reasons(&mut self, step: Step, reasons: &mut Vec<Reason>) {
        if self.truth(step) != Truth::Unknown || reasons.len() >= MOST_REASONS {
            return;
        }
        let program = self.program;
        match &program.steps[step as usize].kind {
            StepKind::Fixed(_) => {}
            StepKind::Not(of) => self.reasons(*of, reasons),
            StepKind::All(of) | StepKind::Any(of) | StepKind::OneOf(of) => {
                for &step in of {
                    self.reasons(step, reasons);
                }
            }
            StepKind::Class { field, .. } => {
                let field = &program.fields[*field as usize].field;
                self.reason(field, reasons);
            }
            StepKind::Pieces { pieces, .. } => self.reason(&pieces.field, reasons),
            StepKind::Test { test, .. } => {
                self.tests[test.0 as usize].fields(&mut |field| self.reason(field, reasons));
            }
        }
    }

    fn reason(&self, field: &Field, reasons: &mut Vec<Reason>) {
        if let Answer::Unknown(why) | Answer::Partly(_, why) = self.subject.answer(field) {
            let same = |reason: &Reason| reason.field == *field && reason.why == why;
            if !reasons.iter().any(same) && reasons.len() < MOST_REASONS {
                reasons.push(Reason {
                    field: field.clone(),
                    why: why.to_owned(),
                });
            }
        }
    }

    #[inline]
    fn one_of_classes(&mut self, field: usize, members: &Members, negated: bool, not: bool) -> Truth {
        match self.class(field) {
            Found::Class(class) => (members.has(class) != (negated != not)).into(),
            Found::Absent => not.into(),
            Found::Unknown | Found::NotAsked => Truth::Unknown,
        }
    }

    fn test(&mut self, id: TestId, answer: u32) -> Truth {
        let test = &self.tests[id.0 as usize];
        if answer == NONE {
            return test.truth(&test.left.answer(self.subject), self.subject);
        }
        let subject = self.subject;
        let left = self.answers[answer as usize].get_or_insert_with(|| test.left.answer(subject));
        test.truth(left, subject)
    }

    fn pieces(&mut self, pieces: &'e Pieces, answer: u32, not: bool) -> Truth {
        let subject = self.subject;
        if answer == NONE {
            return pieces.truth(&subject.answer(&pieces.field), not);
        }
        let left = self.answers[answer as usize].get_or_insert_with(|| subject.answer(&pieces.field));
        pieces.truth(left, not)
    }

    #[inline]
    fn class(&mut self, at: usize) -> Found {
        match self.scratch.classes[at] {
            Found::NotAsked => self.look_up(at),
            found => found,
        }
    }

    fn look_up(&mut self, at: usize) -> Found {
        let ClassField { field, classes, answer } = &self.program.fields[at];
        let classes = &self.classes[*classes];
        let found = if *answer == NONE {
            find(classes, &self.subject.answer(field))
        } else {
            let subject = self.subject;
            let answer = self.answers[*answer as usize].get_or_insert_with(|| subject.answer(field));
            find(classes, answer)
        };
        self.scratch.classes[at] = found;
        found
    }
}

fn find(classes: &Classes, answer: &Answer<'_>) -> Found {
    match answer {
        Answer::Known(Value::Text(text)) => Found::Class(classes.of(text)),
        // Another type than the field's fits nothing.
        Answer::Known(_) => Found::Class(OTHER),
        Answer::Absent => Found::Absent,
        Answer::Unknown(_) | Answer::Partly(..) => Found::Unknown,
    }
}
