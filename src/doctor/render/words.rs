//! Values and statuses in words, the same in every format that people read.

use serde_json::Value;

use super::super::baseline::{Changes, Direction};
use super::super::change::{Change, Op};
use super::super::report::{Check, Counts, FailOn, Mode, Remedy, Report, Status, Verdict};

/// Longest value that is shown; the JSON has all of it.
const VALUE_CHARS: usize = 300;

/// So many ids are read; more are a number.
const FEW: usize = 4;

/// The checks that wait for the check `root`.
pub(super) fn waiting<'a>(root: &str, all: &'a [Check]) -> Vec<&'a Check> {
    all.iter()
        .filter(|check| check.blocked_by.as_deref() == Some(root))
        .collect()
}

/// How many wait, and which where they are few: the rest of a long list is in the other formats.
pub(super) fn behind(waiting: &[&Check]) -> String {
    match waiting.len() {
        0 => String::new(),
        count if count <= FEW => ids(waiting.iter().copied()),
        count => format!("{count} checks, which wait for this one"),
    }
}

/// Where the changes of a remedy belong: in which object of the manifest, or which setting. What is the node's has no place.
pub(super) fn places(remedy: &Remedy) -> String {
    let mut places: Vec<String> = remedy.patch.iter().filter_map(place).collect();
    places.dedup();
    places.join("\n")
}

fn place(change: &Change) -> Option<String> {
    match change {
        Change::Manifest { kind, path, .. } if path.is_empty() => Some(format!("{kind}, a whole object")),
        Change::Manifest { kind, op, path, .. } => {
            let steps = path
                .split('/')
                .skip(1)
                .map(|step| step.replace("~1", "/").replace("~0", "~"));
            let mut dotted = String::new();
            for step in steps {
                match step.as_str() {
                    "-" => dotted += "[]",
                    step if step.bytes().all(|byte| byte.is_ascii_digit()) => dotted += &format!("[{step}]"),
                    step if dotted.is_empty() => dotted += step,
                    step => dotted += &format!(".{step}"),
                }
            }
            let gone = if *op == Op::Remove { ", taken out" } else { "" };
            Some(format!("{kind}: {dotted}{gone}"))
        }
        Change::Setting { key, .. } => {
            let variable = key.replace('.', "_").to_uppercase();
            Some(format!("agent.toml: {key}, or the variable PINHOLE_{variable}"))
        }
        Change::Node { .. } => None,
    }
}

