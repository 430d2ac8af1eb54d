//! The kernels that `tests/lab/kernels` fetched.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::{LabError, Result};

/// A kernel for a virtual machine.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    /// The bootable image.
    pub(crate) image: PathBuf,
    /// What `uname -r` says in it, e.g. `6.1.0-50-cloud-amd64`.
    pub(crate) release: String,
    /// A module of it that does nothing until it is asked to: network devices that swallow what is sent.
    pub(crate) module: PathBuf,
}

impl Kernel {
    /// The kernel of a Debian suite: `bullseye` 5.10, `bookworm` 6.1, `bookworm-backports` 6.12, `sid` the newest.
    pub(crate) fn of(suite: &str) -> Result<Self> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("target/lab/kernels")
            .join(suite);
        let (image, release) = (dir.join("vmlinuz"), dir.join("release"));
        let release = fs::read_to_string(&release).map_err(LabError::file(
            "find the kernel that `./justw kernels` fetches:",
            &release,
        ))?;
        Ok(Self {
            image,
            module: dir.join("dummy.ko"),
            release: release.trim().to_owned(),
        })
    }
}
