//! Every format against what it printed when a person last looked at it. `PINHOLE_BLESS=1` writes the files anew.
//!
//! `samples/` are reports as they once were, kept so that these files change with how a report is shown and not with what
//! the checks say; and so that reports of that time can be read for good.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::Value;

use super::super::examine::report;
use super::super::facts::{Facts, Gap, RuntimeClass};
use super::super::fixture::{agent, cold, live};
use super::super::report::{FailOn, Report};
use super::{Format, Look, json, render, text};
use crate::container::Rank;

mod page;
mod standards;

const PLAIN: Look = Look {
    color: false,
    unicode: false,
    width: 100,
};

fn golden(name: &str, printed: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/doctor/render/golden")
        .join(name);
    if std::env::var_os("PINHOLE_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, printed).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(wanted == printed, "{name} differs; printed:\n{printed}");
}

fn dated(facts: &Facts) -> Report {
    let mut report = report(facts, "2026-01-02T03:04:05.678Z".to_owned(), Some("node-1".to_owned()));
    // The files must not change with the version or the machine.
    report.agent.version = "0.1.0".to_owned();
    report.host.arch = "x86_64".to_owned();
    report
}

fn troubled() -> Report {
    let mut facts = cold();
    let runtime = &mut facts.runtimes.value.as_mut().unwrap()[0];
    (runtime.class, runtime.errno) = (RuntimeClass::Permission, Some(libc::EACCES));
    runtime.detail = "Permission denied".to_owned();
    (runtime.name, runtime.version, runtime.api) = (None, None, None);
    (runtime.rank, runtime.evidence) = (Some(Rank::Exists), String::new());
    let process = facts.process.value.as_mut().unwrap();
    process.gids = vec![65532];
    process.no_new_privs = false;
    facts.profile.detected = Err(Gap::Crashed);
    dated(&facts)
}

/// By name: healthy and live, troubled and cold, live with losses and gaps, offline over manifests.
fn samples() -> BTreeMap<&'static str, Report> {
    let read = |text| serde_json::from_str(text).unwrap();
    BTreeMap::from([
        ("healthy", read(include_str!("samples/healthy.json"))),
        ("lossy", read(include_str!("samples/lossy.json"))),
        ("offline", read(include_str!("samples/offline.json"))),
        ("troubled", read(include_str!("samples/troubled.json"))),
    ])
}

/// What the registry says is no part of the golden files: it has its own.
fn without_rules(sarif: &str) -> String {
    let mut log: Value = serde_json::from_str(sarif).unwrap();
    log["runs"][0]["tool"]["driver"]["rules"] = Value::Null;
    for result in log["runs"][0]["results"].as_array_mut().unwrap() {
        result.as_object_mut().unwrap().remove("ruleIndex");
    }
    serde_json::to_string_pretty(&log).unwrap() + "\n"
}

#[test]
fn every_sample_in_every_format() {
    for (name, sample) in samples() {
        for format in Format::ALL {
            let page = render(&sample, format, FailOn::Fail, PLAIN).unwrap();
            let (end, page) = match format {
                Format::Text => ("txt", page),
                Format::Short => ("short.txt", page),
                // The sample itself.
                Format::Json => {
                    assert_eq!(serde_json::from_str::<Report>(&page).unwrap(), sample, "{name}");
                    continue;
                }
                Format::Sarif => ("sarif", without_rules(&page)),
                Format::Junit => ("xml", page),
                Format::Prometheus => ("prom", page),
                Format::Markdown => ("md", page),
                Format::Html => ("html", page),
            };
            golden(&format!("{name}.{end}"), &page);
        }
    }
}

#[test]
fn what_the_checks_say_of_a_healthy_agent() {
    golden("live.txt", &text(&dated(&live()), FailOn::Fail, PLAIN));
}

#[test]
fn what_the_checks_say_of_a_troubled_host() {
    golden("cold.txt", &text(&troubled(), FailOn::Fail, PLAIN));
    golden("cold.json", &json(&troubled()).unwrap());
}

#[test]
fn a_narrow_terminal_with_colours() {
    let look = Look {
        color: true,
        unicode: true,
        width: 60,
    };
    golden(
        "troubled-terminal.txt",
        &text(&samples()["troubled"], FailOn::Warn, look),
    );
}

#[test]
fn no_line_is_wider_than_the_terminal_but_commands() {
    for sample in samples().into_values() {
        for width in [40, 60, 100] {
            let page = text(&sample, FailOn::Fail, Look { width, ..PLAIN });
            for line in page.lines().filter(|line| !line.starts_with("                   ")) {
                // Ids with their titles are kept on one line, too.
                assert!(
                    line.chars().count() <= width || line.contains("PIN-"),
                    "{width}: {line:?}"
                );
            }
        }
    }
}

