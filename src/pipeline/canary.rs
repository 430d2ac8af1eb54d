//! A pipeline for the time of one event: what the doctor runs where no agent does.

use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;

use crate::capture::record::Body;
use crate::capture::{self, Capture, Content, Flows, Hook, HookSet, Options, Record};
use crate::config::Settings;
use crate::container::{self, Resolver};
use crate::event::build::Context;
use crate::event::{BootClock, build};
use crate::process::ProcessTable;

/// Why nothing could be watched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel side cannot work.
    #[error(transparent)]
    Capture(#[from] capture::Error),
    /// The resolver cannot work.
    #[error(transparent)]
    Resolver(#[from] container::resolver::Error),
    /// The clocks cannot be read, or waiting failed.
    #[error("the kernel refused a clock or a wait: {0}")]
    System(#[from] nix::Error),
}

/// A ring for a moment's execs.
const RING_SIZE: u64 = 1 << 20;
const PROCESSES: u32 = 4096;
const DRAIN_LIMIT: usize = 1024;
const PAUSE: u16 = 10;

/// Attaches, calls `start`, and waits for the exec that has `token` as an argument. Returns its event as the agent would
/// print it, and how long after `start` was called it was there. Needs the agent's capabilities in this thread.
///
/// # Errors
/// See [`Error`]. That no event came in time is `None`.
pub fn watch(
    settings: &Settings,
    token: &str,
    deadline: Duration,
    start: &mut dyn FnMut(),
) -> Result<Option<(Value, Duration)>, Error> {
    let mut resolver = Resolver::new(&settings.runtime, &settings.metadata)?;
    let mut capture = Capture::start(&Options {
        backend: settings.capture.backend,
        ring_size: RING_SIZE,
        processes: PROCESSES,
        hooks: HookSet::BASE,
        flows: Flows::First,
    })?;
    let clock = BootClock::now()?;
    let mut table = ProcessTable::new(NonZeroUsize::MIN);
    let began = Instant::now();
    start();
    let mut found = None;
    while found.is_none() && began.elapsed() < deadline {
        capture.drain(DRAIN_LIMIT, |record| {
            let Record { header, content, .. } = record;
            let Content::Process(Body::Process(told)) = content else {
                return;
            };
            if header.hook != Hook::EXEC || !told.args.iter().any(|arg| arg == token) {
                return;
            }
            let process = table.describe(&header, *told);
            let outcome = resolver.resolve(header.cgroup_id, Some(&process.cgroup.text));
            let node = settings.node.name.as_deref().unwrap_or_default();
            let context = Context {
                node,
                clock: &clock,
                process: Some(&process),
                outcome: &outcome,
                lost_before: 0,
            };
            let body = Body::Process(Box::default());
            let event = serde_json::to_value(build(&header, header.process, &body, context));
            found = event.ok().map(|event| (event, began.elapsed()));
        });
        if found.is_none() {
            let mut ring = [PollFd::new(capture.as_fd(), PollFlags::POLLIN)];
            capture.announce_sleep();
            poll(&mut ring, PollTimeout::from(PAUSE))?;
            capture.announce_awake();
        }
    }
    Ok(found)
}
