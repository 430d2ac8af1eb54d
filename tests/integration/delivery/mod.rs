//! Alerts delivered by the agent's other process to real receivers: over HTTP and TLS, into files, to a journal, to syslog, to
//! programs; what that process is and may do; what is left when it is killed; and how a flood is limited.

mod files;
mod flood;
mod http;
mod local;
mod machines;
mod posture;
mod program;
pub(crate) mod receiver;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::unistd::Pid;
use pinhole::control::Client;
use pinhole::control::api::{Channel, Delivery};
use serde_json::Value;

use crate::event::agent;
use crate::lab::agent::{ARRIVES, Agent, Installed};
use crate::lab::error::Result;
use crate::lab::tool;

/// How long the admin socket may take to answer.
const SOON: Duration = Duration::from_secs(30);
/// The rule of these tests.
const RULE: &str = "Marked";

/// An installed agent with a rule that an exec with a marker raises, and these settings below it.
struct Node {
    installed: Installed,
    config: PathBuf,
}

impl Node {
    fn new(settings: &str) -> Self {
        Self::of(Installed::new(agent()).unwrap(), settings)
    }

    /// `RUN` in the settings is the directory that the agent's user may write to.
    fn of(installed: Installed, settings: &str) -> Self {
        let rules = installed.dir().join("rules.yaml");
        let text = format!(
            "- rule: {RULE}\n  desc: d\n  condition: evt.type=execve and proc.args contains pinhole-mark\n  \
             output: met %proc.cmdline\n  priority: WARNING\n  tags: [a, b]\n"
        );
        fs::write(&rules, text).unwrap();
        let run = installed.dir().join("run");
        let settings = settings.replace("RUN", run.to_str().unwrap());
        let config = installed.dir().join("agent.toml");
        // Of a command line that is too long to be told it is unknown whether it has the marker: none of these tests' business.
        let text =
            format!("rules.files = [{rules:?}]\nrules.unknown = \"hold\"\nhealth.runtime = \"optional\"\n{settings}");
        fs::write(&config, text).unwrap();
        Self { installed, config }
    }

    /// A file in the directory that the agent's user may write to.
    fn run(&self, name: &str) -> PathBuf {
        self.installed.dir().join("run").join(name)
    }

    fn start(&self) -> Agent<'_> {
        self.installed.run(["--config", self.config.to_str().unwrap()]).unwrap()
    }

    fn spawn(&self) -> Agent<'_> {
        self.installed
            .spawn(["--config", self.config.to_str().unwrap()])
            .unwrap()
    }

    /// What the running agent says of its channels.
    fn delivery(&self) -> Delivery {
        let mut client = Client::connect(&self.installed.control_socket(), SOON).unwrap();
        client.status(SOON).unwrap().delivery.unwrap()
    }

    /// Waits until a channel's account is as wished.
    fn account(&self, agent: &Agent<'_>, channel: &str, wanted: impl Fn(&Channel) -> bool) -> Channel {
        let context = || format!("{:?}\n{}", self.delivery(), agent.stderr());
        let find = || -> Result<Option<Channel>> {
            let account = self.delivery().channels.get(channel).cloned();
            Ok(account.filter(|account| wanted(account)))
        };
        tool::poll(&format!("the account of {channel}"), ARRIVES, context, find).unwrap()
    }
}

/// Executes something that the rule holds for.
fn mark(word: &str) {
    tool::run(Command::new("/bin/true").arg(format!("pinhole-mark-{word}"))).unwrap();
}

/// The alert of this word, as it was printed.
fn printed(agent: &Agent<'_>, word: &str) -> Value {
    agent.wait_for(word, |event| tells_of(event, word)).unwrap()
}

fn tells_of(alert: &Value, word: &str) -> bool {
    alert["rule"] == RULE && alert["output_fields"]["proc.cmdline"] == format!("true pinhole-mark-{word}")
}

/// The delivery process of this agent.
fn process_of(agent: &Agent<'_>) -> Pid {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", agent.pid())).unwrap();
    let pids: Vec<i32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 1, "{children}");
    Pid::from_raw(pids[0])
}

/// Waits until `wanted` gives something.
fn until<T>(what: &str, agent: &Agent<'_>, wanted: impl Fn() -> Option<T>) -> T {
    tool::poll(what, ARRIVES, || agent.stderr(), || Ok(wanted())).unwrap()
}
