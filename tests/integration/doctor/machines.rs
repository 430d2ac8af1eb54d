//! Virtual machines that are nodes: a real containerd with real pods on other kernels and other layouts of cgroups.
//!
//! This test program itself, which is static, is what runs in them: [`inside`] is what it does there.

use std::process::Command;
use std::time::Duration;

use super::healthy::is_healthy;
use super::manifest::Manifest;
use super::node;
use super::table::Verdict;
use crate::event::agent;
use crate::lab::agent_image::{GIVEN, agent_image};
use crate::lab::kernels::Kernel;
use crate::lab::runtimes::Release;
use crate::lab::tool;
use crate::lab::turn::Turn;
use crate::lab::vm::{Finished, Machine};

/// Which of the scenes is played.
const SCENE: &str = "PINHOLE_LAB_SCENE";
/// How long a machine may take: its processor is emulated.
const WITHIN: Duration = Duration::from_secs(900);
/// In MiB; the root file system is in it.
const MEMORY: u32 = 2048;

/// What the node needs, by its package. All but the last come with a C library.
const TOOLS: &[(&str, &str)] = &[
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("mountpoint", "util-linux"),
    ("apparmor_parser", "apparmor"),
];

/// Before the scenes: what a distribution's start does.
const START: &str = r#"
set -e
mkdir -p /var/lib /root /sbin /etc/apparmor /etc/apparmor.d
# Without it the parser's first word is that it is not there, where containerd expects its version.
: >/etc/apparmor/parser.conf
ln -s /run /var/run
echo 127.0.0.1 localhost >/etc/hosts
ln -s /bin/apparmor_parser /sbin/apparmor_parser
if [ -d /sys/fs/cgroup/cpu ]; then
    # runc wants the controller of devices. The newest kernels have not all of version 1.
    for controller in devices freezer cpuset cpuacct blkio; do
        mkdir "/sys/fs/cgroup/$controller"
        mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller" 2>/dev/null || rmdir "/sys/fs/cgroup/$controller"
    done
    grep -q " /sys/fs/cgroup/memory " /proc/mounts || rmdir /sys/fs/cgroup/memory
fi
export PINHOLE_LAB_AGENT_IMAGE=/agent-image.tar RUST_BACKTRACE=0
play() {
    echo "SCENE $1 $(uname -r)"
    PINHOLE_LAB_SCENE=$1 integration --exact doctor::machines::inside --include-ignored --nocapture 2>&1
}
"#;

/// Boots a node and plays scenes on it.
fn boot(suite: &str, parameters: &[&str], scenes: &str) -> Finished {
    assert_eq!(GIVEN, "PINHOLE_LAB_AGENT_IMAGE");
    let image = agent_image(agent()).unwrap();
    let own = std::env::current_exe().unwrap();
    let machine = Machine::new(Kernel::of(suite).unwrap())
        .roomy(MEMORY, WITHIN)
        // Otherwise a busy machine would make a slow node of it.
        .counting_instructions()
        .program("agent", agent())
        .linked("agent", agent())
        .program("integration", &own)
        .file("agent-image.tar", &image.archive);
    let machine = parameters
        .iter()
        .fold(machine, |machine, parameter| machine.parameter(parameter));
    let machine = TOOLS.iter().fold(machine, |machine, (name, package)| {
        let path = tool::find(name, package).unwrap();
        machine.dynamic_program(name, &path).unwrap()
    });
    let finished = machine.run(&format!("{START}{scenes}")).unwrap();
    println!("{}", finished.output);
    finished
}

fn plays(suite: &str, parameters: &[&str], scenes: &str) {
    let finished = boot(suite, parameters, scenes);
    assert_eq!(finished.code, 0, "{}\n{}", finished.output, finished.console);
}

/// What the program does in a machine. On this one, the first scene.
#[test]
#[ignore = "run by the others, in virtual machines"]
fn inside() {
    match std::env::var(SCENE).as_deref().unwrap_or("healthy") {
        "healthy" => is_healthy(Release::installed().unwrap(), "generic", "runc"),
        "memlock" => memlock(),
        "lockdown" => lockdown(),
        "clock" => clock(),
        other => panic!("no scene {other}"),
    }
}

