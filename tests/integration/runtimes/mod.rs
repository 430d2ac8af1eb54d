//! Runtimes of other makers and versions: what they say about a container is what the agent tells.
//!
//! Real ones where a package brings them (`./justw runtimes`), recorded answers with real cgroups and processes where
//! none does. Every test prints what it measured.

mod docker;
mod many;
mod own_api;
mod podman;
mod replayed;
mod versions;

use std::ffi::OsStr;
use std::path::Path;

use serde_json::Value;

use crate::event::{assert_never_silently_null, of_type};
use crate::lab::agent::{Agent, Installed, Stopped};
use crate::lab::error::Result;

/// The agent, watching processes and asking this socket alone.
fn watch<'a>(installed: &'a Installed, socket: &Path) -> Result<Agent<'a>> {
    watch_all(installed, &[socket])
}

/// As [`watch`], asking several.
fn watch_all<'a>(installed: &'a Installed, sockets: &[&Path]) -> Result<Agent<'a>> {
    let sockets = sockets
        .iter()
        .flat_map(|socket| ["--runtime-socket".as_ref(), socket.as_os_str()]);
    let events = ["--events", "process"].map(AsRef::<OsStr>::as_ref);
    installed.run(events.into_iter().chain(sockets))
}

/// Ends the agent, checks that every exec in one of these containers was told completely, and prints what it cost.
fn assert_all_complete(what: &str, agent: Agent<'_>, containers: &[&str]) -> Stopped {
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
    assert_never_silently_null(&stopped.events);
    let of_ours = |event: &&Value| {
        event["container"]["id"]
            .as_str()
            .is_some_and(|id| containers.contains(&id))
    };
    let mut count = 0;
    for event in of_type(&stopped.events, "process_exec").filter(of_ours) {
        assert_eq!(event["metadata"]["status"], "complete", "{event}\n{}", stopped.stderr);
        count += 1;
    }
    let summary = stopped.summary().expect("the last line is the summary");
    println!(
        "{what}: {count} execs in {} containers, all complete; lookups {}",
        containers.len(),
        summary["lookups"]
    );
    stopped
}
