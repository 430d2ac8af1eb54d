use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use pinhole_delivery::account::Account;

use super::write::{Exported, classic};
use super::*;
use crate::capture::HookCounters;
use crate::container::Now;
use crate::delivery::Delivered;
use crate::event::summary::{FieldCount, RuleCount};
use crate::health::Evaluator;
use crate::health::fixture::{facts, limits, numbers, runtime};
use crate::privilege::status;
use crate::rules::reload::Standing;

/// An agent that has something to say in every family.
fn exported() -> Exported {
    let mut facts = facts();
    let mut numbers = numbers();
    let line = HookCounters {
        seen: 7,
        delivered: 6,
        dropped: 1,
        missed: Some(2),
        ..HookCounters::default()
    };
    numbers.summary.hooks = BTreeMap::from([("exec", line)]);
    numbers.summary.rules = Some(BTreeMap::from([("Rule \"1\"".to_owned(), RuleCount::default())]));
    numbers.rules = Some(Standing {
        rules: 25,
        refused: Some((Instant::now(), "unknown field".to_owned())),
        ..Standing::default()
    });
    let account = Account {
        delivered: 3,
        ..Account::default()
    };
    numbers.summary.delivery = Some(Delivered {
        running: true,
        channels: BTreeMap::from([("http".to_owned(), account)]),
        ..Delivered::default()
    });
    let metadata = &mut numbers.summary.metadata;
    metadata.status = BTreeMap::from([("complete", 5)]);
    metadata.reason = BTreeMap::from([("runtime_timeout", 1)]);
    let field = FieldCount {
        present: 4,
        inapplicable: 0,
        missing: BTreeMap::from([("runtime_timeout", 1)]),
    };
    metadata.fields = BTreeMap::from([("container.name", field)]);
    numbers.threads = status::own_threads().unwrap();
    if let Some(process) = &mut numbers.process {
        process.most_descriptors = Some(1024);
    }
    let mut odd = runtime("/run/\"odd\\\n.sock", Now::Answers);
    odd.version = "1\n2\"".to_owned();
    numbers.runtimes.extend([odd, runtime("/run/absent.sock", Now::Absent)]);
    facts.runtimes = numbers.runtimes.clone();
    Exported {
        report: Evaluator::new(limits()).evaluate(&facts),
        facts,
        numbers,
    }
}

/// The families that a classic page declares, with their types.
fn declared(page: &str) -> Vec<(String, String)> {
    page.lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

#[test]
fn what_is_exported_is_what_the_table_says() {
    let page = classic(&exported().into_text().unwrap()).unwrap();
    let table: Vec<(String, String)> = METRICS
        .iter()
        .map(|metric| {
            let kind = if metric.kind() == "info" {
                "gauge"
            } else {
                metric.kind()
            };
            (metric.name(), kind.to_owned())
        })
        .collect();
    assert_eq!(declared(&page), table, "{page}");
    for metric in METRICS {
        let samples = page.lines().filter(|line| {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            name == metric.name() || name == format!("{}_count", metric.name())
        });
        for sample in samples {
            let labels = sample.split_once('{').map_or("", |(_, rest)| rest);
            for label in metric.labels {
                assert!(labels.contains(&format!("{label}=\"")), "{sample} lacks {label}");
            }
            assert_eq!(metric.labels.is_empty(), labels.is_empty(), "{sample}");
        }
        assert!(
            !metric.help.contains(['\n', '\\']) && !metric.help.ends_with('.'),
            "{}",
            metric.help
        );
    }
}

#[test]
fn names_follow_the_conventions_and_are_unique() {
    let names: BTreeSet<String> = METRICS.iter().map(|metric| metric.name()).collect();
    assert_eq!(names.len(), METRICS.len());
    for metric in METRICS {
        let name = metric.name();
        assert!(name.starts_with("pinhole_") || name.starts_with("process_"), "{name}");
        assert!(
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{name}"
        );
    }
}

#[test]
fn the_documentation_lists_every_metric() {
    let page = include_str!("../../../docs/health.md");
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `pinhole_") || line.starts_with("| `process_"))
        .collect();
    let table: Vec<String> = METRICS
        .iter()
        .map(|metric| {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            format!(
                "| `{}` | {} | {} | {} |",
                metric.name(),
                metric.kind(),
                labels.join(", "),
                metric.help
            )
            .replace("|  |", "| |")
        })
        .collect();
    assert_eq!(rows, table, "docs/health.md should have the rows\n{}", table.join("\n"));
}

#[test]
fn values_are_those_of_the_agent_and_odd_words_are_escaped() {
    let open = exported().into_text().unwrap();
    for line in [
        "pinhole_events_seen_total{hook=\"exec\"} 7",
        "pinhole_events_missed_total{hook=\"exec\"} 2",
        "pinhole_metadata_fields_total{field=\"container.name\",presence=\"missing\"} 1",
        "pinhole_condition{probe=\"ready\",condition=\"runtime\",check=\"PIN-RUN-001\"} 1",
        "pinhole_event_latency_seconds_count 2",
        "pinhole_event_latency_seconds_bucket{le=\"0.000064\"} 0",
        "pinhole_event_latency_seconds_bucket{le=\"0.000128\"} 1",
        "pinhole_event_latency_seconds_bucket{le=\"+Inf\"} 2",
        "pinhole_event_latency_seconds_sum 60.0001",
        "pinhole_rules 25",
        "pinhole_rules_current 0",
        "pinhole_delivery_alerts_total{channel=\"http\",outcome=\"delivered\"} 3",
        "pinhole_runtime_up{socket=\"/run/\\\"odd\\\\\\n.sock\"} 1",
        "process_max_fds 1024",
    ] {
        assert!(open.lines().any(|found| found == line), "{line} is not in\n{open}");
    }
    assert!(!open.contains("absent.sock"), "{open}");
    assert!(open.contains("\n# UNIT pinhole_ring_size_bytes bytes\n") && open.ends_with("\n# EOF\n"));
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut exported = exported();
    exported.facts.canary = None;
    exported.facts.turn_age = None;
    exported.numbers.process = None;
    exported.numbers.threads = Vec::new();
    exported.report = Evaluator::new(limits()).evaluate(&exported.facts);
    let open = exported.into_text().unwrap();
    for word in [
        "canary",
        "turn_age",
        "process_",
        "capabilities",
        "condition=\"pipeline\"",
    ] {
        assert!(!open.contains(word), "{word} is in\n{open}");
    }
}
