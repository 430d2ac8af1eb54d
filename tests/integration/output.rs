//! Standard output that takes nothing: a disk that is full, and a reader that does not read. Neither ends the agent, and both are told.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pinhole::control::api::{GetStatusReply, Output};
use pinhole::control::client::Client;
use serde_json::Value;

use crate::event::agent;
use crate::lab::agent::{ARRIVES, ENDS, Installed, READY, answers};
use crate::lab::error::Result;
use crate::lab::tool;
use crate::lab::turn::Turn;

/// Room for some fifty events.
const SMALL: &str = "size=64k";
/// For more than the machine yields in a test.
const LARGE: &str = "size=512m";

/// A file system that is soon full.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: PathBuf) -> Self {
        fs::create_dir(&at).unwrap();
        tool::run(
            Command::new("mount")
                .args(["-t", "tmpfs", "-o", SMALL, "none"])
                .arg(&at),
        )
        .unwrap();
        Self(at)
    }

    fn grow(&self) {
        let options = format!("remount,{LARGE}");
        tool::run(Command::new("mount").args(["-o", &options]).arg(&self.0)).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

struct Running<'a> {
    installed: &'a Installed,
    child: Child,
}

impl<'a> Running<'a> {
    fn start(installed: &'a Installed, stdout: impl Into<Stdio>) -> Self {
        let log = File::create(installed.dir().join("log")).unwrap();
        let words = [
            "run",
            "--output",
            "json",
            "--events",
            "file",
            "--health-runtime",
            "optional",
        ];
        let child = installed
            .command(words)
            .unwrap()
            .stdout(stdout)
            .stderr(log)
            .spawn()
            .unwrap();
        let running = Self { installed, child };
        let socket = installed.control_socket();
        running.wait("the agent's readiness", || answers(&socket).then_some(()));
        running
    }

    fn log(&self) -> String {
        fs::read_to_string(self.installed.dir().join("log")).unwrap()
    }

    fn status(&self) -> GetStatusReply {
        let mut client = Client::connect(&self.installed.control_socket(), ARRIVES).unwrap();
        client.status(ARRIVES).unwrap()
    }

    fn output(&self) -> Output {
        self.status().output.unwrap()
    }

    fn wait<T>(&self, what: &str, mut wanted: impl FnMut() -> Option<T>) -> T {
        tool::poll(what, READY, || self.log(), || -> Result<Option<T>> { Ok(wanted()) }).unwrap()
    }

    fn stop(&mut self) -> std::process::ExitStatus {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).unwrap();
        tool::poll("the agent's end", ENDS, String::new, || {
            Ok(self.child.try_wait().unwrap())
        })
        .unwrap()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn open(path: &Path) {
    let _ = File::open(path);
}

#[test]
fn a_disk_that_is_full_loses_whole_lines_and_nothing_else() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let disk = Disk::mount(installed.dir().join("disk"));
    let events = disk.0.join("events");
    let mut running = Running::start(&installed, File::create(&events).unwrap());
    assert_eq!(running.output().failures, 0);

    let full = running.wait("failures", || {
        open(Path::new("/nonexistent/fills-the-disk"));
        Some(running.output()).filter(|output| output.failures > 3)
    });
    assert!(full.lost_lines > 0 && full.last_failure_age_ms.is_some(), "{full:?}");
    assert!(full.last_error.contains("No space left on device"), "{full:?}");
    running.wait("a word in the log", || {
        running
            .log()
            .contains("standard output has no room for events")
            .then_some(())
    });
    // It goes on as before: the pipeline turns, and the canary comes through.
    let before = running.status().hooks["canary"].delivered;
    running.wait("two more canaries", || {
        let status = running.status();
        let ready = status.conditions.iter().all(|condition| condition.met == "yes");
        (ready && status.hooks["canary"].delivered >= before + 2).then_some(())
    });

    disk.grow();
    let marked = Path::new("/nonexistent/after-the-shortage");
    running.wait("an event after the shortage", || {
        open(marked);
        let written = fs::read(&events).unwrap();
        String::from_utf8_lossy(&written)
            .contains(marked.to_str().unwrap())
            .then_some(())
    });
    running.wait("another word in the log", || {
        running.log().contains("standard output has room again").then_some(())
    });
    assert!(running.stop().success(), "{}", running.log());

    let written = fs::read_to_string(&events).unwrap();
    assert!(written.ends_with('\n'));
    let lines: Vec<Value> = written
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (summary, events) = lines.split_last().unwrap();
    assert_eq!(summary["type"], "summary");
    let lost = summary["output"]["lost_lines"].as_u64().unwrap();
    assert!(
        lost >= full.lost_lines && summary["output"]["failures"].as_u64() > Some(3),
        "{summary}"
    );
    // Without a loss in the ring, what was delivered and printed is there or counted. Of the hooks that ran, those of files are printed.
    let printed: u64 = summary["hooks"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| {
            ![
                "exec",
                "fork",
                "exit",
                "snapshot",
                "canary",
                "cgroup_mkdir",
                "cgroup_rmdir",
            ]
            .contains(&&***name)
        })
        .map(|(_, line)| line["delivered"].as_u64().unwrap())
        .sum();
    assert_eq!(events.len() as u64 + lost, printed, "{summary}");
}

#[test]
fn a_reader_that_does_not_read_is_told_while_it_does_not() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let running = Running::start(&installed, writer);
    let blocked = running.wait("a pipe that is full", || {
        open(Path::new("/nonexistent/fills-the-pipe"));
        Some(running.output()).filter(|output| output.blocked_now_us > Some(100_000))
    });
    assert!(
        blocked.blocked_us >= 100_000 && blocked.longest_block_us >= 100_000,
        "{blocked:?}"
    );
    let reading = std::thread::spawn(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        all
    });
    let after = running.wait("a pipe that is read", || {
        Some(running.output())
            .filter(|output| output.blocked_now_us.is_none() && output.written_bytes > blocked.written_bytes)
    });
    assert!(after.blocked_us >= blocked.blocked_us, "{after:?}");
    assert_eq!((after.failures, after.lost_lines), (0, 0));
    let mut running = running;
    assert!(running.stop().success(), "{}", running.log());
    drop(running);
    let all = String::from_utf8(reading.join().unwrap()).unwrap();
    for line in all.lines() {
        let _: Value = serde_json::from_str(line).unwrap();
    }
}
