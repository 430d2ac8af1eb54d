use proptest::prelude::*;

use super::super::facts::{Facts, RuntimeClass};
use super::super::fixture::cold;
use super::super::report;
use super::super::report::{FailOn, Verdict};
use super::*;

const FILE: &str = r#"
[[suppress]]
id = "PIN-RUN-001"
reason = "the runtime comes with the next image"
until = "2026-03-01"

[[suppress]]
id = "PIN-PRV-001"
reason = "  old pool  "
until = "2026-12-31"
node = "pool-a-*"
"#;

fn parse(text: &str) -> Result<Suppressions, Error> {
    Suppressions::parse("doctor.toml", text.as_bytes())
}

/// No runtime answers, and no_new_privs is not set.
fn troubled() -> Facts {
    let mut facts = cold();
    let runtime = &mut facts.runtimes.value.as_mut().unwrap()[0];
    (runtime.class, runtime.errno, runtime.name) = (RuntimeClass::Absent, Some(libc::ENOENT), None);
    facts.process.value.as_mut().unwrap().no_new_privs = false;
    facts
}

fn suppressed(day: &str, node: Option<&str>) -> Report {
    let mut report = report(&troubled(), format!("{day}T23:59:59.000Z"), node.map(str::to_owned));
    parse(FILE).unwrap().apply(&mut report);
    report
}

fn accepted(report: &Report) -> Vec<&str> {
    let marked = report.checks.iter().filter(|check| check.suppressed.is_some());
    marked.map(|check| check.id.as_ref()).collect()
}

#[test]
fn an_accepted_finding_is_shown_and_does_not_count() {
    let report = suppressed("2026-03-01", None);
    assert_eq!(accepted(&report), ["PIN-RUN-001"]);
    let root = report.checks.iter().find(|check| check.id == "PIN-RUN-001").unwrap();
    assert_eq!(root.status, Status::Fail);
    assert!(root.remedy.is_some());
    let mark = root.suppressed.as_ref().unwrap();
    assert_eq!(
        (mark.reason.as_str(), mark.until.as_str()),
        ("the runtime comes with the next image", "2026-03-01")
    );
    let counts = report.counts;
    assert_eq!((counts.fail, counts.warn, counts.suppressed), (0, 1, 1));
    assert_eq!(report.verdict, Verdict::Warn);
    assert_eq!((report.exit_code(FailOn::Fail), report.exit_code(FailOn::Warn)), (0, 2));
    let first: Vec<&str> = report.fix_first.iter().map(|fix| fix.id.as_ref()).collect();
    assert_eq!(first, ["PIN-PRV-001"]);
    let waiting = report.checks.iter().find(|check| check.id == "PIN-RUN-002").unwrap();
    assert_eq!(
        (waiting.status, waiting.blocked_by.as_deref()),
        (Status::Skipped, Some("PIN-RUN-001")),
        "what waits for an accepted finding goes on waiting"
    );
}

#[test]
fn it_ends_with_its_last_day_by_the_clock_of_the_report() {
    assert_eq!(accepted(&suppressed("2026-03-02", None)), [""; 0]);
    let facts = parse(FILE).unwrap().facts("2026-03-02T00:00:00.000Z");
    let over: Vec<(&str, bool)> = facts
        .entries
        .iter()
        .map(|entry| (entry.id.as_str(), entry.expired))
        .collect();
    assert_eq!(over, [("PIN-RUN-001", true), ("PIN-PRV-001", false)]);
    let unknown = parse(FILE).unwrap().facts("soon");
    assert!(unknown.entries.iter().all(|entry| entry.expired));
}

#[test]
fn a_node_has_to_fit() {
    assert_eq!(accepted(&suppressed("2026-04-01", Some("pool-a-17"))), ["PIN-PRV-001"]);
    assert_eq!(accepted(&suppressed("2026-04-01", Some("pool-b-17"))), [""; 0]);
    assert_eq!(accepted(&suppressed("2026-04-01", None)), [""; 0], "no name, no match");
}

#[test]
fn healthy_checks_are_left_alone() {
    let mut report = report(&cold(), "2026-01-01T00:00:00Z".to_owned(), None);
    let before = report.clone();
    parse(FILE).unwrap().apply(&mut report);
    assert_eq!(report, before);
}

#[test]
fn what_is_no_usable_entry_is_refused_by_name() {
    let entry = |id: &str, reason: &str, until: &str| {
        format!("[[suppress]]\nid = \"{id}\"\nreason = \"{reason}\"\nuntil = \"{until}\"\n")
    };
    let good = entry("PIN-RUN-001", "r", "2027-03-01");
    for (text, part) in [
        (
            "[[suppress]]\nid = \"PIN-RUN-001\"\nuntil = \"2027-03-01\"\n".to_owned(),
            "missing field `reason`",
        ),
        (
            "[[suppress]]\nid = \"PIN-RUN-001\"\nreason = \"r\"\n".to_owned(),
            "missing field `until`",
        ),
        (format!("{good}for = \"ever\"\n"), "unknown field `for`"),
        (format!("{good}until = \"2028-01-01\"\n"), "duplicate key"),
        ("suppressions = 1\n".to_owned(), "unknown field `suppressions`"),
        ("[[suppress]\n".to_owned(), "TOML parse error"),
        (good.replace("\"2027-03-01\"", "2027-03-01"), "invalid type"),
        (
            entry("PIN-RUN-001", " ", "2027-03-01"),
            "entry 1 (PIN-RUN-001): reason must",
        ),
        (
            entry("PIN-RUN-001", "r", "2027-02-30"),
            "until must be a day that there is",
        ),
        (entry("PIN-RUN-001", "r", "2027-3-1"), "until must"),
        (entry("PIN-RUN-001", "r", "never"), "until must"),
        (entry("run", "r", "2027-03-01"), "entry 1 (run): id must"),
        (entry(OWN_CHECK, "r", "2027-03-01"), "cannot be suppressed"),
        (format!("{good}node = \"\"\n"), "node must"),
        (
            format!("{good}{}", entry("PIN-RUN-002", "", "2027-03-01")),
            "entry 2 (PIN-RUN-002)",
        ),
        (good.repeat(1001), "1001 entries"),
    ] {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(part), "{part:?} not in {error:?}");
        assert!(error.contains("doctor.toml"), "{error}");
    }
    assert!(matches!(Suppressions::parse("f", b"\xff"), Err(Error::NotText { .. })));
    assert_eq!(parse("").unwrap().entries, []);
}

#[test]
fn patterns() {
    for (pattern, name, wanted) in [
        ("*", "", true),
        ("*", "node", true),
        ("node", "node", true),
        ("node", "node-1", false),
        ("node-?", "node-1", true),
        ("node-?", "node-", false),
        ("*-a-*", "pool-a-b-a-1", true),
        ("a*b*c", "abcbc", true),
        ("a*b*c", "abcb", false),
        ("**", "x", true),
        ("ü?", "üö", true),
    ] {
        assert_eq!(fits(pattern, name), wanted, "{pattern} {name}");
    }
}

proptest! {
    #[test]
    fn a_name_fits_itself_and_what_is_replaced_in_it(name in "[a-c]{0,12}", at in 0usize..12, length in 0usize..6) {
        prop_assert!(fits(&name, &name));
        let at = at.min(name.len());
        let end = (at + length).min(name.len());
        let starred = format!("{}*{}", &name[..at], &name[end..]);
        prop_assert!(fits(&starred, &name));
        let longer = format!("{name}x");
        prop_assert!(!fits(&name, &longer));
    }
}
