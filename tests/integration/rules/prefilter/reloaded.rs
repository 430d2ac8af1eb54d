//! Rules that are read again bring other prefilters, though the agent may change no map any more.

use std::fs;
use std::process::Command;

use nix::sys::signal::{Signal, kill};

use crate::event::agent;
use crate::lab::agent::{ARRIVES, Agent, Installed};
use crate::lab::tool;
use crate::lab::turn::Turn;

fn rule(path: &str) -> String {
    format!(
        "- rule: Opens {path}\n  desc: d\n  condition: evt.type=openat and fd.num>=0 and fd.name={path}\n  output: opened\n  priority: INFO\n"
    )
}

/// Opens a file until the agent alerts for it.
fn meets(agent: &Agent<'_>, path: &str) {
    let wanted = format!("Opens {path}");
    tool::poll(
        &wanted,
        ARRIVES,
        || agent.stderr(),
        || {
            tool::run(Command::new("cat").arg(path))?;
            Ok(agent
                .events()
                .all()
                .iter()
                .any(|event| event["rule"] == *wanted)
                .then_some(()))
        },
    )
    .unwrap();
}

#[test]
fn other_rules_other_prefilters() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let file = installed.dir().join("rules.yaml");
    fs::write(&file, rule("/etc/hostname")).unwrap();
    let running = installed.run(["--rules", file.to_str().unwrap()]).unwrap();
    meets(&running, "/etc/hostname");
    for path in ["/usr/lib/os-release", "/etc/pam.conf"] {
        fs::write(&file, rule(path)).unwrap();
        kill(running.pid(), Signal::SIGHUP).unwrap();
        meets(&running, path);
    }
    let stopped = running.stop().unwrap();
    assert!(stopped.status.success(), "{}", stopped.stderr);
    let line = &stopped.summary().unwrap()["hooks"]["openat"];
    assert!(line["filtered"].as_u64() > line["delivered"].as_u64(), "{line}");
}
