//! What is judged and what is told, as values. Whoever runs the agent provides them.

use std::time::Duration;

use crate::capture::HookSet;
use crate::container::Answering;
use crate::delivery::Delivered;
use crate::event::Summary;
use crate::event::loss::Counts;
use crate::histogram::Spread;
use crate::output::account::Said;
use crate::privilege::status::ThreadStatus;
use crate::rules::reload::Standing;

use super::process::ProcessNumbers;

/// Where facts and numbers come from. Called on the control thread: it must not block.
pub trait Source: Send + Sync + 'static {
    /// What conditions are judged by: cheap, made at least every second.
    fn facts(&self) -> Facts;

    /// What metrics are made of: for each scrape.
    fn numbers(&self) -> Numbers;
}

/// The running agent at one moment, as far as conditions need it.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The moment, on CLOCK_BOOTTIME.
    pub at: Duration,
    /// The hooks that are attached.
    pub attached: HookSet,
    /// Of these, those that were turned off.
    pub off: HookSet,
    /// The canary. `None`: this agent sends none.
    pub canary: Option<Canary>,
    /// How long ago the pipeline's loop began its present turn. `None`: it does not say.
    pub turn_age: Option<Duration>,
    /// The candidates for container runtimes.
    pub runtimes: Vec<Answering>,
    /// What became of all events since the start.
    pub counts: Counts,
    /// What became of alerts; `None` where no channel is on.
    pub delivery: Option<Delivered>,
}

/// The event that the agent makes itself, to see it come back through the whole pipeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Canary {
    /// How long ago the youngest one that came back was sent. `None`: none has.
    pub age: Option<Duration>,
    /// What it took from the kernel to the output.
    pub round_trip: Option<Duration>,
}

/// What is told as metrics.
#[derive(Debug, Clone)]
pub struct Numbers {
    /// The account of the run.
    pub summary: Summary,
    /// How it stands with the rules; `None` where there are none.
    pub rules: Option<Standing>,
    /// The profile in use.
    pub profile: String,
    /// The ring buffer, in bytes.
    pub ring_size: u64,
    /// From the hook to the output.
    pub latency: Spread,
    /// What became of what was written.
    pub output: Said,
    /// What lookups took the runtimes.
    pub lookups: Spread,
    /// The candidates for container runtimes.
    pub runtimes: Vec<Answering>,
    /// Every thread, as the kernel has it; empty where it cannot be read.
    pub threads: Vec<ThreadStatus>,
    /// What the process uses; absent where it cannot be read.
    pub process: Option<ProcessNumbers>,
}
