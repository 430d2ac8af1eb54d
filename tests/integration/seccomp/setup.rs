//! The pod's policy, rule by rule: a container of the real runc and crun under the policy without one, in which the agent
//! and its doctor do what they do in a pod.
//!
//! Only what the running agent does not keep is looked at here. The rest has to be in both policies, because both filters
//! are in force then, and `kept` shows the need.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::policy::{AGENT_RUN, AGENT_SETUP, rules, without};
use crate::event::agent;
use crate::lab::agent::AGENT_ID;
use crate::lab::error::LabError;
use crate::lab::place::Place;
use crate::lab::replay::{Recording, Replay};
use crate::lab::tool;
use crate::lab::turn::Turn;

/// Rules for what this build on this machine cannot do, and why they are there.
const ELSEWHERE: [(&str, &str); 4] = [
    (
        "faccessat2",
        "a doctor without an agent asks by it for the place of the admin socket, and here one runs",
    ),
    (
        "prlimit64",
        "before Linux 5.11 the agent lifts RLIMIT_MEMLOCK, if it is granted CAP_SYS_RESOURCE",
    ),
    ("dup3", "arm64 has no dup2"),
    ("readlinkat", "arm64 has no readlink"),
];

/// How long a container may take to be ready, or to end.
const SOON: Duration = Duration::from_secs(120);

/// A container's directory, and the runtime that it may ask.
struct Bundle {
    place: Place,
    _replay: Replay,
    runtime: Value,
    /// Where the agent serves probes and metrics.
    listen: &'static str,
}

const IPV4: &str = "0.0.0.0:9467";
const IPV6: &str = "[::]:9467";

/// What came of a container under a policy. Two that worked equally well are equal.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// How the agent ended: by itself, or when it was asked to.
    ended: Option<i32>,
    /// It became ready.
    ready: bool,
    /// The warnings and errors of its log, without their times.
    complaints: Vec<String>,
    /// What its descriptors are.
    descriptors: BTreeSet<String>,
    /// What the doctor makes of every check.
    checks: BTreeMap<String, String>,
    /// What the exposure score finds in each row.
    exposure: BTreeMap<String, String>,
    /// What an agent says that was granted nothing.
    refusal: String,
}

impl Bundle {
    fn new() -> Self {
        let replay = Replay::start(Arc::new(Recording::read("cri-o-1.36.3").unwrap())).unwrap();
        let place = Place::new().unwrap();
        for directory in ["proc", "sys", "dev", "run/pinhole", "run/runtime"] {
            place.subdir(&format!("rootfs/{directory}")).unwrap();
        }
        let binary = place.path().join("rootfs/agent");
        fs::copy(agent(), &binary).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
        let setcap = tool::find("setcap", "libcap2-bin").unwrap();
        tool::run(Command::new(setcap).arg("cap_bpf,cap_perfmon=p").arg(&binary)).unwrap();
        let run = place.subdir("run").unwrap();
        chown(&run, Some(AGENT_ID), Some(AGENT_ID)).unwrap();
        let runtime = json!(replay.socket().parent().unwrap());
        Self {
            place,
            _replay: replay,
            runtime,
            listen: IPV4,
        }
    }

