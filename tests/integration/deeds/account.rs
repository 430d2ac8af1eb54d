//! What the program says that it did.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One call, as a line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Deed {
    /// In which scene, for messages.
    pub(super) scene: String,
    /// By which way into the kernel, for messages.
    pub(super) way: String,
    /// By which thread.
    pub(super) tid: i64,
    /// The call's name.
    pub(super) call: String,
    /// `i386` for calls of 32-bit programs.
    pub(super) abi: Option<String>,
    /// What it returned.
    pub(super) ret: i64,
    /// The error's name.
    pub(super) error: Option<String>,
    /// The arguments as they must be told, as far as the program states it.
    pub(super) args: Map<String, Value>,
    /// It is not the first message of its flow.
    pub(super) repeated: bool,
    /// What else the event must say. A null: it must not have that key.
    pub(super) expected: Value,
}

impl Deed {
    /// Reads the lines of the program; what else is printed around them is left out.
    pub(super) fn read(output: &str) -> Vec<Self> {
        output
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// What it is called in messages.
    pub(super) fn title(&self) -> String {
        let outcome = self.error.clone().unwrap_or_else(|| self.ret.to_string());
        format!("{} {}: {} = {outcome}", self.scene, self.way, self.call)
    }
}
