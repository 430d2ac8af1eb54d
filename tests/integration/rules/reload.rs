//! Rules are read again while the agent runs without privileges: all of a change or nothing of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use pinhole::control::api::Rules;
use pinhole::control::client::Client;

use crate::event::agent;
use crate::lab::agent::{ARRIVES, Agent, Installed};
use crate::lab::tool;
use crate::lab::turn::Turn;

fn rule(name: &str, call: &str, marker: &str) -> String {
    format!(
        "- rule: {name}\n  desc: d\n  condition: evt.type={call} and proc.args contains {marker}\n  output: met {marker}\n  priority: INFO\n"
    )
}

/// A version of a ConfigMap's volume, as the kubelet writes it: files in a directory of their own, which one symbolic link names.
fn publish(volume: &Path, version: &str, text: &str) {
    fs::create_dir(volume.join(version)).unwrap();
    fs::write(volume.join(version).join("rules.yaml"), text).unwrap();
    symlink(version, volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    let link = volume.join("rules.yaml");
    if !link.is_symlink() {
        symlink("..data/rules.yaml", link).unwrap();
    }
}

fn logged(agent: &Agent<'_>, words: &str) {
    tool::poll(
        words,
        ARRIVES,
        || agent.stderr(),
        || Ok(agent.stderr().contains(words).then_some(())),
    )
    .unwrap();
}

/// Executes something with a marker until an alert of the rule says so: the log tells of new rules a moment before they count.
fn meets(agent: &Agent<'_>, name: &str, marker: &str) {
    tool::poll(
        name,
        ARRIVES,
        || agent.stderr(),
        || {
            tool::run(Command::new("/bin/true").arg(marker))?;
            let met = agent.events().all().iter().any(|event| event["rule"] == name);
            Ok(met.then_some(()))
        },
    )
    .unwrap();
}

/// How it stands with the rules, as the doctor is told.
fn status_of_rules(installed: &Installed) -> Rules {
    let mut client = Client::connect(&installed.control_socket(), ARRIVES).unwrap();
    client.status(ARRIVES).unwrap().rules.unwrap()
}

#[test]
fn a_config_map_that_changes_is_read_again_whole_or_not_at_all() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let volume = installed.dir().join("rules.d");
    fs::create_dir(&volume).unwrap();
    publish(&volume, "..v1", &rule("First", "execve", "pinhole-one"));
    let running = installed.run(["--rules", volume.to_str().unwrap()]).unwrap();
    meets(&running, "First", "pinhole-one");

    let both = format!(
        "{}{}",
        rule("First", "execve", "pinhole-one"),
        rule("Second", "execve", "pinhole-two")
    );
    publish(&volume, "..v2", &both);
    logged(&running, "the rules were read again; added: Second");
    meets(&running, "Second", "pinhole-two");

    // One rule is broken, so nothing of the file counts.
    publish(
        &volume,
        "..v3",
        &format!(
            "{}{}",
            rule("Third", "execve", "pinhole-three"),
            rule("Fourth", "opnat", "x")
        ),
    );
    logged(&running, "the rules are refused: the old ones stay");
    logged(&running, "did you mean `openat`?");
    let standing = status_of_rules(&installed);
    assert_eq!(standing.loaded, 2);
    assert!(standing.refused.unwrap().contains("did you mean `openat`?"));
    assert!(standing.refused_ms.unwrap() < ARRIVES.as_millis() as u64);
    let mark = running.events().len();
    tool::run(Command::new("/bin/true").args(["pinhole-three", "pinhole-two"])).unwrap();
    let alert = running
        .explained(
            running
                .events()
                .wait_from(mark, "an alert of the old rules", ARRIVES, |event| {
                    event.get("rule").is_some()
                }),
        )
        .unwrap();
    assert_eq!(alert["rule"], "Second", "{alert}");

    // What needs another hook says so; the rest of it counts.
    publish(
        &volume,
        "..v4",
        &format!(
            "{}{}",
            rule("Second", "execve", "pinhole-four"),
            rule("Opens", "openat", "x")
        ),
    );
    logged(&running, "is not attached");
    logged(&running, "openat");
    let standing = status_of_rules(&installed);
    assert_eq!((standing.loaded, &standing.refused), (2, &None));
    assert_eq!(standing.unattached["openat"], "rules: Opens", "{standing:?}");
    meets(&running, "Second", "pinhole-four");

    kill(running.pid(), Signal::SIGHUP).unwrap();
    logged(&running, "they say the same as before");
    let stopped = running.stop().unwrap();
    assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
    let told = &stopped.summary().unwrap()["rules"];
    assert!(
        told["First"]["matched"].as_u64().unwrap() >= 1,
        "what was counted stays: {told}"
    );
}
