//! Which of the attached hooks report: how a wish on the admin socket reaches whoever owns the hooks.

use tokio::sync::oneshot;

use super::api::{Reporting, SetReportingRequest};
use super::peer::Peer;

/// Takes wishes. Called on the control thread: it must not block.
pub trait ReportSwitch: Send + Sync + 'static {
    /// Takes a wish, all of it or nothing. What arrives in the end is how things are once it is in force.
    ///
    /// # Errors
    /// The wish cannot be granted; nothing has changed.
    fn ask(&self, wish: &SetReportingRequest, by: Peer) -> Result<oneshot::Receiver<Reporting>, Refused>;
}

/// Why a wish is not granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing is asked for.
    #[error("name what is to be turned on or off: classes, hooks, or all")]
    Empty,
    /// No such class or hook.
    #[error("there is no class of events and no hook of the name {0:?}")]
    Unknown(String),
    /// What is known of processes and of their containers lives on it.
    #[error("{0} cannot be turned off: everything else is attributed to processes and their containers")]
    Always(&'static str),
    /// It was not loaded, and to load it takes capabilities that the agent has given up.
    #[error(
        "{0} is not attached: the agent attaches only what it is asked for at its start, and has no capability left to \
         attach more; name it in `events` and start the agent anew"
    )]
    NotAttached(String),
    /// Both on and off.
    #[error("{0} is to be turned on and off at once")]
    Both(String),
    /// As many wishes wait already as can.
    #[error("too many changes wait for the agent already")]
    Full,
}
