//! The report for people: findings first, what they block folded under them, what to mend first, one line per healthy
//! area and per reason for which something was not judged, the sum.

use anstyle::{AnsiColor, Style};

use super::super::registry::{Weight, find};
use super::super::report::{Check, FailOn, Report, Status};
use super::words;
use super::wrap::{ascii, cut, fitting, wrap};

/// What the output can show.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Colours.
    pub color: bool,
    /// Characters beyond ASCII.
    pub unicode: bool,
    /// Columns.
    pub width: usize,
}

impl Look {
    /// The text in this style, where colours are wanted.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        if self.color {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

/// Narrower than this nothing is readable; wider than this neither.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=120;
const INDENT: usize = 7;
const LABEL: usize = 10;
/// The first column of a line about an area, or about what was not judged.
const NAME: usize = 14;

/// The report as text.
#[must_use]
pub fn text(report: &Report, fail_on: FailOn, look: Look) -> String {
    let look = Look {
        width: look.width.clamp(*WIDTHS.start(), *WIDTHS.end()),
        ..look
    };
    let mut page = Page {
        look,
        out: String::new(),
    };
    page.header(report);
    for check in words::findings(report) {
        page.finding(check, &report.checks);
    }
    page.fix_first(report);
    page.changes(report);
    page.suppressed(report);
    page.healthy(&report.checks);
    page.skipped(&report.checks);
    page.sum(report, fail_on);
    if look.unicode { page.out } else { ascii(&page.out) }
}

struct Page {
    look: Look,
    out: String,
}

impl Page {
    fn header(&mut self, report: &Report) {
        let dot = if self.look.unicode { " · " } else { ", " };
        let mut parts = vec![
            words::mode(report),
            format!("profile {} ({})", report.profile.name, report.profile.source),
        ];
        if let Some(node) = &report.host.node {
            parts.push(format!("node {node}"));
        }
        if let Some(kernel) = &report.host.kernel {
            parts.push(format!("kernel {kernel} {}", report.host.arch));
        }
        let title = self
            .look
            .paint(Style::new().bold(), &format!("Pinhole doctor {}", report.agent.version));
        self.line(&title);
        for line in wrap(&parts.join(dot), self.look.width) {
            self.line(&line);
        }
        if let Some(why) = words::unconfined(report) {
            for line in wrap(&why, self.look.width) {
                self.line(&line);
            }
        }
        self.line("");
    }

    /// What is different from the earlier report: what got worse first, one line each.
    fn changes(&mut self, report: &Report) {
        let Some(changes) = &report.changes else { return };
        let node = changes
            .node
            .as_deref()
            .map(|node| format!(", node {node}"))
            .unwrap_or_default();
        let head = format!("since {} ({}{node})", changes.since, changes.version);
        let head = self.look.paint(Style::new().bold(), &head);
        self.line(&head);
        let lines = words::changed(report, changes);
        if lines.is_empty() {
            self.line(&format!("{:INDENT$}nothing changed", ""));
        }
        for (word, said) in lines {
            let mut begin = format!("  {word:7}");
            for line in wrap(&said, self.look.width - 9) {
                self.line(&format!("{begin}{line}"));
                begin = " ".repeat(9);
            }
        }
        self.line("");
    }

    fn finding(&mut self, check: &Check, all: &[Check]) {
        let (style, mark) = self.mark(check.status);
        let mark = self.look.paint(style, mark);
        let head = self
            .look
            .paint(Style::new().bold(), &format!("{}  {}", check.id, check.title));
        self.line(&format!("{mark} {head}"));
        for line in wrap(words::said(check), self.look.width - INDENT) {
            self.line(&format!("{:INDENT$}{line}", ""));
        }
        self.labelled("observed", check.observed.as_ref().map(words::value).as_deref());
        self.labelled("expected", check.expected.as_ref().map(words::value).as_deref());
        if let Some(impact) = &check.impact {
            let stops = check.status == Status::Fail && find(&check.id).is_some_and(|it| it.weight == Weight::Blocks);
            let impact_text = format!(
                "{}{}",
                if stops {
                    "nothing works until it is mended. "
                } else {
                    ""
                },
                impact.text
            );
            self.labelled("impact", Some(&impact_text));
            self.labelled("fields", Some(&impact.fields.join(", ")));
        }
        if let Some(remedy) = &check.remedy {
            self.labelled("fix", Some(&remedy.text));
            for command in &remedy.commands {
                self.command(command);
            }
            self.labelled("where", Some(&words::places(remedy)));
        }
        self.labelled("blocks", Some(&words::behind(&words::waiting(&check.id, all))));
        self.line("");
    }

