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
        Ok(destination) => {
            assert!(matches!(init(&settings), Err(Error::AlreadySet(_))));
            crate::privilege::seccomp::install().unwrap();
            tracing::info!(answer = 42, marker = std::process::id(), "filtered and still logging");
            tracing::debug!(target: "pinhole::output", "debug of the one module");
            tracing::debug!(target: "pinhole::other", "debug of another module");
            tracing::info!("{}", "x".repeat(1 << 20));
            tracing::info!("after the large one");
            let (target, why) = (destination.target().unwrap(), destination.trouble());
            let failures = destination.failures();
            println!(
                "target {target:?} pid {} why {why:?} failures {failures}",
                std::process::id()
            );
        }
        Err(error) => println!("error {error}"),
    }
    std::process::exit(0);
}

fn entry(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "output::log::tests::role_entry",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ROLE, role);
    command
}

fn start(role: &str) -> Output {
    entry(role).output().unwrap()
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
    let stdout = text(&start("auto").stdout);
    assert!(
        stdout.contains("target Stderr") && stdout.contains("why \"there is no /run/systemd/journal/socket\""),
        "{stdout}"
    );
}

/// `/dev/full` refuses everything that is written, as a full disk does.
#[test]
fn a_log_without_room_is_counted_and_nobodys_end() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = entry("stderr").stderr(full).output().unwrap();
    let stdout = text(&output.stdout);
    assert!(output.status.success(), "{:?} {stdout}", output.status);
    assert!(stdout.contains("failures 4"), "{stdout}");
}

/// A real journald in a mount namespace of its own, so that it sees and changes nothing of the host's journal.
struct Journal(std::process::Child);

impl Journal {
    fn start(directory: &Path) -> Self {
        let ready = std::os::unix::net::UnixDatagram::bind(directory.join("notify")).unwrap();
        ready
            .set_read_timeout(Some(std::time::Duration::from_secs(20)))
            .unwrap();
        let script = "mkdir -p /run/systemd /run/log /var/log && mount -t tmpfs none /run/systemd && \
            mount -t tmpfs none /run/log && mount -t tmpfs none /var/log && mkdir /run/systemd/journal && \
            exec /lib/systemd/systemd-journald";
        let child = Command::new("unshare")
            .args(["--mount", "sh", "-c", script])
            .env("NOTIFY_SOCKET", directory.join("notify"))
            .spawn()
            .expect("util-linux is installed");
        let journal = Self(child);
        let mut message = [0; 256];
        // Several notifications come before the one that counts.
        loop {
            let length = ready
                .recv(&mut message)
                .expect("journald (package systemd) is installed and becomes ready");
            if text(&message[..length]).contains("READY=1") {
                return journal;
            }
        }
    }

    /// A command that runs where this journal is the host's.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--mount", "--target", &self.0.id().to_string(), "--"])
            .arg(program);
        command
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_journal_gets_what_is_logged_under_the_filter() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::start(directory.path());
    let played = journal
        .command(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "output::log::tests::role_entry",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ROLE, "auto")
        .output()
        .unwrap();
    let stdout = text(&played.stdout);
    assert!(
        played.status.success(),
        "{:?} {stdout} {}",
        played.status,
        text(&played.stderr)
    );
    assert!(
        stdout.contains("target Journald") && stdout.contains("why \"\""),
        "{stdout}"
    );
    assert!(journal.command("journalctl").arg("--sync").status().unwrap().success());
    let found = journal
        .command("journalctl")
        .args(["-t", IDENTIFIER, "-o", "json"])
        .output()
        .unwrap();
    let entries: Vec<serde_json::Value> = text(&found.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let messages: Vec<_> = entries.iter().filter_map(|entry| entry["MESSAGE"].as_str()).collect();
    // The one of 1 MiB is lost: it would need a memfd.
    assert_eq!(
        messages,
        [
            "filtered and still logging",
            "debug of the one module",
            "after the large one"
        ]
    );
    assert_eq!(entries[0]["PINHOLE_ANSWER"], "42");
    assert_eq!(entries[0]["PRIORITY"], "5");
}
