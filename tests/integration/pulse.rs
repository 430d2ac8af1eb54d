//! The agent's own canary: it comes through the whole pipe, nothing of it is printed, and where its hook is off none comes.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use pinhole::control::api::{GetStatusReply, HookCounters};
use pinhole::control::client::Client;
use serde_json::Value;

use crate::cgroups::hierarchies;
use crate::event::{agent, assert_nothing_dropped, balanced_hooks, is_exec};
use crate::lab::agent::{ARRIVES, Installed};
use crate::lab::containerd::Containerd;
use crate::lab::pod::{Pod, PodSpec};
use crate::lab::turn::Turn;

/// One is sent each second.
const INTERVAL: Duration = Duration::from_secs(1);

struct Asked<'a> {
    installed: &'a Installed,
}

impl Asked<'_> {
    fn status(&self) -> GetStatusReply {
        let mut client = Client::connect(&self.installed.control_socket(), ARRIVES).unwrap();
        client.status(ARRIVES).unwrap()
    }

    /// Asks until the answer is as wanted.
    fn wait(&self, what: &str, wanted: impl Fn(&GetStatusReply) -> bool) -> GetStatusReply {
        let deadline = Instant::now() + ARRIVES;
        loop {
            let status = self.status();
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "{what}: {status:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn switch(&self, on: &[&str], off: &[&str]) {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<String>>();
        let mut client = Client::connect(&self.installed.control_socket(), ARRIVES).unwrap();
        client.set_reporting(&owned(on), &owned(off), ARRIVES).unwrap();
    }
}

fn canary(status: &GetStatusReply) -> HookCounters {
    status.hooks["canary"]
}

/// So many have come since, without a break: with each the age falls below the pause between two.
fn fresh(status: &GetStatusReply) -> bool {
    status
        .canary_age_ms
        .is_some_and(|age| u128::from(age) < INTERVAL.as_millis())
}

#[test]
fn the_agents_own_canary_comes_and_stays_away_with_its_hook() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process"]).unwrap();
    let asked = Asked { installed: &installed };

    let first = asked.wait("a canary", fresh);
    assert_eq!(first.canary_status.as_deref(), Some("host"), "{first:?}");
    assert_eq!(first.canary_reason, None);
    let round_trip = Duration::from_micros(first.canary_round_trip_us.unwrap());
    assert!(round_trip < INTERVAL, "{round_trip:?}");
    let more = asked.wait("two more", |status| {
        canary(status).delivered >= canary(&first).delivered + 2
    });
    assert_eq!(canary(&more).filtered, 0, "{more:?}");
    // A turn of an agent that has nothing to do takes a tenth of a second.
    asked.wait("a turn", |status| status.turn_age_ms.is_some_and(|age| age < 200));

    asked.switch(&[], &["canary"]);
    let off = asked.status();
    assert_eq!(off.reporting.as_ref().unwrap().off, ["canary"]);
    // They are sent all the same, and the hook says so.
    let silent = asked.wait("silence", |status| {
        canary(status).filtered >= 2 && status.canary_age_ms > Some(1500)
    });
    assert_eq!(canary(&silent).delivered, canary(&off).delivered, "{silent:?}");
    assert!(
        silent.turn_age_ms.unwrap() < 1500,
        "the pipeline turns all the same: {silent:?}"
    );

    // Everything off means everything but the canary.
    asked.switch(&["canary"], &["all"]);
    asked.wait("a canary again", fresh);
    asked.switch(&[], &["all"]);
    assert!(!asked.status().reporting.unwrap().off.contains(&"canary".to_owned()));

    let after = ["/bin/true", "after-the-canary"];
    assert!(Command::new(after[0]).arg(after[1]).status().unwrap().success());
    agent.wait_for("an exec", |event| is_exec(event, &after)).unwrap();
    let own = installed.dir().join("agent");
    let stopped = agent.stop().unwrap();
    let exe = |event: &Value| event["process"]["exe"].as_str().map(Path::new) == Some(&own);
    assert!(
        !stopped.events.iter().any(exe),
        "nothing of the agent itself is printed"
    );
    assert_nothing_dropped(&stopped);
    let hooks = balanced_hooks(stopped.summary().unwrap());
    let (_, [seen, filtered, ..]) = hooks.iter().find(|(name, _)| name == "canary").unwrap();
    assert!(seen > filtered && *filtered > 0, "{hooks:?}");
}

/// Whoever is not the agent may rename itself as often as it likes.
#[test]
fn nobody_else_is_taken_for_the_agents_canary() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process"]).unwrap();
    let asked = Asked { installed: &installed };
    let before = canary(&asked.wait("a canary", fresh)).seen;
    let name = nix::sys::prctl::get_name().unwrap();
    for _ in 0..1000 {
        nix::sys::prctl::set_name(&name).unwrap();
    }
    let after = canary(&asked.status()).seen;
    assert!(after - before < 100, "{before} to {after}");
    agent.stop().unwrap();
}

/// An agent in the cgroup of a real pod's container is in that container, as far as anybody can tell by the cgroup.
#[test]
fn the_canary_tells_of_the_agents_own_container() {
    let _turn = Turn::take().unwrap();
    let lab = Containerd::start().unwrap();
    let uid = "2f9b71c4-5d0e-4a63-8b1f-7c6e0d9a4b35";
    let pod = Pod::run(&lab, PodSpec::new("pinhole", "pinhole-agent-x7k2p", uid)).unwrap();
    let container = pod.start("agent", &["/bin/sleep", "1000"]).unwrap();
    let members = format!(
        "{}/{}/cgroup.procs",
        hierarchies().0.display(),
        pod.cgroup_of(&container).trim_start_matches('/')
    );
    let enter = format!("echo $$ >{members} && exec \"$@\"");
    let installed = Installed::new(agent())
        .unwrap()
        .behind(["sh", "-c", &enter, "sh"].map(str::to_owned).into());
    // Of system calls the agent sees its own until the hooks know it.
    let events = ["--events", "none", "--runtime-socket"].map(OsStr::new);
    let agent = installed
        .run(events.into_iter().chain([lab.socket().as_os_str()]))
        .unwrap();
    let asked = Asked { installed: &installed };
    let known = asked.wait("the own container", |status| {
        fresh(status) && status.canary_status.as_deref() == Some("complete")
    });
    assert_eq!(known.canary_reason, None, "{known:?}");
    // No event of a container was seen: the canary is not counted among them.
    assert_eq!(known.metadata_status["complete"], 0, "{known:?}");
    agent.stop().unwrap();
}
