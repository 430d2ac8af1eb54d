//! What the running agent keeps, rule by rule: a copy of the real binary whose policy lacks one, at work until it is killed.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use pinhole::control::Client;
use pinhole::control::api::GetContainersRequest;

use super::policy::{AGENT_RUN, rules, without};
use super::rare;
use crate::event::{agent, is_exec};
use crate::lab::agent::{ARRIVES, Agent, ENDS, Installed};
use crate::lab::error::{LabError, Result};
use crate::lab::place::Place;
use crate::lab::proxy::Proxy;
use crate::lab::replay::{Recording, Replay};
use crate::lab::tool;
use crate::lab::turn::Turn;

/// Rules for what this build on this machine cannot do, and why they are there.
const ELSEWHERE: [(&str, &str); 3] = [
    ("epoll_pwait", "arm64 has no epoll_wait"),
    ("ppoll", "arm64 has no poll"),
    (
        "fstat",
        "C libraries from glibc 2.39 on list directories by it, this one by newfstatat",
    ),
];

/// How long the agent is given to answer one call.
const CALL: Duration = Duration::from_secs(60);

/// What the agent does in its life, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// Attaches its hooks and answers on its admin socket.
    Start,
    /// Tells of a process in a container that it has to look up.
    Container,
    /// Answers what it holds of containers.
    Containers,
    /// Sends the canary that it sends each second.
    Canary,
    /// Turns hooks off.
    Hooks,
    /// Sees the runtime's socket go and come back.
    Runtime,
    /// Is stopped and goes on, as by a freezer or a debugger.
    Stopped,
    /// Is told of memory faults, which are reported as what they are.
    Fault,
    /// Writes a summary when asked for one.
    Summary,
    /// Ends when asked to.
    End,
}

const LIFE: [Deed; 10] = [
    Deed::Start,
    Deed::Container,
    Deed::Containers,
    Deed::Canary,
    Deed::Hooks,
    Deed::Runtime,
    Deed::Stopped,
    Deed::Fault,
    Deed::Summary,
    Deed::End,
];

/// Containers of the recording, for when the runtime is there, gone and back.
const CONTAINERS: [&str; 3] = ["web.app", "coredns.coredns", "etcd.etcd"];

/// A node: a runtime that can go, and its containers.
struct Node {
    replay: Replay,
    proxy: Proxy,
    cgroups: [String; 3],
    /// How often the agent is stopped in its life.
    stops: u32,
}

impl Node {
    fn new() -> Result<Self> {
        let recording = Arc::new(Recording::read("cri-o-1.36.3")?);
        let cgroups = CONTAINERS.map(|name| recording.cgroup(name).expect("recorded"));
        let replay = Replay::start(recording)?;
        let proxy = Proxy::start(&replay.socket())?;
        Ok(Self {
            replay,
            proxy,
            cgroups,
            stops: 3,
        })
    }

    /// Makes the agent do one thing, and waits until it has, or has ended.
    fn make(&mut self, deed: Deed, agent: &Agent<'_>, installed: &Installed) -> Result<()> {
        let ask = || Client::connect(&installed.control_socket(), CALL);
        // What an agent that has just been killed answers is an error as well; the caller sees that it has ended.
        let until = |what: &str, done: &dyn Fn() -> bool| {
            tool::poll(
                what,
                ARRIVES,
                || agent.stderr(),
                || Ok((done() || agent.ended()?.is_some()).then_some(())),
            )
        };
        let tells_of = |container: usize| {
            let command = ["/bin/true", CONTAINERS[container]];
            self.replay.run_in(&self.cgroups[container], &command)?;
            until(CONTAINERS[container], &|| {
                agent.events().all().iter().any(|event| is_exec(event, &command))
            })
        };
        match deed {
            Deed::Start => until("the start", &|| crate::lab::agent::answers(&installed.control_socket())),
            Deed::Container => tells_of(0),
            Deed::Containers => {
                let question = GetContainersRequest {
                    name: "app".to_owned(),
                    ..GetContainersRequest::default()
                };
                until("an answer about containers", &|| {
                    ask().is_ok_and(|mut client| client.containers(question.clone(), CALL).is_ok())
                })
            }
            Deed::Canary => until("the second canary", &|| {
                let status = ask().and_then(|mut client| client.status(CALL));
                status.is_ok_and(|status| status.uptime_seconds > 2.5)
            }),
            Deed::Hooks => until("a change of hooks", &|| {
                ask().is_ok_and(|mut client| client.set_reporting(&[], &["network".to_owned()], CALL).is_ok())
            }),
            Deed::Runtime => {
                self.proxy.remove_with_directory()?;
                tells_of(1)?;
                self.proxy.listen()?;
                tells_of(2)
            }
            Deed::Stopped => {
                for _ in 0..self.stops {
                    signal(agent, Signal::SIGSTOP)?;
                    until("the stop", &|| state(agent) == Some('T'))?;
                    signal(agent, Signal::SIGCONT)?;
                    if agent.ended()?.is_some() {
                        break;
                    }
                }
                until("an answer", &|| crate::lab::agent::answers(&installed.control_socket()))
            }
            Deed::Fault => {
                for fault in [Signal::SIGSEGV, Signal::SIGBUS] {
                    signal(agent, fault)?;
                    until("the fault's handling", &|| !catches(agent, fault))?;
                }
                Ok(())
            }
            Deed::Summary => {
                signal(agent, Signal::SIGUSR1)?;
                until("a summary", &|| {
                    agent.events().all().iter().any(|event| event["type"] == "summary")
                })
            }
            Deed::End => {
                signal(agent, Signal::SIGTERM)?;
                agent.wait_ended(ENDS).map(drop)
            }
        }
    }

