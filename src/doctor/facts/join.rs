//! What the runtimes list beside what the running agent holds.

use std::path::PathBuf;

/// How many containers that the agent does not know are named.
pub const MOST_MISSING: usize = 8;

/// What came of laying the two beside each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinFact {
    /// No agent answers.
    NoAgent,
    /// The agent does not tell this process what it holds: it does so to root and to its own user.
    Denied(String),
    /// No runtime lists anything to this process; why not, by socket.
    Unlisted(Vec<List>),
    /// It could be done.
    Joined(Join),
}

/// The list of one runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Its socket.
    pub socket: PathBuf,
    /// How many containers and sandboxes it says are running, or why it did not tell.
    pub running: Result<u64, String>,
}

/// The two beside each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Join {
    /// What each runtime lists.
    pub lists: Vec<List>,
    /// Containers and sandboxes that run, by these lists, and that the agent has had the time to know.
    pub listed: u64,
    /// Of those, what the agent knows,
    pub known: u64,
    /// and what it knows in full.
    pub complete: u64,
    /// Not counted: made within the last seconds, or their lookup is under way, or without a process of their own.
    pub left_out: u64,
    /// There are more than were asked for.
    pub cut: bool,
    /// The first of those that the agent does not know.
    pub missing: Vec<Missing>,
}

/// A container that runs and that the agent does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its id.
    pub id: String,
    /// What the runtime calls it: `NAMESPACE/POD/CONTAINER` as far as it says that.
    pub name: String,
    /// It is a pod's sandbox.
    pub sandbox: bool,
    /// What the agent holds of it: the reason why it is not known, or that it holds nothing.
    pub held: String,
}