/// Their ids.
pub(super) fn ids<'a>(checks: impl IntoIterator<Item = &'a Check>) -> String {
    checks
        .into_iter()
        .map(|check| check.id.as_ref())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Findings that count: failures first, then warnings, then what is unknown, each in the report's order.
pub(super) fn findings(report: &Report) -> impl Iterator<Item = &Check> {
    [Status::Fail, Status::Warn, Status::Unknown]
        .into_iter()
        .flat_map(|status| {
            let of = move |check: &&Check| check.status == status && check.suppressed.is_none();
            report.checks.iter().filter(of)
        })
}

/// Findings that somebody has accepted.
pub(super) fn suppressed(report: &Report) -> impl Iterator<Item = &Check> {
    report.checks.iter().filter(|check| check.suppressed.is_some())
}

/// What was found, or why nothing was.
pub(super) fn said(check: &Check) -> &str {
    check.reason.as_deref().unwrap_or(&check.summary)
}

/// What was not judged, by reason, in the report's order; what waits for a finding is told there.
pub(super) fn skipped(checks: &[Check]) -> Vec<(&str, Vec<&Check>)> {
    let mut groups: Vec<(&str, Vec<&Check>)> = Vec::new();
    for check in checks {
        if check.status != Status::Skipped || check.blocked_by.is_some() {
            continue;
        }
        let at = groups.iter().position(|(reason, _)| *reason == said(check));
        let at = at.unwrap_or_else(|| {
            groups.push((said(check), Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(check);
        groups[at].1.extend(waiting(&check.id, checks));
    }
    groups
}

/// The areas with checks that are as they should be, in the report's order.
pub(super) fn healthy(checks: &[Check]) -> Vec<(&str, Vec<&Check>)> {
    let mut areas: Vec<(&str, Vec<&Check>)> = Vec::new();
    for check in checks.iter().filter(|check| check.status == Status::Ok) {
        match areas.iter_mut().find(|(area, _)| *area == check.area) {
            Some((_, of)) => of.push(check),
            None => areas.push((&check.area, vec![check])),
        }
    }
    areas
}

/// Who took part.
pub(super) fn mode(report: &Report) -> String {
    match report.mode {
        Mode::Live => format!(
            "live: agent {} answers",
            report.agent.running_version.as_deref().unwrap_or("of unknown version")
        ),
        Mode::Cold => "cold: no running agent took part".to_owned(),
        Mode::Offline => "offline: manifests, before they are applied".to_owned(),
    }
}

/// The word of a mode.
pub(super) fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Live => "live",
        Mode::Cold => "cold",
        Mode::Offline => "offline",
    }
}

/// `11 ok, 1 warn, ...`.
pub(super) fn counts(counts: Counts) -> String {
    let Counts {
        ok,
        warn,
        fail,
        unknown,
        skipped,
        suppressed,
    } = counts;
    let more = match suppressed {
        0 => String::new(),
        some => format!(", {some} suppressed"),
    };
    format!("{ok} ok, {warn} warn, {fail} fail, {unknown} unknown, {skipped} skipped{more}")
}

/// What the exit code is and why.
pub(super) fn exit(report: &Report, fail_on: FailOn) -> String {
    let threshold = match fail_on {
        FailOn::Warn => "warn",
        FailOn::Fail => "fail",
    };
    let compared = report.changes.is_some();
    match (report.exit_code(fail_on), compared) {
        (2, true) => format!("exit 2: findings at or above {threshold} are new or worse"),
        (2, false) => format!("exit 2: findings at or above {threshold}"),
        (3, true) => "exit 3: something could not be found out that was known".to_owned(),
        (3, false) => "exit 3: something could not be found out".to_owned(),
        (code, true) => format!("exit {code}: no finding at or above {threshold} is new or worse"),
        (code, false) => format!("exit {code}: no finding at or above {threshold}"),
    }
}

/// Why the kernel did not hold the doctor to reading, where it did not.
pub(super) fn unconfined(report: &Report) -> Option<String> {
    let confined = report.confined.as_ref().filter(|confined| !confined.in_force)?;
    let why = confined.why.as_deref().unwrap_or("no reason given");
    Some(format!("not confined to reading: {why}"))
}

/// What is different from an earlier report, the worst first: in which direction, and of what.
pub(super) fn changed(report: &Report, changes: &Changes) -> Vec<(&'static str, String)> {
    const ORDER: [(Direction, &str); 5] = [
        (Direction::New, "new"),
        (Direction::Worse, "worse"),
        (Direction::Better, "better"),
        (Direction::Gone, "gone"),
        (Direction::Other, "other"),
    ];
    let told = |status: Option<Status>| status.map_or("absent", Status::as_str);
    let mut lines = Vec::new();
    for (direction, word) in ORDER {
        for changed in changes.checks.iter().filter(|changed| changed.change == direction) {
            let check = report.checks.iter().find(|check| check.id == changed.id);
            let title = check.map_or("", |check| check.title.as_ref());
            let (from, to) = (told(changed.from), told(changed.to));
            lines.push((word, format!("{}  {title} ({from} → {to})", changed.id)));
        }
    }
    lines
}

/// The word of a verdict.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Fail => "fail",
        Verdict::Unknown => "unknown",
    }
}

/// `, in 0.8 s`.
pub(super) fn seconds(us: u64) -> String {
    format!(", in {}.{} s", us / 1_000_000, us % 1_000_000 / 100_000)
}

/// `1 check`, `2 checks`.
pub(super) fn number(count: usize) -> String {
    match count {
        1 => "1 check".to_owned(),
        count => format!("{count} checks"),
    }
}

/// A value in as few words as possible, one line for each item of a list of objects.
pub(super) fn value(value: &Value) -> String {
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