    /// The OCI runtime specification's configuration that a kubelet's pod of the agent comes to.
    fn configuration(&self, policy: &str, arguments: &[&str], granted: &[&str]) -> Value {
        let mut policy: Value = serde_json::from_str(policy).unwrap();
        for entry in policy["syscalls"].as_array_mut().unwrap() {
            // runc and crun know no comments; the daemons that start them leave these out.
            entry.as_object_mut().unwrap().remove("comment");
        }
        let bind = |to: &str, from: Value, mode: &str| json!({"destination": to, "type": "bind", "source": from, "options": ["rbind", mode]});
        let namespaces = ["pid", "ipc", "uts", "mount", "network"].map(|kind| json!({"type": kind}));
        json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": AGENT_ID, "gid": AGENT_ID, "additionalGids": [0]},
                "args": arguments,
                "env": [
                    "PINHOLE_LOG_TARGET=stderr",
                    "PINHOLE_RUNTIME_SOCKET=/run/runtime/replay.sock",
                    format!("PINHOLE_HEALTH_LISTEN={}", self.listen),
                ],
                "cwd": "/",
                "capabilities": {"bounding": granted, "effective": granted, "permitted": granted},
                "noNewPrivileges": true
            },
            "root": {"path": "rootfs", "readonly": true},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
                {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
                bind("/run/pinhole", json!(self.place.path().join("run")), "rw"),
                bind("/run/runtime", self.runtime.clone(), "ro"),
            ],
            "linux": {
                "namespaces": namespaces,
                "seccomp": policy
            }
        })
    }

    /// The runtime's command line, where it finds the cgroups that it knows.
    fn command(&self, starter: &str, words: &[&str]) -> Command {
        let mut command = Command::new(tool::find("unshare", "util-linux").unwrap());
        // crun refuses a version 2 hierarchy beside those of version 1.
        let script =
            "if [ -e /sys/fs/cgroup/unified/cgroup.controllers ]; then umount /sys/fs/cgroup/unified; fi; exec \"$@\"";
        command
            .args(["--mount", "--", "/bin/sh", "-ec", script, "sh"])
            .arg(tool::find(starter, "runc, crun").unwrap())
            .arg("--root")
            .arg(self.place.path().join("state"))
            .args(words)
            .stdin(Stdio::null());
        command
    }

    fn write(&self, policy: &str, arguments: &[&str], granted: &[&str]) {
        let configuration = self.configuration(policy, arguments, granted);
        fs::write(self.place.path().join("config.json"), configuration.to_string()).unwrap();
    }

    /// Runs a container to its end.
    fn play(&self, starter: &str, policy: &str, arguments: &[&str], granted: &[&str]) -> Output {
        self.write(policy, arguments, granted);
        let name = unique();
        let bundle = self.place.path().to_string_lossy().into_owned();
        let output = Command::new(tool::find("timeout", "coreutils").unwrap())
            .args(["-k", "1", "20"])
            .arg(self.command(starter, &[]).get_program())
            .args(self.command(starter, &["run", "--bundle", &bundle, &name]).get_args())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        self.delete(starter, &name);
        output
    }

    fn delete(&self, starter: &str, name: &str) {
        // What was never made cannot be deleted.
        let _ = self.command(starter, &["delete", "--force", name]).output();
    }

    /// The agent's life in the container: to its readiness, and then to its end by SIGTERM.
    fn live(&self, starter: &str, policy: &str, outcome: &mut Outcome) {
        self.write(policy, &["/agent", "run", "--output", "count"], GRANTED);
        // As a container that is started again in its pod finds it.
        let socket = self.place.path().join("run/agent.sock");
        let _ = fs::remove_file(&socket);
        drop(UnixListener::bind(&socket).unwrap());
        chown(&socket, Some(AGENT_ID), Some(AGENT_ID)).unwrap();
        let (name, log) = (unique(), self.place.path().join("log"));
        let bundle = self.place.path().to_string_lossy().into_owned();
        let file = fs::File::create(&log).unwrap();
        let mut child = self
            .command(starter, &["run", "--bundle", &bundle, &name])
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        let said = || fs::read_to_string(&log).unwrap_or_default();
        let waited = tool::poll("readiness or an end", SOON, said, || {
            if child
                .try_wait()
                .map_err(LabError::file("wait for", Path::new(starter)))?
                .is_some()
            {
                return Ok(Some(false));
            }
            Ok(said().contains("without any capability").then_some(true))
        });
        outcome.ready = waited.unwrap_or(false);
        if outcome.ready {
            outcome.descriptors = descriptors(&self.command(starter, &["state", &name]).output().unwrap());
            let _ = self.command(starter, &["kill", &name, "TERM"]).output();
        } else {
            let _ = self.command(starter, &["kill", &name, "KILL"]).output();
        }
        let ended = tool::poll("the container's end", SOON, said, || {
            child.try_wait().map_err(LabError::file("wait for", Path::new(starter)))
        });
        outcome.ended = ended.ok().and_then(|status| status.code());
        let _ = child.kill();
        let _ = child.wait();
        self.delete(starter, &name);
        let complains = |line: &&str| line.contains(" WARN ") || line.contains(" ERROR ");
        let told = said();
        outcome.complaints = told.lines().filter(complains).map(without_time).collect();
    }

    fn outcome(&self, starter: &str, policy: &str) -> Outcome {
        let mut outcome = Outcome::default();
        self.live(starter, policy, &mut outcome);
        if !outcome.ready {
            return outcome;
        }
        let doctor = self.play(starter, policy, &["/agent", "doctor", "--format", "json"], GRANTED);
        let report: Value = serde_json::from_slice(&doctor.stdout).unwrap_or_default();
        let checks = report["checks"].as_array().cloned().unwrap_or_default();
        outcome.checks = checks
            .iter()
            .map(|check| (check["id"].to_string(), check["status"].to_string()))
            .collect();
        let scored = self.play(
            starter,
            policy,
            &["/agent", "exposure", "--pid", "1", "--json"],
            GRANTED,
        );
        let reports: Value = serde_json::from_slice(&scored.stdout).unwrap_or_default();
        let rows = reports["reports"][0]["rows"].as_array().cloned().unwrap_or_default();
        outcome.exposure = rows
            .iter()
            .map(|row| (row["id"].to_string(), row["status"].to_string()))
            .collect();
        let refused = self.play(starter, policy, &["/agent", "run"], &[]);
        outcome.refusal = String::from_utf8_lossy(&refused.stderr).into_owned();
        outcome
    }
}

