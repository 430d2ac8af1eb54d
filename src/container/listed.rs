//! What a runtime's list says about one of its containers: enough to find it by its pod or by the beginning of its id.
//!
//! Lists are read when the agent starts, and by the doctor. What they say is never an event's metadata.

/// A container or a sandbox in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// The full id.
    pub id: String,
    /// The container's name, where the list has it.
    pub name: Option<String>,
    /// The namespace of its pod.
    pub namespace: Option<String>,
    /// The name of its pod.
    pub pod: Option<String>,
    /// It is a pod's sandbox.
    pub sandbox: bool,
    /// The id of its pod's sandbox.
    pub pod_sandbox_id: Option<String>,
    /// It runs, or may soon, or the list does not say.
    pub may_run: bool,
    /// It runs, and the list says so.
    pub runs: bool,
    /// When it was made, in nanoseconds since the epoch, where the list says it.
    pub created_at: Option<i64>,
}

impl Listed {
    /// One of which only the id is listed, and that it runs.
    pub(crate) fn running(id: String) -> Self {
        Self {
            id,
            may_run: true,
            runs: true,
            ..Self::default()
        }
    }
}
