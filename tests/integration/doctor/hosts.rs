//! The agent on a plain host, without a pod: nothing is found where all is well, and what goes wrong around the running
//! agent is the one finding.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::report::Report;
use super::table::Verdict;
use crate::event::agent;
use crate::lab::agent::{Agent, Installed};
use crate::lab::containerd::Containerd;
use crate::lab::journal::Journal;
use crate::lab::pod::{Pod, PodSpec};
use crate::lab::podman::{Podman, Starter};
use crate::lab::turn::Turn;

const SHOP: &str = "8d2f1c9a-8a3e-4a57-b8a3-90a5f1f0c0f0";

/// The doctor as the agent's own user, with the agent's settings.
fn doctor(installed: &Installed, words: &[&str]) -> Report {
    let mut command = installed.command(["doctor", "--format", "json"]).unwrap();
    let began = Instant::now();
    let output = command.args(words).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    Report::read(&String::from_utf8_lossy(&output.stdout), &said, began.elapsed())
}

/// As an administrator runs it.
fn doctor_of_root(installed: &Installed, words: &[&str]) -> Report {
    let began = Instant::now();
    let output = Command::new(installed.dir().join("agent"))
        .args(["doctor", "--format", "json", "--control-socket"])
        .arg(installed.control_socket())
        .args(words)
        // Settings of whoever runs the tests are none of the agent's.
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    Report::read(&String::from_utf8_lossy(&output.stdout), &said, began.elapsed())
}

/// A host with containers; the settings that both the agent and its doctor have.
struct Host {
    lab: Containerd,
    settings: Vec<String>,
}

impl Host {
    fn start() -> Self {
        let lab = Containerd::start().unwrap();
        let settings = vec![
            "--runtime-socket".to_owned(),
            lab.socket().to_string_lossy().into_owned(),
        ];
        Self { lab, settings }
    }

    fn words<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        self.settings
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect()
    }
}

fn ends_well(agent: Agent<'_>) {
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}", stopped.stderr);
}

#[test]
fn that_are_well_have_no_finding() {
    let _turn = Turn::take().unwrap();
    let host = Host::start();
    let shop = Pod::run(&host.lab, PodSpec::new("shop", "web-0", SHOP).in_own_network()).unwrap();
    shop.start("app", &["/bin/sleep", "1000"]).unwrap();
    let installed = Installed::new(agent()).unwrap();
    let words = host.words(&[]);
    let mut verdict = Verdict::default();
    verdict.expect("host, cold", &doctor(&installed, &words), &[]);
    let agent = installed.run(&words).unwrap();
    verdict.expect_soon("host, live", || doctor(&installed, &words), &[]);
    ends_well(agent);
    shop.remove().unwrap();
    verdict.end();
}

/// Where podman runs the containers, the agent is well with podman's socket.
#[test]
#[ignore = "`just test-runtimes` installs podman"]
fn of_podman_have_no_finding() {
    let _turn = Turn::take().unwrap();
    let lab = Podman::start().unwrap();
    lab.run("web", Starter::Crun, &["--network", "none"], &["/bin/sleep", "1000"])
        .unwrap();
    let installed = Installed::new(agent()).unwrap();
    let socket = lab.socket();
    let words = ["--runtime-socket", socket.to_str().unwrap()];
    let mut verdict = Verdict::default();
    verdict.expect("podman, cold", &doctor(&installed, &words), &[]);
    let agent = installed.run(words).unwrap();
    verdict.expect_soon("podman, live", || doctor(&installed, &words), &[]);
    ends_well(agent);
    verdict.end();
}

/// A node of Kubernetes with a runtime that has no pod: until there is one.
#[test]
fn that_are_nodes_without_pods_say_so() {
    let _turn = Turn::take().unwrap();
    let host = Host::start();
    // A kubelet's directory is what makes it a node.
    let script = "mount -t tmpfs pinhole-lab /var/lib; mkdir /var/lib/kubelet; exec \"$@\"";
    let entry = ["unshare", "--mount", "--", "sh", "-ec", script, "sh"];
    let installed = Installed::new(agent()).unwrap().behind(entry.map(str::to_owned).into());
    let words = host.words(&[]);
    let mut verdict = Verdict::default();
    let report = doctor(&installed, &words);
    verdict.expect("a node without pods", &report, &[("PIN-RUN-007", "warn")]);
    let shop = Pod::run(&host.lab, PodSpec::new("shop", "web-0", SHOP).in_own_network()).unwrap();
    verdict.expect("with its first pod", &doctor(&installed, &words), &[]);
    shop.remove().unwrap();
    verdict.end();
}

