//! JUnit's XML, as continuous integration reads it: a suite for each area, a case for each check.
//!
//! It has no warnings: a warning is a failure where the exit code counts it, and passes with its words otherwise, so that
//! a pipeline that reads this file and one that goes by the exit code decide alike. What could not be found out is an error.

use serde::Serialize;

use super::super::report::{FailOn, Report};
use super::template;
use super::view::{self, Item};

#[derive(Debug, Serialize)]
struct Suites {
    sums: Sums,
    time: String,
    began: String,
    about: Vec<(&'static str, String)>,
    suites: Vec<Suite>,
}

#[derive(Debug, Serialize)]
struct Suite {
    name: String,
    sums: Sums,
    time: String,
    cases: Vec<Case>,
}

#[derive(Debug, Default, Clone, Copy, Serialize)]
struct Sums {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

#[derive(Debug, Serialize)]
struct Case {
    outcome: &'static str,
    time: String,
    message: String,
    item: Item,
}

pub(super) fn junit(report: &Report, fail_on: FailOn) -> Result<String, minijinja::Error> {
    let page = view::page(report, fail_on);
    let mut about = vec![
        ("mode", page.mode),
        ("agent", page.version),
        ("verdict", page.verdict.to_owned()),
    ];
    about.extend(page.about);
    let suites: Vec<Suite> = page.areas.into_iter().map(|area| suite(area, fail_on)).collect();
    template::fill(
        "suites.xml",
        Suites {
            sums: suites.iter().fold(Sums::default(), |all, suite| all.and(suite.sums)),
            time: report
                .duration_us
                .map_or_else(String::new, |us| format!("{}.{:06}", us / 1_000_000, us % 1_000_000)),
            // The format has no zone and no fraction.
            began: report.time.chars().take(19).collect(),
            about,
            suites,
        },
    )
}

fn suite(area: view::Area, fail_on: FailOn) -> Suite {
    let seconds = area.checks.iter().map(|item| item.seconds).fold(0.0, f64::max);
    let cases: Vec<Case> = area.checks.into_iter().map(|item| case(item, fail_on)).collect();
    let of = |outcome: &str| cases.iter().filter(|case| case.outcome == outcome).count();
    Suite {
        name: area.name,
        sums: Sums {
            tests: cases.len(),
            failures: of("failure"),
            errors: of("error"),
            skipped: of("skipped"),
        },
        time: format!("{seconds:.6}"),
        cases,
    }
}

fn case(item: Item, fail_on: FailOn) -> Case {
    let outcome = match (item.status, fail_on) {
        ("fail", _) | ("warn", FailOn::Warn) => "failure",
        ("unknown", _) => "error",
        ("skipped" | "suppressed", _) => "skipped",
        _ => "passed",
    };
    let message = if item.suppressed.is_empty() {
        &item.said
    } else {
        &item.suppressed
    };
    Case {
        outcome,
        time: format!("{:.6}", item.seconds),
        message: message.replace('\n', " "),
        item,
    }
}

impl Sums {
    fn and(self, more: Self) -> Self {
        Self {
            tests: self.tests + more.tests,
            failures: self.failures + more.failures,
            errors: self.errors + more.errors,
            skipped: self.skipped + more.skipped,
        }
    }
}
