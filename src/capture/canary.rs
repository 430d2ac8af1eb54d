//! The program that sees the agent's own canary. A kernel that refuses it is no error: everything else works, only the agent
//! cannot say so of itself, and whoever asks for its health is told that nothing is known.

use super::error::{Error, Failure};
use super::hook::{Hook, HookSet};

/// The program. Its tracepoint is there since Linux 3.4 (include/trace/events/task.h) and is never compiled out.
const PROGRAM: &str = "canary";

/// Loads and attaches it by `attach`, which takes program and tracepoint, if it is wanted. Gives the hooks that are in place.
pub(super) fn attach(
    wanted: HookSet,
    attach: impl FnOnce(&'static str, &str) -> Result<Result<(), Failure>, Error>,
) -> Result<HookSet, Error> {
    let Some(tracepoint) = Hook::CANARY.tracepoint().filter(|_| wanted.contains(Hook::CANARY)) else {
        return Ok(HookSet::NONE);
    };
    Ok(match attach(PROGRAM, tracepoint)? {
        Ok(()) => HookSet::CANARY,
        Err(failure) => {
            tracing::warn!(%failure, "no canary: the agent cannot tell by itself whether it sees");
            HookSet::NONE
        }
    })
}
