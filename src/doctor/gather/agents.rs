//! Agents that run here by what `/proc` shows of them, for when no admin socket tells.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::super::facts::RunningAgent;
use super::runtime::{container_id, telling_cgroup};
use crate::delivery::process;
use crate::privilege::status::{self, SeccompMode};

/// Processes that are looked at; a node has some thousand.
const MAX_PROCESSES: usize = 65_536;
/// Agents that are named.
const MAX_AGENTS: usize = 8;
/// Of a command line: the name and the subcommand stand at its beginning.
const MAX_CMDLINE_BYTES: u64 = 4096;
/// Of a cgroup file.
const MAX_CGROUP_BYTES: u64 = 64 * 1024;

/// Looks through `proc` under `root` for processes that are started as the agent is and are as bare of privilege as it is:
/// others are named `agent` and started by `run`, too.
pub(super) fn running(root: &Path) -> Vec<RunningAgent> {
    let proc = root.join("proc");
    let own = read(&proc.join("self/cgroup"), MAX_CGROUP_BYTES)
        .ok()
        .and_then(|text| container_id(telling_cgroup(&text)));
    let Ok(entries) = fs::read_dir(&proc) else {
        return Vec::new();
    };
    entries
        .take(MAX_PROCESSES)
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != std::process::id())
        .filter_map(|pid| {
            let process = proc.join(pid.to_string());
            let cmdline = read(&process.join("cmdline"), MAX_CMDLINE_BYTES).ok()?;
            (is_started_as_agent(&cmdline) && is_bare(&process)).then(|| {
                let container = read(&process.join("cgroup"), MAX_CGROUP_BYTES)
                    .ok()
                    .and_then(|text| container_id(telling_cgroup(&text)));
                RunningAgent {
                    pid,
                    elsewhere: container.filter(|id| own.as_ref() != Some(id)),
                }
            })
        })
        .take(MAX_AGENTS)
        .collect()
}

/// `agent run ...`, under any path.
fn is_started_as_agent(cmdline: &str) -> bool {
    let mut words = cmdline.split('\0');
    let program = words.next().and_then(|program| program.rsplit('/').next());
    program == Some("agent") && words.next() == Some("run")
}

/// No capability, no_new_privs and a filter in every thread, and no thread but the agent's own two.
fn is_bare(process: &Path) -> bool {
    let Ok(threads) = status::threads(&process.join("task")) else {
        return false;
    };
    (1..=2).contains(&threads.len())
        // The agent's other process is none by itself.
        && threads.iter().all(|thread| thread.name != process::NAME)
        && threads.iter().all(|thread| {
            thread.permitted.or(thread.effective).is_empty()
                && thread.no_new_privs
                && thread.seccomp == SeccompMode::Filter
        })
}

fn read(path: &Path, limit: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