/// However many checks there are: what is well takes a line for each area, and what was not judged one for each reason.
#[test]
fn what_is_well_takes_a_line_for_each_area() {
    let mut healthy = samples()["healthy"].clone();
    let more: Vec<_> = healthy.checks.iter().cloned().cycle().take(200).collect();
    healthy.checks = more;
    let areas: BTreeSet<&str> = healthy.checks.iter().map(|check| check.area.as_ref()).collect();
    let page = text(&healthy, FailOn::Fail, PLAIN);
    assert_eq!(
        page.lines().filter(|line| line.starts_with("[ ok ]")).count(),
        areas.len(),
        "{page}"
    );
    // A title, where and what, the sum and the exit code, with empty lines between.
    assert!(page.lines().count() <= areas.len() + 7, "{page}");
}

#[test]
fn plain_output_is_ascii() {
    for sample in samples().into_values() {
        for format in [Format::Text, Format::Short] {
            assert!(render(&sample, format, FailOn::Fail, PLAIN).unwrap().is_ascii());
        }
    }
}

#[test]
fn names_from_elsewhere_cannot_drive_the_terminal() {
    let mut facts = live();
    agent(&mut facts).second.runtimes[0].name = "evil\u{1b}[2J\u{7}".to_owned();
    agent(&mut facts).second.version = "1\u{1b}]0;title\u{7}".to_owned();
    let look = Look {
        color: false,
        unicode: true,
        width: 100,
    };
    let page = text(&dated(&facts), FailOn::Fail, look);
    assert!(page.contains("evil?[2J?"));
    assert!(!page.chars().any(|c| c.is_control() && c != '\n'), "{page:?}");
}

/// Puts `text` behind every string that is free, and makes it a key where keys are.
fn plant(value: &mut Value, key: &str, text: &str) {
    match value {
        Value::String(_) if ["mode", "verdict", "status", "view", "op", "change"].contains(&key) => {}
        Value::String(own) => own.push_str(text),
        Value::Array(items) => items.iter_mut().for_each(|item| plant(item, key, text)),
        Value::Object(map) => {
            map.iter_mut().for_each(|(key, value)| plant(value, key, text));
            if ["observed", "expected", "value"].contains(&key) {
                map.insert(text.to_owned(), text.into());
            }
        }
        _ => {}
    }
}

fn hostile(text: &str) -> impl Iterator<Item = Report> {
    samples().into_values().map(move |sample| {
        let mut value = serde_json::to_value(sample).unwrap();
        plant(&mut value, "", text);
        serde_json::from_value(value).unwrap()
    })
}

fn holds(text: &str) {
    for report in hostile(text) {
        for format in Format::ALL {
            let page = render(&report, format, FailOn::Fail, PLAIN).unwrap();
            assert!(super::clean::harmless(&page), "{format:?} of {text:?}");
            match format {
                Format::Json => assert_eq!(serde_json::from_str::<Report>(&page).unwrap(), report),
                Format::Sarif => standards::is_sarif(&page),
                Format::Junit => standards::is_junit(&page),
                Format::Prometheus => standards::is_exposition(&page),
                Format::Html => page::is_a_page(&page),
                Format::Markdown => standards::holds_no_markup(&page),
                Format::Text | Format::Short => {}
            }
        }
    }
}

#[test]
fn every_format_holds_against_what_is_put_into_it() {
    for text in [
        "",
        "</title><script>alert(1)</script><img src=\"http://evil.example/x\" onerror=alert(1)>",
        "\" onload=\"x' ]]> --> &amp; &#0; <!-- {{ 7*7 }} {% raw %}",
        "\u{1b}[31m\u{9b}1m\u{7f}\u{0}\u{202e}\u{2066}\u{200b}\u{feff}\u{fffe}\u{e0041}\r\n\t",
        "\n\n# Title\n\n[a](javascript:alert(1)) ``` | `x` @everyone #1 <details>\n- [ ] a\n",
        "\nevil{a=\"b\"} 1\n# TYPE evil gauge\\",
    ] {
        holds(text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn every_format_holds_against_anything(text in "[\\PC\\x00-\\x20<>&\"'`|{}%\\\\]{0,60}") {
        holds(&text);
    }
}

/// What a report says of its exit code is the exit code, in each format that says it.
#[test]
fn no_format_decides_otherwise() {
    for sample in samples().into_values() {
        for fail_on in [FailOn::Warn, FailOn::Fail] {
            let code = sample.counts.exit_code(fail_on);
            let page = |format| render(&sample, format, fail_on, PLAIN).unwrap();
            let sarif: Value = serde_json::from_str(&page(Format::Sarif)).unwrap();
            assert_eq!(sarif["runs"][0]["invocations"][0]["exitCode"], code);
            let junit = page(Format::Junit);
            let document = roxmltree::Document::parse(&junit).unwrap();
            let of = |name| document.root_element().attribute(name).unwrap() != "0";
            let decided = match (of("failures"), of("errors")) {
                (true, _) => 2,
                (false, true) => 3,
                (false, false) => 0,
            };
            assert_eq!(decided, code, "{junit}");
            for format in [Format::Text, Format::Markdown, Format::Html] {
                assert!(page(format).contains(&format!("exit {code}")), "{format:?}");
            }
        }
    }
}
