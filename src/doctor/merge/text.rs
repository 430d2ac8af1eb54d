//! The fleet for people: what to mend first, each finding with its nodes, the sum.

use anstyle::{AnsiColor, Style};

use super::super::render::{Look, ascii, wrap};
use super::super::report::FailOn;
use super::{Fleet, FleetCheck};

/// Names that are shown of each list; the JSON has all of them.
const SHOWN: usize = 8;
/// Checks in the list of what to mend first.
const FIRST: usize = 5;
const LABEL: usize = 8;
const INDENT: usize = LABEL + 3;
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=120;

/// The fleet as text.
#[must_use]
pub fn text(fleet: &Fleet, fail_on: FailOn, look: Look) -> String {
    let look = Look {
        width: look.width.clamp(*WIDTHS.start(), *WIDTHS.end()),
        ..look
    };
    let mut page = Page {
        look,
        out: String::new(),
    };
    page.head(fleet);
    page.first(fleet);
    for check in &fleet.checks {
        page.check(check, fleet.nodes.len());
    }
    page.left_out(fleet);
    page.sum(fleet, fail_on);
    if look.unicode { page.out } else { ascii(&page.out) }
}

struct Page {
    look: Look,
    out: String,
}

impl Page {
    fn head(&mut self, fleet: &Fleet) {
        let title = format!("Pinhole doctor: {}", nodes(fleet.nodes.len()));
        let title = self.look.paint(Style::new().bold(), &title);
        self.line(&title);
    }

    fn first(&mut self, fleet: &Fleet) {
        if fleet.fix_first.is_empty() {
            return;
        }
        self.line("");
        let head = self.look.paint(Style::new().bold(), "fix first");
        self.line(&head);
        for (number, fix) in fleet.fix_first.iter().take(FIRST).enumerate() {
            let title = fleet.checks.iter().find(|check| check.id == fix.id);
            let title = title.map_or("", |check| check.title.as_str());
            let text = format!("{}  {title} ({})", fix.id, nodes(fix.nodes));
            self.wrapped(&format!("{:>2}. ", number + 1), &text);
        }
    }

    fn check(&mut self, check: &FleetCheck, all: usize) {
        let counts = check.counts;
        if counts.fail + counts.warn + counts.unknown + counts.suppressed == 0 {
            return;
        }
        self.line("");
        let title = format!("{}  {}", check.id, check.title);
        let title = self.look.paint(Style::new().bold(), &title);
        self.line(&title);
        for (word, color, names) in [
            ("fail", AnsiColor::Red, &check.fail),
            ("warn", AnsiColor::Yellow, &check.warn),
            ("unknown", AnsiColor::Magenta, &check.unknown),
            ("accepted", AnsiColor::Cyan, &check.suppressed),
        ] {
            if names.is_empty() {
                continue;
            }
            let word = self.look.paint(color.on_default().bold(), &format!("{word:LABEL$}"));
            self.marked(&word, &format!("{} of {all}: {}", names.len(), listed(names)));
        }
    }

    fn left_out(&mut self, fleet: &Fleet) {
        if fleet.left_out.is_empty() {
            return;
        }
        self.line("");
        let head = format!("{} left out", files(fleet.left_out.len()));
        let head = self.look.paint(Style::new().bold(), &head);
        self.line(&head);
        for file in fleet.left_out.iter().take(SHOWN) {
            self.wrapped("  ", &format!("{}: {}", file.file, file.problem));
        }
        if fleet.left_out.len() > SHOWN {
            self.line(&format!("  and {} more", fleet.left_out.len() - SHOWN));
        }
    }

    fn sum(&mut self, fleet: &Fleet, fail_on: FailOn) {
        let counts = fleet.counts;
        self.line("");
        self.line(&format!(
            "nodes: {} ok, {} warn, {} fail, {} unknown",
            counts.ok, counts.warn, counts.fail, counts.unknown
        ));
        let threshold = match fail_on {
            FailOn::Warn => "warn",
            FailOn::Fail => "fail",
        };
        let code = fleet.exit_code(fail_on);
        self.line(&match code {
            2 => format!("exit 2: findings at or above {threshold}"),
            3 => "exit 3: something could not be found out or read".to_owned(),
            _ => format!("exit {code}: no finding at or above {threshold}"),
        });
    }

    /// A painted word, and text beside it.
    fn marked(&mut self, word: &str, text: &str) {
        let mut begin = format!("  {word} ");
        for line in wrap(text, self.look.width - INDENT) {
            self.line(&format!("{begin}{line}"));
            begin = " ".repeat(INDENT);
        }
    }

    fn wrapped(&mut self, begin: &str, text: &str) {
        let indent = begin.len();
        let mut begin = begin.to_owned();
        for line in wrap(text, self.look.width - indent) {
            self.line(&format!("{begin}{line}"));
            begin = " ".repeat(indent);
        }
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }
}

fn listed(names: &[String]) -> String {
    let mut said = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        said.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    said
}

fn nodes(count: usize) -> String {
    match count {
        1 => "1 node".to_owned(),
        more => format!("{more} nodes"),
    }
}

fn files(count: usize) -> String {
    match count {
        1 => "1 file".to_owned(),
        more => format!("{more} files"),
    }
}
