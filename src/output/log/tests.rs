//! A process has one log, so each test of [`init`] plays its part in a process of its own: this test binary, started
//! again with a variable that names the role.

use std::process::{Command, Output};

use super::*;

const ROLE: &str = "PINHOLE_LOG_TEST_ROLE";

/// Not a test of its own: where the processes that the tests below start begin.
#[test]
fn role_entry() {
    let target = match std::env::var(ROLE).as_deref() {
        Ok("stderr") => LogTarget::Stderr,
        Ok("journald") => LogTarget::Journald,
        Ok("auto") => LogTarget::Auto,
        _ => return,
    };
    let settings = Log {
        level: "info,pinhole::output=debug".to_owned(),
        target,
    };
    match init(&settings) {
        Ok(target) => {
            assert!(matches!(init(&settings), Err(Error::AlreadySet(_))));
            crate::privilege::seccomp::install().unwrap();
            tracing::info!(answer = 42, marker = std::process::id(), "filtered and still logging");
            tracing::debug!(target: "pinhole::output", "debug of the one module");
            tracing::debug!(target: "pinhole::other", "debug of another module");
            tracing::info!("{}", "x".repeat(1 << 20));
            tracing::info!("after the large one");
            println!("target {target:?} pid {}", std::process::id());
        }
        Err(error) => println!("error {error}"),
    }
    std::process::exit(0);
}

fn start(role: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "output::log::tests::role_entry",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ROLE, role)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn auto_prefers_a_terminal_then_the_journal() {
    use Target::{Journald, Stderr};
    for (wanted, terminal, journald, target) in [
        (LogTarget::Auto, false, true, Journald),
        (LogTarget::Auto, true, true, Stderr { terminal: true }),
        (LogTarget::Auto, false, false, Stderr { terminal: false }),
        (LogTarget::Stderr, false, true, Stderr { terminal: false }),
        (LogTarget::Journald, true, false, Journald),
    ] {
        assert_eq!(
            choose(wanted, terminal, journald),
            target,
            "{wanted:?} {terminal} {journald}"
        );
    }
}

#[test]
fn standard_error_gets_plain_lines_and_goes_on_under_the_filter() {
    let output = start("stderr");
    let (stdout, log) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success(),
        "{:?} {stdout} {}",
        output.status,
        &log[..log.len().min(2000)]
    );
    assert!(
        stdout.contains("target Stderr { terminal: false }") && !stdout.contains("logging"),
        "{stdout}"
    );
    for part in [
        "INFO",
        "filtered and still logging",
        "answer=42",
        "debug of the one module",
        "after the large one",
    ] {
        assert!(log.contains(part), "{part}");
    }
    assert!(!log.contains("debug of another module"));
    assert!(!log.contains('\u{1b}'), "no colours where nobody sees them");
}

#[test]
fn an_absent_journal_is_an_error_where_it_was_asked_for() {
    if Path::new(JOURNALD_SOCKET).exists() {
        // Then the other test below shows the opposite.
        return;
    }
    let stdout = text(&start("journald").stdout);
    assert!(
        stdout.contains("error log.target is journald, but /run/systemd/journal/socket cannot be used"),
        "{stdout}"
    );
    assert!(text(&start("auto").stdout).contains("target Stderr"));
}
