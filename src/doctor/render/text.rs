//! The report for people: findings first, what they block folded under them, one line per healthy area, the sum.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::super::report::{Check, FailOn, Mode, Report, Status};

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
/// Longest value that is shown; the JSON has all of it.
const VALUE_CHARS: usize = 300;
const INDENT: usize = 7;
const LABEL: usize = 10;

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
    for status in [Status::Fail, Status::Warn, Status::Unknown] {
        for check in report.checks.iter().filter(|check| check.status == status) {
            page.finding(check, &report.checks);
        }
    }
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
            match report.mode {
                Mode::Live => format!(
                    "live: agent {} answers",
                    report.agent.running_version.as_deref().unwrap_or("of unknown version")
                ),
                Mode::Cold => "cold: no running agent took part".to_owned(),
                Mode::Offline => "offline: manifests, before they are applied".to_owned(),
            },
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
        self.line("");
    }

    fn finding(&mut self, check: &Check, all: &[Check]) {
        let (style, mark) = self.mark(check.status);
        let mark = self.look.paint(style, mark);
        let head = self
            .look
            .paint(Style::new().bold(), &format!("{}  {}", check.id, check.title));
        self.line(&format!("{mark} {head}"));
        let said = check.reason.as_deref().unwrap_or(&check.summary);
        for line in wrap(said, self.look.width - INDENT) {
            self.line(&format!("{:INDENT$}{line}", ""));
        }
        self.labelled("observed", check.observed.as_ref().map(value).as_deref());
        self.labelled("expected", check.expected.as_ref().map(value).as_deref());
        if let Some(impact) = &check.impact {
            self.labelled("impact", Some(&impact.text));
            self.labelled("fields", Some(&impact.fields.join(", ")));
        }
        if let Some(remedy) = &check.remedy {
            self.labelled("fix", Some(&remedy.text));
            for command in &remedy.commands {
                self.command(command);
            }
        }
        self.labelled("blocks", Some(&blocked(&check.id, all)));
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

    fn healthy(&mut self, checks: &[Check]) {
        let mut areas: Vec<&str> = Vec::new();
        for check in checks.iter().filter(|check| check.status == Status::Ok) {
            if !areas.contains(&check.area.as_ref()) {
                areas.push(&check.area);
            }
        }
        let (style, mark) = self.mark(Status::Ok);
        for area in areas {
            let said: Vec<&str> = checks
                .iter()
                .filter(|check| check.status == Status::Ok && check.area == area)
                .map(|check| check.summary.as_str())
                .collect();
            self.row(style, mark, area, &said.join("; "));
        }
    }

    fn skipped(&mut self, checks: &[Check]) {
        let (style, mark) = self.mark(Status::Skipped);
        for check in checks
            .iter()
            .filter(|check| check.status == Status::Skipped && check.blocked_by.is_none())
        {
            let mut said = check.reason.clone().unwrap_or_default();
            let followers = blocked(&check.id, checks);
            if !followers.is_empty() {
                let _ = write!(said, " (with it {followers})");
            }
            self.row(style, mark, &check.id, &said);
        }
    }

    fn row(&mut self, style: Style, mark: &str, name: &str, said: &str) {
        const NAME: usize = 14;
        let mut head = format!("{} {name:NAME$}", self.look.paint(style, mark));
        for line in wrap(said, self.look.width - INDENT - NAME) {
            self.line(&format!("{head}{line}"));
            head = " ".repeat(INDENT + NAME);
        }
    }

    fn sum(&mut self, report: &Report, fail_on: FailOn) {
        let counts = report.counts;
        self.line("");
        let sum = format!(
            "{} ok, {} warn, {} fail, {} unknown, {} skipped",
            counts.ok, counts.warn, counts.fail, counts.unknown, counts.skipped
        );
        for line in wrap(&sum, self.look.width) {
            self.line(&line);
        }
        let threshold = match fail_on {
            FailOn::Warn => "warn",
            FailOn::Fail => "fail",
        };
        let code = counts.exit_code(fail_on);
        self.line(&match code {
            2 => format!("exit 2: findings at or above {threshold}"),
            3 => "exit 3: something could not be found out".to_owned(),
            _ => format!("exit {code}: no finding at or above {threshold}"),
        });
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

/// Ids of the checks that the check `root` blocks.
fn blocked(root: &str, all: &[Check]) -> String {
    let ids: Vec<&str> = all
        .iter()
        .filter(|check| check.blocked_by.as_deref() == Some(root))
        .map(|check| check.id.as_ref())
        .collect();
    ids.join(", ")
}

/// A value in as few words as possible, one line for each item of a list of objects.
fn value(value: &Value) -> String {
    match value {
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().map(short).collect::<Vec<_>>().join("\n")
        }
        other => short(other),
    }
}

fn short(value: &Value) -> String {
    let text = words(value);
    match text.char_indices().nth(VALUE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn words(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => list(items.iter().map(words).collect()),
        Value::Object(map) => list(
            map.iter()
                .map(|(key, value)| match value {
                    Value::Array(_) | Value::Object(_) => format!("{key}: ({})", words(value)),
                    _ => format!("{key}: {}", words(value)),
                })
                .collect(),
        ),
        other => other.to_string(),
    }
}

/// Breaks text into lines of at most `width` characters, at blanks where there are any.
pub(in crate::doctor) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + rest.len() > width {
            lines.push(String::new());
            used = 0;
        }
        while rest.len() > width {
            let tail = rest.split_off(width);
            push(&mut lines, &rest, 0);
            lines.push(String::new());
            rest = tail;
        }
        push(&mut lines, &rest, used);
        used += rest.len() + usize::from(used > 0);
    }
    lines
}

fn push(lines: &mut [String], word: &[char], used: usize) {
    if let Some(line) = lines.last_mut() {
        if used > 0 {
            line.push(' ');
        }
        // Names and messages come from elsewhere: no control character of theirs reaches the terminal.
        line.extend(word.iter().map(|&c| if c.is_control() { '?' } else { c }));
    }
}

/// For a terminal that shows ASCII only. Colour sequences are ASCII and stay.
pub(in crate::doctor) fn ascii(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '…' => '~',
            '→' => '>',
            c if c.is_ascii() => c,
            _ => '?',
        })
        .collect()
}
