//! The explanation for people: one line for each step, its evidence below it, the event's metadata, the sum.

use std::time::Duration;

use anstyle::{AnsiColor, Style};

use super::super::render::{Look, ascii, wrap};
use super::report::{ContainerSteps, DecidedBy, Evidence, Explanation, Step, StepOutcome, Verdict};
use super::walk::time;

/// Narrower than this nothing is readable; wider than this neither.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=120;
const INDENT: usize = 7;
const NAME: usize = 14;
/// Sockets that are not there and are told one by one.
const MOST_ABSENT: usize = 2;
/// Longest line of evidence; the JSON has all of it.
const EVIDENCE_CHARS: usize = 600;

/// The explanation as text.
#[must_use]
pub fn text(explanation: &Explanation, look: Look) -> String {
    let look = Look {
        width: look.width.clamp(*WIDTHS.start(), *WIDTHS.end()),
        ..look
    };
    let mut page = Page {
        look,
        out: String::new(),
    };
    page.title(&format!("Pinhole explains {}", explanation.target));
    page.line("");
    explanation.steps.iter().for_each(|step| page.step(step));
    for container in &explanation.containers {
        page.line("");
        page.container(container);
    }
    page.line("");
    page.line(match explanation.verdict {
        Verdict::Complete => "exit 0: everything is known",
        Verdict::Partial => "exit 2: something is missing",
        Verdict::Missing => "exit 2: nothing is known of it",
        Verdict::Undetermined => "exit 3: nobody could be asked",
    });
    if look.unicode { page.out } else { ascii(&page.out) }
}

/// Whether it is about a socket that is not there.
fn is_absent(evidence: &Evidence) -> bool {
    let is = |key: &str, word: &str| evidence.values.get(key).is_some_and(|value| value == word);
    is("state", "absent") || is("rank", "absent") || is("reason", "no_runtime_socket")
}

struct Page {
    look: Look,
    out: String,
}

impl Page {
    fn container(&mut self, container: &ContainerSteps) {
        let name = if container.name.is_empty() {
            "container"
        } else {
            &container.name
        };
        self.title(&format!("{name}  {}", container.id));
        let by = match container.decided_by {
            DecidedBy::Agent => "by what the running agent holds",
            DecidedBy::Walk => "by this walk",
        };
        self.wrapped(0, &format!("{}, {by}", container.verdict.as_str()));
        container.steps.iter().for_each(|step| self.step(step));
    }

    fn step(&mut self, step: &Step) {
        let (style, mark) = self.mark(step.outcome);
        let took = step
            .took_us
            .map(|micros| format!(" ({})", time(Duration::from_micros(micros))));
        let said = format!("{}{}", step.said, took.unwrap_or_default());
        let mut head = format!("{} {:NAME$}", self.look.paint(style, mark), step.step);
        for line in wrap(&said, self.look.width - INDENT - NAME) {
            self.line(&format!("{head}{line}"));
            head = " ".repeat(INDENT + NAME);
        }
        // Most well-known paths are empty on any node; the JSON has all of them.
        let absent = step.evidence.iter().filter(|one| is_absent(one)).count();
        let folded = absent > MOST_ABSENT;
        for evidence in step.evidence.iter().filter(|one| !(folded && is_absent(one))) {
            let text: String = evidence.text.chars().take(EVIDENCE_CHARS).collect();
            self.wrapped(INDENT + 2, &text);
        }
        if folded {
            self.wrapped(INDENT + 2, &format!("and {absent} of sockets that are not there"));
        }
    }

    fn title(&mut self, text: &str) {
        let bold = Style::new().bold();
        for line in wrap(text, self.look.width) {
            let line = self.look.paint(bold, &line);
            self.line(&line);
        }
    }

    fn wrapped(&mut self, indent: usize, text: &str) {
        for (index, line) in wrap(text, self.look.width - indent - 2).into_iter().enumerate() {
            let hanging = if index == 0 { 0 } else { 2 };
            self.line(&format!("{:1$}{line}", "", indent + hanging));
        }
    }

    /// Marks are [`INDENT`] - 1 columns wide.
    fn mark(&self, outcome: StepOutcome) -> (Style, &'static str) {
        let color = |color: AnsiColor| color.on_default().bold();
        match (outcome, self.look.unicode) {
            (StepOutcome::Ok, true) => (color(AnsiColor::Green), "✓ ok  "),
            (StepOutcome::Ok, false) => (color(AnsiColor::Green), "[ ok ]"),
            (StepOutcome::Broke, true) => (color(AnsiColor::Red), "✗ brok"),
            (StepOutcome::Broke, false) => (color(AnsiColor::Red), "[brok]"),
            (StepOutcome::Skipped, true) => (Style::new().dimmed(), "– skip"),
            (StepOutcome::Skipped, false) => (Style::new().dimmed(), "[skip]"),
        }
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }
}
