//! What the runtimes list, for the doctor, who is told of containers by their pods and by parts of their ids.

use std::path::PathBuf;

use super::Resolver;
use crate::container::listed::Listed;
use crate::container::trace;

/// What one runtime listed, or why it did not.
#[derive(Debug)]
pub struct List {
    /// The socket.
    pub socket: PathBuf,
    /// What it has, or the error in words.
    pub listed: Result<Vec<Listed>, String>,
}

impl Resolver {
    /// Asks every runtime that answers what it has, one after the other, each within the time of a round. Blocks.
    pub fn listed(&mut self) -> Vec<List> {
        self.land();
        let runtimes = self.runtimes.all().iter().filter(|runtime| runtime.is_usable());
        runtimes
            .map(|runtime| {
                let listed = self.block_on(runtime.list(self.runtimes.deadline()));
                List {
                    socket: runtime.candidate().socket,
                    listed: listed.map_err(|error| trace::bounded(&error.to_string())),
                }
            })
            .collect()
    }
}
