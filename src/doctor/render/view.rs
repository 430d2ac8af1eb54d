//! The report as templates want it: every value in words, nothing left to decide but where it stands.

use std::time::Duration;

use serde::Serialize;

use super::super::change::{Change, Op};
use super::super::facts::View;
use super::super::report::{Check, FailOn, Report, Status};
use super::words;

/// Everything but the pictures.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    pub(super) verdict: &'static str,
    /// The verdict in a sentence.
    pub(super) sentence: String,
    pub(super) mode: String,
    pub(super) version: String,
    pub(super) time: String,
    /// How long it took; empty where that is not known.
    pub(super) took: String,
    /// What else there is to say about where this was: name and value.
    pub(super) about: Vec<(&'static str, String)>,
    /// Status and number, those that there are none of included.
    pub(super) counts: Vec<(&'static str, usize)>,
    pub(super) sum: String,
    pub(super) exit: String,
    pub(super) fixes: Vec<Fix>,
    pub(super) findings: Vec<Item>,
    pub(super) suppressed: Vec<Item>,
    pub(super) areas: Vec<Area>,
}

/// One line of what to mend first.
#[derive(Debug, Serialize)]
pub(super) struct Fix {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) text: String,
    /// How many checks wait for it, in words; empty for none.
    pub(super) waiting: String,
}

/// All checks of one area.
#[derive(Debug, Serialize)]
pub(super) struct Area {
    pub(super) name: String,
    /// The worst status among them.
    pub(super) worst: &'static str,
    pub(super) sum: String,
    pub(super) checks: Vec<Item>,
}

/// One check.
#[derive(Debug, Serialize)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) area: String,
    pub(super) status: &'static str,
    pub(super) said: String,
    pub(super) observed: String,
    pub(super) expected: String,
    pub(super) impact: String,
    pub(super) fields: String,
    pub(super) rules: String,
    pub(super) fix: String,
    pub(super) commands: String,
    /// Changes that a machine can make, in words.
    pub(super) patch: Vec<String>,
    pub(super) waiting: Vec<(String, String)>,
    pub(super) blocked_by: String,
    /// Until when and why it is accepted; empty where it is not.
    pub(super) suppressed: String,
    pub(super) evidence: Vec<Proof>,
    /// What gathering its facts took, in seconds.
    pub(super) seconds: f64,
}

/// Where a value is from.
#[derive(Debug, Serialize)]
pub(super) struct Proof {
    pub(super) source: String,
    pub(super) value: String,
    pub(super) view: &'static str,
    pub(super) at: String,
    pub(super) took: String,
}

pub(super) fn page(report: &Report, fail_on: FailOn) -> Page {
    let item = |check: &Check| item(check, &report.checks);
    let counts = report.counts;
    Page {
        verdict: words::verdict(report.verdict),
        sentence: sentence(report),
        mode: words::mode(report),
        version: report.agent.version.clone(),
        time: report.time.clone(),
        took: report.duration_us.map(took).unwrap_or_default(),
        about: about(report),
        counts: vec![
            ("fail", counts.fail),
            ("warn", counts.warn),
            ("unknown", counts.unknown),
            ("ok", counts.ok),
            ("skipped", counts.skipped),
            ("suppressed", counts.suppressed),
        ],
        sum: words::counts(counts),
        exit: words::exit(report, fail_on),
        fixes: report.fix_first.iter().map(|fix| self::fix(fix, report)).collect(),
        findings: words::findings(report).map(item).collect(),
        suppressed: words::suppressed(report).map(item).collect(),
        areas: areas(report),
    }
}

/// What a person who reads nothing else should know.
fn sentence(report: &Report) -> String {
    let counts = report.counts;
    let several = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let parts: Vec<String> = [
        several(counts.fail, "thing does not work", "things do not work"),
        several(
            counts.warn,
            "works at a price or with a risk",
            "work at a price or with a risk",
        ),
        several(counts.unknown, "could not be found out", "could not be found out"),
    ]
    .into_iter()
    .flatten()
    .collect();
    match parts.is_empty() {
        true => "Everything that applies here is as it should be.".to_owned(),
        false => format!("{}.", parts.join(", ")),
    }
}