const GRANTED: &[&str] = &["CAP_BPF", "CAP_PERFMON"];

fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "pinhole-lab-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

fn without_time(line: &str) -> String {
    line.split_once(' ').map_or(line, |(_, rest)| rest).to_owned()
}

/// The kinds of the descriptors of a container's first process, without what numbers them.
fn descriptors(state: &Output) -> BTreeSet<String> {
    let state: Value = serde_json::from_slice(&state.stdout).unwrap_or_default();
    let directory = format!("/proc/{}/fd", state["pid"]);
    let links = fs::read_dir(directory).into_iter().flatten().flatten();
    let kind = |link: fs::DirEntry| Some(fs::read_link(link.path()).ok()?.to_string_lossy().into_owned());
    links
        .filter_map(kind)
        .filter(|target| target.starts_with("anon_inode:"))
        .collect()
}

/// The labels of the rules that are the pod's alone.
fn for_the_start() -> Vec<super::policy::Rule> {
    let kept: BTreeSet<String> = rules(AGENT_RUN).into_iter().map(|rule| rule.label).collect();
    rules(AGENT_SETUP)
        .into_iter()
        .filter(|rule| !kept.contains(&rule.label))
        // Needed where a channel is on, and shown by `delivering`.
        .filter(|rule| !rule.why.starts_with("delivery process: "))
        .collect()
}

fn each_rule_is_needed(starters: &[&str]) {
    let _turn = Turn::take().unwrap();
    let mut bundle = Bundle::new();
    let whole: Vec<Outcome> = starters
        .iter()
        .map(|starter| bundle.outcome(starter, AGENT_SETUP))
        .collect();
    bundle.listen = IPV6;
    assert_eq!(
        bundle.outcome(starters[0], AGENT_SETUP),
        whole[0],
        "at an address of IPv6"
    );
    for (starter, outcome) in starters.iter().zip(&whole) {
        assert!(outcome.ready && outcome.ended == Some(0), "{starter}: {outcome:?}");
        assert_eq!(outcome.complaints, [""; 0], "{starter}");
        assert!(outcome.checks.len() > 20 && outcome.exposure.len() > 20, "{outcome:?}");
        assert!(outcome.refusal.contains("CAP_BPF"), "{outcome:?}");
    }
    let mut unneeded = Vec::new();
    for rule in for_the_start() {
        if ELSEWHERE.iter().any(|(known, _)| *known == rule.label) {
            continue;
        }
        let policy = without(AGENT_SETUP, &rule);
        // Apart from this, both are equal: the outcome says nothing of addresses.
        bundle.listen = if rule.label == "socket 10" { IPV6 } else { IPV4 };
        let differs = starters
            .iter()
            .zip(&whole)
            .find_map(|(starter, whole)| (bundle.outcome(starter, &policy) != *whole).then_some(starter));
        println!("{}: {}", rule.label, differs.map_or("not needed", |starter| starter));
        if differs.is_none() {
            unneeded.push(rule.label);
        }
    }
    assert!(unneeded.is_empty(), "rules that nothing needed: {unneeded:?}");
}

#[test]
fn without_any_one_rule_the_start_in_a_container_fails() {
    each_rule_is_needed(&["runc", "crun"]);
}
