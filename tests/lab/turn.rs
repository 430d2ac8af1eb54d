//! Taking turns: an agent sees the whole machine, so two tests that watch or load it would see each other.

use std::fs::{self, File};
use std::path::Path;

use super::error::{LabError, Result};

/// The turn, until it is dropped. A lock on a file, so that it also holds between test programs.
pub(crate) struct Turn {
    _lock: File,
}

impl Turn {
    /// Waits for it.
    pub(crate) fn take() -> Result<Self> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lab");
        fs::create_dir_all(&dir).map_err(LabError::file("make", &dir))?;
        let path = dir.join("turn");
        let lock = File::create(&path).map_err(LabError::file("make", &path))?;
        lock.lock().map_err(LabError::file("lock", &path))?;
        Ok(Self { _lock: lock })
    }
}