fn about(report: &Report) -> Vec<(&'static str, String)> {
    let host = &report.host;
    let place = if host.in_container {
        ", seen from a container"
    } else {
        ""
    };
    let kernel = host.kernel.as_ref().map(|kernel| format!("{kernel} {}", host.arch));
    let up = report.agent.uptime_seconds.and_then(up);
    [
        ("node", host.node.as_ref().map(|node| format!("{node}{place}"))),
        ("kernel", kernel),
        (
            "profile",
            Some(format!("{} ({})", report.profile.name, report.profile.source)),
        ),
        ("agent up", up),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

fn up(seconds: f64) -> Option<String> {
    let whole = Duration::try_from_secs_f64(seconds.floor()).ok()?;
    Some(humantime::format_duration(whole).to_string())
}

fn fix(fix: &super::super::report::Fix, report: &Report) -> Fix {
    let check = report.checks.iter().find(|check| check.id == fix.id);
    Fix {
        id: fix.id.to_string(),
        title: check.map(|check| check.title.to_string()).unwrap_or_default(),
        text: check
            .and_then(|check| check.remedy.as_ref())
            .map(|remedy| remedy.text.clone())
            .unwrap_or_default(),
        waiting: match fix.unblocks.len() {
            0 => String::new(),
            count => format!("{} behind it", words::number(count)),
        },
    }
}

/// Of several, this one names the area.
fn rank(check: &Check) -> u8 {
    match check.status {
        _ if check.suppressed.is_some() => 1,
        Status::Fail => 5,
        Status::Warn => 4,
        Status::Unknown => 3,
        Status::Ok => 2,
        Status::Skipped => 0,
    }
}

fn areas(report: &Report) -> Vec<Area> {
    let mut names: Vec<&str> = Vec::new();
    for check in &report.checks {
        if !names.contains(&check.area.as_ref()) {
            names.push(&check.area);
        }
    }
    let area = |name: &str| {
        let of: Vec<&Check> = report.checks.iter().filter(|check| check.area == name).collect();
        let worst = of.iter().max_by_key(|check| rank(check));
        let ok = of.iter().filter(|check| check.status == Status::Ok).count();
        Area {
            name: name.to_owned(),
            worst: worst.map_or("skipped", |check| shown(check)),
            sum: format!("{ok} of {} ok", of.len()),
            checks: of.into_iter().map(|check| item(check, &report.checks)).collect(),
        }
    };
    names.into_iter().map(area).collect()
}

/// The status, or that it does not count.
fn shown(check: &Check) -> &'static str {
    match check.suppressed {
        Some(_) => "suppressed",
        None => check.status.as_str(),
    }
}

fn item(check: &Check, all: &[Check]) -> Item {
    let impact = check.impact.as_ref();
    let remedy = check.remedy.as_ref();
    let value = |value: &Option<serde_json::Value>| value.as_ref().map(words::value).unwrap_or_default();
    Item {
        id: check.id.to_string(),
        title: check.title.to_string(),
        area: check.area.to_string(),
        status: shown(check),
        said: words::said(check).to_owned(),
        observed: value(&check.observed),
        expected: value(&check.expected),
        impact: impact.map(|impact| impact.text.clone()).unwrap_or_default(),
        fields: impact.map(|impact| impact.fields.join(", ")).unwrap_or_default(),
        rules: impact.map(|impact| impact.rules.join(", ")).unwrap_or_default(),
        fix: remedy.map(|remedy| remedy.text.clone()).unwrap_or_default(),
        commands: remedy.map(|remedy| remedy.commands.join("\n")).unwrap_or_default(),
        patch: remedy
            .map(|remedy| remedy.patch.iter().map(change).collect())
            .unwrap_or_default(),
        waiting: words::waiting(&check.id, all)
            .into_iter()
            .map(|waiting| (waiting.id.to_string(), waiting.title.to_string()))
            .collect(),
        blocked_by: check.blocked_by.as_deref().unwrap_or_default().to_owned(),
        suppressed: check.suppressed.as_ref().map_or_else(String::new, |suppressed| {
            format!(
                "{}, accepted until {}: {}",
                check.status.as_str(),
                suppressed.until,
                suppressed.reason
            )
        }),
        evidence: check.evidence.iter().map(proof).collect(),
        seconds: seconds(check.evidence.iter().filter_map(|evidence| evidence.duration_us).max()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of at most minutes")]
fn seconds(us: Option<u64>) -> f64 {
    us.unwrap_or(0) as f64 / 1e6
}

fn proof(evidence: &super::super::report::Evidence) -> Proof {
    Proof {
        source: evidence.source.clone(),
        value: words::value(&evidence.value),
        view: match evidence.view {
            View::Cold => "cold",
            View::Live => "live",
            View::Manifest => "manifest",
        },
        at: evidence.at.clone().unwrap_or_default(),
        took: evidence.duration_us.map(took).unwrap_or_default(),
    }
}

fn took(us: u64) -> String {
    match us {
        0..1000 => format!("{us} µs"),
        1000..1_000_000 => format!("{}.{} ms", us / 1000, us % 1000 / 100),
        _ => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
    }
}

fn change(change: &Change) -> String {
    match change {
        Change::Manifest { kind, op, path, value } => {
            let op = match op {
                Op::Add => "add",
                Op::Remove => "remove",
                Op::Replace => "replace",
            };
            let value = value.as_ref().map(|value| format!(" {value}")).unwrap_or_default();
            format!("{kind}: {op} {path}{value}")
        }
        Change::Setting { key, value } => format!("agent.toml: {key} = {value}"),
        Change::Node { what, value } => format!("node: {what}: {}", words::value(value)),
    }
}
