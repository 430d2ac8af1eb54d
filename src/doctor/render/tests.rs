//! Both renderers against what they printed when a person last looked at it. `PINHOLE_BLESS=1` writes the files anew.

use std::path::PathBuf;

use super::super::examine::report;
use super::super::facts::{Facts, Gap, RuntimeClass};
use super::super::fixture::{agent, cold, live};
use super::super::report::{FailOn, Report};
use super::{Look, json, text};
use crate::container::Rank;

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
    let wanted = std::fs::read_to_string(&path).unwrap();
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

#[test]
fn a_healthy_live_report_as_text() {
    golden("live.txt", &text(&dated(&live()), FailOn::Fail, PLAIN));
}

#[test]
fn a_troubled_cold_report_as_text() {
    golden("troubled.txt", &text(&troubled(), FailOn::Fail, PLAIN));
}

#[test]
fn a_troubled_cold_report_on_a_narrow_terminal() {
    let look = Look {
        color: true,
        unicode: true,
        width: 60,
    };
    golden("troubled-terminal.txt", &text(&troubled(), FailOn::Warn, look));
}

#[test]
fn a_troubled_cold_report_as_json() {
    golden("troubled.json", &json(&troubled()).unwrap());
}

#[test]
fn no_line_is_wider_than_the_terminal_but_commands() {
    for width in [40, 60, 100] {
        let page = text(&troubled(), FailOn::Fail, Look { width, ..PLAIN });
        for line in page.lines().filter(|line| !line.starts_with("                   ")) {
            // Ids with their titles are kept on one line, too.
            assert!(
                line.chars().count() <= width || line.contains("PIN-"),
                "{width}: {line:?}"
            );
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

#[test]
fn plain_output_is_ascii() {
    assert!(text(&troubled(), FailOn::Fail, PLAIN).is_ascii());
}