    /// Lets the agent live, and gives the deed at which it ended and how.
    fn life(&mut self, binary: &Path) -> Result<(Deed, ExitStatus)> {
        let installed = Installed::new(binary)?;
        let socket = self.proxy.socket();
        let agent = installed.spawn([
            "--events",
            "process,network",
            "--runtime-socket",
            &socket.to_string_lossy(),
        ])?;
        for deed in LIFE {
            self.make(deed, &agent, &installed)?;
            if let Some(status) = agent.ended()? {
                return Ok((deed, status));
            }
        }
        Err(LabError::Failed {
            command: "agent run".to_owned(),
            status: "it did not end".to_owned(),
            output: agent.stderr(),
        })
    }
}

/// One that has ended meanwhile cannot be sent any.
fn signal(agent: &Agent<'_>, signal: Signal) -> Result<()> {
    match kill(agent.pid(), signal) {
        Ok(()) | Err(nix::Error::ESRCH) => Ok(()),
        Err(error) => Err(LabError::system("kill")(error)),
    }
}

/// The letter of `State:`.
fn state(agent: &Agent<'_>) -> Option<char> {
    agent.threads().ok()?.first()?.get("State")?.chars().next()
}

fn catches(agent: &Agent<'_>, signal: Signal) -> bool {
    let caught = || u64::from_str_radix(agent.threads().ok()?.first()?.get("SigCgt")?, 16).ok();
    caught().is_some_and(|set| set & 1 << (signal as i32 - 1) != 0)
}

/// The binary with another policy in the place of its own: JSON may have blanks behind it.
pub(super) fn with_policy(binary: &[u8], own: &str, policy: &str) -> Vec<u8> {
    let own = own.as_bytes();
    let windows = binary.windows(own.len()).enumerate();
    let copies: Vec<usize> = windows.filter(|(_, window)| *window == own).map(|(at, _)| at).collect();
    assert!(!copies.is_empty(), "the binary carries its policy");
    let mut binary = binary.to_vec();
    for at in copies {
        let place = &mut binary[at..at + own.len()];
        place.fill(b' ');
        place[..policy.len()].copy_from_slice(policy.as_bytes());
    }
    binary
}

#[test]
fn without_any_one_rule_the_agent_is_killed_at_its_work() {
    let _turn = Turn::take().unwrap();
    let original = fs::read(agent()).unwrap();
    let place = Place::new().unwrap();
    let changed = place.path().join("agent-without");
    let mut node = Node::new().unwrap();
    let mut life = |policy: &str, stops: u32| {
        fs::write(&changed, with_policy(&original, AGENT_RUN, policy)).unwrap();
        node.stops = stops;
        node.life(&changed).unwrap()
    };
    let (deed, status) = life(AGENT_RUN, 3);
    assert_eq!((deed, status.code()), (Deed::End, Some(0)), "with every rule: {status}");
    let mut unneeded = Vec::new();
    for rule in rules(AGENT_RUN) {
        let label = &*rule.label;
        if ELSEWHERE.iter().any(|(known, _)| *known == label) || rare::RULES.contains(&label) {
            continue;
        }
        // Only a stop that finds it waiting shows this one, and on a busy machine it seldom waits.
        let stops = if label == "restart_syscall" { 5000 } else { 3 };
        let (deed, status) = life(&without(AGENT_RUN, &rule), stops);
        println!("{label}: {deed:?}, {status}");
        if status.signal() != Some(libc::SIGSYS) {
            unneeded.push(format!("{label}: {deed:?}, {status}"));
        }
    }
    assert!(unneeded.is_empty(), "rules that nothing needed: {unneeded:#?}");
}
