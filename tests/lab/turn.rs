//! Taking turns: an agent sees the whole machine, so two tests that watch or load it would see each other.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::error::{LabError, Result};

/// What is locked: something that is there once per machine and needed by every agent, so that nothing has to be made
/// and nothing is left. Locks on files are advisory; nobody else is kept from it.
const MACHINE: &str = "/sys/kernel/btf/vmlinux";

/// The turn, until it is dropped. It holds between threads, test programs and checkouts.
pub(crate) struct Turn {
    _lock: File,
}

impl Turn {
    /// Waits for it.
    pub(crate) fn take() -> Result<Self> {
        Self::take_telling(|| ())
    }

    /// As [`Self::take`]; calls `waiting` once when another has it.
    pub(crate) fn take_telling(waiting: impl FnOnce()) -> Result<Self> {
        let path = Path::new(MACHINE);
        let lock = File::open(path).map_err(LabError::file("open", path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                lock.lock().map_err(LabError::file("lock", path))?;
            }
            Err(TryLockError::Error(source)) => {
                return Err(LabError::File {
                    operation: "lock",
                    path: path.to_owned(),
                    source,
                });
            }
        }
        Ok(Self { _lock: lock })
    }
}