/// Before Linux 5.11, with the limit on locked memory that such kernels start with.
fn memlock() {
    let _turn = Turn::take().unwrap();
    let lab = node::start();
    let kubelet = node::kubelet(&lab);
    let mut verdict = Verdict::default();
    let report = node::cold(&kubelet, &Manifest::of("generic"), "runc");
    verdict.expect("a limit on locked memory", &report, &[("PIN-RES-001", "fail")]);
    verdict.end();
}

fn lockdown() {
    let _turn = Turn::take().unwrap();
    let lab = node::start();
    let kubelet = node::kubelet(&lab);
    let mut verdict = Verdict::default();
    let manifest = Manifest::of("generic");
    let roots = &[("PIN-KRN-002", "warn")];
    let report = node::cold(&kubelet, &manifest, "runc");
    verdict.expect("locked down, cold", &report, roots);
    let pod = node::run(&kubelet, &manifest, "runc");
    pod.wait_ready().unwrap();
    verdict.expect("locked down, live", &node::beside(&pod), roots);
    node::stop(&kubelet, pod);
    verdict.end();
}

fn clock() {
    let _turn = Turn::take().unwrap();
    let lab = node::start();
    let kubelet = node::kubelet(&lab);
    let mut verdict = Verdict::default();
    let pod = node::run(&kubelet, &Manifest::of("generic"), "runc");
    pod.wait_ready().unwrap();
    verdict.expect("before the step", &node::beside(&pod), &[]);
    let now = String::from_utf8(tool::run(Command::new("date").arg("+%s")).unwrap().stdout).unwrap();
    let then = now.trim().parse::<u64>().unwrap() + 3600;
    tool::run(Command::new("date").args(["-s", &format!("@{then}")])).unwrap();
    // Within the second in which the agent has not looked at the calendar yet it may be found to be behind; never something else.
    let mut report = node::beside(&pod);
    if report.roots() == [("PIN-LIVE-006", "fail")] {
        println!("  {}", report.check("PIN-LIVE-006")["summary"]);
        report = node::beside(&pod);
    }
    // One emulated processor that doctor, runtime and agent share: that events are late then and that the kernel preempts programs,
    // whose other runs it skips, is true of it and another matter.
    let slow = ["PIN-LIVE-005", "PIN-LOSS-005"];
    let roots = report.roots();
    let others: Vec<_> = roots.into_iter().filter(|(id, _)| !slow.contains(id)).collect();
    if !others.is_empty() {
        verdict.note(format!("an hour later: found\n{}", report.findings()));
    }
    let followed = report.check("PIN-LIVE-006");
    println!("  {}", followed["summary"]);
    let step = &followed["observed"];
    if step["clock_steps"] != 1
        || step["last_step_ms"]
            .as_i64()
            .is_none_or(|by| (by - 3_600_000).abs() > 2000)
    {
        verdict.note(format!("the step is not told: {followed}"));
    }
    node::stop(&kubelet, pod);
    verdict.end();
}

/// Newer kernels count maps against the memory limit of the pod, older ones against a limit that distributions lift for
/// containerd.
const HEALTHY: &str = "ulimit -l unlimited\nplay healthy";

#[test]
#[ignore = "`just test-kernels`"]
fn linux_5_10() {
    plays("bullseye", &["lab.cgroup=1"], &format!("play memlock\n{HEALTHY}"));
}

#[test]
#[ignore = "`just test-kernels`"]
fn newest_linux() {
    plays("sid", &[], "play healthy\nplay clock");
}

#[test]
#[ignore = "`just test-kernels`"]
fn newest_linux_locked_down() {
    plays("sid", &["lockdown=confidentiality"], "play lockdown");
}

#[test]
#[ignore = "`just test-kernels`"]
fn linux_5_10_cgroup_2() {
    plays("bullseye", &[], HEALTHY);
}

#[test]
#[ignore = "`just test-kernels`"]
fn linux_6_1() {
    plays("bookworm", &[], HEALTHY);
}

#[test]
#[ignore = "`just test-kernels`"]
fn linux_6_1_cgroup_1() {
    plays("bookworm", &["lab.cgroup=1"], HEALTHY);
}

#[test]
#[ignore = "`just test-kernels`"]
fn linux_6_12() {
    plays("bookworm-backports", &[], HEALTHY);
}