/// Its events go to a file on a file system that is full, until room is made.
#[test]
fn whose_disk_is_full_lose_the_output() {
    let _turn = Turn::take().unwrap();
    let host = Host::start();
    let words = host.words(&[]);
    let bare = Installed::new(agent()).unwrap();
    let disk = bare.dir().join("disk");
    fs::create_dir(&disk).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=64k,mode=0777 pinhole-lab '{disk}'; exec \"$@\" >>'{disk}/events'",
        disk = disk.display()
    );
    let entry = ["unshare", "--mount", "--", "sh", "-ec", &script, "sh"];
    let installed = bare.behind(entry.map(str::to_owned).into());
    let agent = installed.run(&words).unwrap();
    let here = || doctor_of_root(&installed, &words);
    let mut verdict = Verdict::default();
    verdict.expect_soon("a full disk", here, &[("PIN-LOSS-006", "fail")]);
    let stopped = agent.stop().unwrap();
    println!(
        "{}: {}",
        stopped.status,
        stopped.stderr.lines().last().unwrap_or_default()
    );
    verdict.end();
}

/// journald was there when the agent started.
#[test]
fn whose_journal_goes_lose_the_log() {
    let _turn = Turn::take().unwrap();
    let host = Host::start();
    let journal = Journal::start().unwrap();
    let words = host.words(&[]);
    let installed = Installed::new(agent()).unwrap().behind(journal.entry().unwrap());
    let with_journal = host.words(&["--log-target", "journald"]);
    let agent = installed.run(&with_journal).unwrap();
    let mut verdict = Verdict::default();
    verdict.expect("a journal", &doctor(&installed, &with_journal), &[]);
    drop(journal);
    let installed_here = Installed::new(crate::event::agent()).unwrap();
    let socket = installed.control_socket();
    let gone = [
        &words[..],
        &["--log-target", "journald", "--control-socket", socket.to_str().unwrap()],
    ]
    .concat();
    verdict.expect_soon(
        "the journal is gone",
        || doctor(&installed_here, &gone),
        &[("PIN-CFG-002", "fail")],
    );
    ends_well(agent);
    verdict.end();
}

/// The kernel's events bear the time since the boot, and the agent's clock begins elsewhere.
#[test]
fn whose_agent_has_another_boot_time_date_events_wrongly() {
    let _turn = Turn::take().unwrap();
    let host = Host::start();
    let words = host.words(&[]);
    let entry = ["unshare", "--time", "--boottime", "100000", "--"];
    let installed = Installed::new(agent()).unwrap().behind(entry.map(str::to_owned).into());
    let astray = installed.run(&words).unwrap();
    let mut verdict = Verdict::default();
    let here = || doctor_of_root(&installed, &words);
    verdict.expect_soon("in a time namespace", here, &[("PIN-LIVE-006", "fail")]);
    ends_well(astray);
    let installed = Installed::new(agent()).unwrap();
    let mended = installed.run(&words).unwrap();
    let here = || doctor_of_root(&installed, &words);
    verdict.expect_soon("without one", here, &[]);
    ends_well(mended);
    verdict.end();
}

#[test]
fn whose_files_change_under_the_agent_say_so() {
    let _turn = Turn::take().unwrap();
    let host = Host::start();
    let installed = Installed::new(agent()).unwrap();
    let file = installed.dir().join("agent.toml");
    let write = |text: &str| fs::write(&file, text).unwrap();
    write("[capture]\nring_size = \"4MiB\"\n");
    let words = host.words(&["--config", file.to_str().unwrap()]);
    let agent = installed.run(&words).unwrap();
    let mut verdict = Verdict::default();
    verdict.expect_soon("as it was started", || doctor(&installed, &words), &[]);

    write("[capture]\nring_size = \"8MiB\"\n");
    verdict.expect(
        "another ring in the file",
        &doctor(&installed, &words),
        &[("PIN-CFG-003", "warn")],
    );
    write("[capture]\nring_size = \"4MiB\"\n");

    replace(&installed.dir().join("agent"));
    verdict.expect(
        "another binary",
        &doctor_of_root(&installed, &words),
        &[("PIN-VER-002", "warn")],
    );
    ends_well(agent);
    let agent = installed.run(&words).unwrap();
    verdict.expect_soon("started anew", || doctor(&installed, &words), &[]);

    nix::sys::signal::kill(agent.pid(), nix::sys::signal::Signal::SIGKILL).unwrap();
    agent.collect().unwrap();
    verdict.expect("killed", &doctor(&installed, &words), &[("PIN-LIVE-001", "fail")]);
    verdict.end();
}

/// As a package manager does it: another inode in its place.
fn replace(binary: &Path) {
    let new = binary.with_extension("new");
    fs::copy(binary, &new).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    let setcap = crate::lab::tool::find("setcap", "libcap2-bin").unwrap();
    crate::lab::tool::run(
        std::process::Command::new(setcap)
            .arg("cap_bpf,cap_perfmon=p")
            .arg(&new),
    )
    .unwrap();
    fs::rename(&new, binary).unwrap();
}
