//! What the agent costs. Every figure is a ratio or a cost per event within this one run, because absolute times mean
//! nothing on a shared machine; several interleaved rounds each, told as the median with the smallest and the largest.
//!
//! The agent runs as it does in a container, as a non-root user. The loads are those that other agents of its kind are
//! measured by: openat and close of /dev/null in a row, on one CPU, as fast as it goes or at a steady rate; fork, exec and
//! wait. Run it by `./justw bench`, as root, with no other BPF program loaded; `./justw bench quick` takes less time and
//! is less exact. A word after that chooses one section.

#[expect(dead_code, reason = "the lab serves the tests and the demo too")]
#[path = "../../tests/lab/mod.rs"]
mod lab;

mod agent;
mod cost;
mod crossing;
mod footprint;
mod guest;
mod instructions;
mod load;
mod rate;
mod rules;
mod slowdown;
mod table;
mod wakeups;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::agent::Installed;
use table::Table;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How much is done of everything.
#[derive(Debug, Clone, Copy)]
struct Size {
    rounds: usize,
    /// Pairs of openat and close in a load that goes as fast as it can; two million is what others are measured by.
    pairs: u32,
    /// How long a load at a steady rate lasts.
    seconds: u64,
}

const FULL: Size = Size {
    rounds: 5,
    pairs: 2_000_000,
    seconds: 5,
};
const QUICK: Size = Size {
    rounds: 3,
    pairs: 400_000,
    seconds: 2,
};

/// What every section gets.
struct Bench {
    installed: Installed,
    binary: PathBuf,
    size: Size,
}

type Section = fn(&Bench, &mut Table) -> Result<()>;

const SECTIONS: [(&str, Section); 8] = [
    ("slowdown", slowdown::measure),
    ("cost", cost::measure),
    ("rate", rate::measure),
    ("rules", rules::measure),
    ("crossing", crossing::measure),
    ("wakeups", wakeups::measure),
    ("footprint", footprint::measure),
    ("instructions", instructions::measure),
];

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // What the bench asks of itself inside a virtual machine.
    if words.first().is_some_and(|word| word == guest::COMMAND) {
        return guest::run();
    }
    let (quick, wanted): (Vec<_>, Vec<_>) = words.iter().map(String::as_str).partition(|word| *word == "quick");
    if let Some(word) = wanted
        .iter()
        .find(|word| !SECTIONS.iter().any(|(name, _)| name == *word))
    {
        let names: Vec<_> = SECTIONS.iter().map(|(name, _)| *name).collect();
        return Err(format!("`{word}` is none of: quick, {}", names.join(", ")).into());
    }
    let binary = release_binary()?;
    let bench = Bench {
        installed: Installed::new(&binary)?,
        binary,
        size: if quick.is_empty() { FULL } else { QUICK },
    };
    println!(
        "{} rounds each, loads pinned to CPU 1, the agent free; median (smallest .. largest), the goal in brackets",
        bench.size.rounds
    );
    println!("BPF programs loaded before the start: {}", loaded_programs());
    let mut table = Table::new();
    for (name, section) in SECTIONS {
        if wanted.is_empty() || wanted.contains(&name) {
            table.section(name);
            section(&bench, &mut table)?;
        }
    }
    Ok(())
}

fn release_binary() -> Result<PathBuf> {
    // examples/bench stands in target/<host>/release/examples.
    let binary = std::env::current_exe()?
        .parent()
        .and_then(Path::parent)
        .map(|dir| dir.join("agent"))
        .ok_or("no directory")?;
    if binary.exists() {
        Ok(binary)
    } else {
        Err(format!("{} is missing: ./justw bench builds it", binary.display()).into())
    }
}

fn loaded_programs() -> String {
    let output = Command::new("bpftool").args(["--json", "prog", "list"]).output();
    let count = output
        .ok()
        .and_then(|output| serde_json::from_slice::<serde_json::Value>(&output.stdout).ok());
    match count.as_ref().and_then(serde_json::Value::as_array).map(Vec::len) {
        Some(count) => count.to_string(),
        None => "unknown (bpftool is missing)".to_owned(),
    }
}