    fn labelled(&mut self, label: &str, text: Option<&str>) {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return;
        };
        let mut label = self.look.paint(Style::new().dimmed(), &format!("{label:LABEL$}"));
        let width = self.look.width - INDENT - LABEL;
        for line in text.lines().flat_map(|line| wrap(line, width)) {
            self.line(&format!("{:INDENT$}{label}{line}", ""));
            label = " ".repeat(LABEL);
        }
    }

    /// Commands are shown whole, never wrapped: they are there to be copied.
    fn command(&mut self, command: &str) {
        for line in command.lines() {
            let line: String = line.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
            let line = self.look.paint(AnsiColor::Cyan.on_default(), &line);
            self.line(&format!("{:1$}{line}", "", INDENT + LABEL + 2));
        }
    }

    /// Where there is a choice, what to mend first.
    fn fix_first(&mut self, report: &Report) {
        if report.fix_first.len() < 2 {
            return;
        }
        let head = self.look.paint(Style::new().bold(), "fix first");
        self.line(&head);
        for (index, fix) in report.fix_first.iter().enumerate() {
            let title = report.checks.iter().find(|check| check.id == fix.id);
            let title = title.map_or("", |check| check.title.as_ref());
            let waiting = match fix.unblocks.len() {
                0 => String::new(),
                count => format!(" ({} behind it)", words::number(count)),
            };
            let line = format!("{:>6} {}  {title}{waiting}", format!("{}.", index + 1), fix.id);
            let line = cut(&line, self.look.width);
            self.line(&line);
        }
        self.line("");
    }

    fn suppressed(&mut self, report: &Report) {
        let mut any = false;
        for check in words::suppressed(report) {
            let Some(suppressed) = &check.suppressed else { continue };
            let (style, _) = self.mark(Status::Skipped);
            let mark = if self.look.unicode { "○ supp" } else { "[supp]" };
            let status = check.status.as_str();
            let said = format!("{status}, accepted until {}: {}", suppressed.until, suppressed.reason);
            self.row(style, mark, &check.id, &[&said], "");
            any = true;
        }
        if any {
            self.line("");
        }
    }

    fn healthy(&mut self, checks: &[Check]) {
        let (style, mark) = self.mark(Status::Ok);
        for (area, of) in words::healthy(checks) {
            let count = match of.len() {
                1 => String::new(),
                count => format!("{count} checks: "),
            };
            let said: Vec<&str> = of.iter().map(|check| check.summary.as_str()).collect();
            self.row(style, mark, area, &said, &count);
        }
    }

    fn skipped(&mut self, checks: &[Check]) {
        let (style, mark) = self.mark(Status::Skipped);
        for (reason, of) in words::skipped(checks) {
            let name = match of[..] {
                [only] => only.id.to_string(),
                _ => words::number(of.len()),
            };
            self.row(style, mark, &name, &[reason], "");
        }
    }

    /// One line, of as much as there is room for.
    fn row(&mut self, style: Style, mark: &str, name: &str, said: &[&str], before: &str) {
        let width = self.look.width - INDENT - NAME;
        let said = fitting(before, said, width);
        let mark = self.look.paint(style, mark);
        self.line(&format!(
            "{mark} {} {said}",
            cut(&format!("{name:0$}", NAME - 1), NAME - 1)
        ));
    }

    fn sum(&mut self, report: &Report, fail_on: FailOn) {
        self.line("");
        let took = report.duration_us.map(words::seconds).unwrap_or_default();
        let sum = format!("{}{took}", words::counts(report.counts));
        for line in wrap(&sum, self.look.width) {
            self.line(&line);
        }
        self.line(&words::exit(report, fail_on));
    }

    /// Marks are [`INDENT`] - 1 columns wide.
    fn mark(&self, status: Status) -> (Style, &'static str) {
        let color = |color: AnsiColor| color.on_default().bold();
        match (status, self.look.unicode) {
            (Status::Fail, true) => (color(AnsiColor::Red), "✗ fail"),
            (Status::Fail, false) => (color(AnsiColor::Red), "[fail]"),
            (Status::Warn, true) => (color(AnsiColor::Yellow), "▲ warn"),
            (Status::Warn, false) => (color(AnsiColor::Yellow), "[warn]"),
            (Status::Unknown, true) => (color(AnsiColor::Magenta), "? unkn"),
            (Status::Unknown, false) => (color(AnsiColor::Magenta), "[unkn]"),
            (Status::Ok, true) => (color(AnsiColor::Green), "✓ ok  "),
            (Status::Ok, false) => (color(AnsiColor::Green), "[ ok ]"),
            (Status::Skipped, true) => (Style::new().dimmed(), "– skip"),
            (Status::Skipped, false) => (Style::new().dimmed(), "[skip]"),
        }
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }
}
