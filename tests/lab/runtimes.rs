//! Which build of a container runtime: the machine's own, or one that `tests/lab/runtimes` fetched.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::{LabError, Result};
use super::tool;

/// The folder of the C library that dynamically linked programs of this machine use is where their loader is.
const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// A set of programs that belong together.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    /// Where they are and with which libraries; absent for the machine's own.
    unpacked: Option<PathBuf>,
    /// The package's version, or a word for the machine's own.
    version: String,
}

impl Release {
    /// What is installed on the machine.
    pub(crate) fn installed() -> Result<Self> {
        for (tool, package) in [
            ("containerd", "containerd"),
            ("containerd-shim-runc-v2", "containerd"),
            ("ctr", "containerd"),
            ("runc", "runc"),
        ] {
            tool::find(tool, package)?;
        }
        Ok(Self {
            unpacked: None,
            version: "as installed".to_owned(),
        })
    }

    /// containerd and runc of a Debian suite: `bullseye` 1.4, `trixie` 1.7, `sid` 2.x. Docker Engine: `docker`.
    pub(crate) fn of(suite: &str) -> Result<Self> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("target/lab/runtimes")
            .join(suite);
        let release = dir.join("release");
        let version = fs::read_to_string(&release).map_err(LabError::file(
            "find the runtime that `./justw runtimes` fetches:",
            &release,
        ))?;
        Ok(Self {
            unpacked: Some(dir),
            version: version.trim().to_owned(),
        })
    }

    /// The package's version.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Whether its configuration has the plugins' names of containerd 2, `version = 3`.
    pub(crate) fn is_second_generation(&self) -> bool {
        self.unpacked.is_some() && self.version.starts_with(|first: char| ('2'..='9').contains(&first))
    }

    /// One of its programs.
    pub(crate) fn program(&self, name: &str) -> Result<PathBuf> {
        match &self.unpacked {
            Some(dir) => Ok(dir.join("bin").join(name)),
            None => tool::find(name, "containerd"),
        }
    }

    /// Shell commands after which these programs are the first of the path and run: for a mount namespace of one's own.
    ///
    /// A runc that was built with a newer C library starts itself anew from within, so it cannot be started through that
    /// library's loader: the library takes the place of the machine's, if and only if it has to.
    pub(crate) fn preparation(&self) -> String {
        let Some(dir) = &self.unpacked else {
            return String::new();
        };
        format!(
            "PATH='{bin}':$PATH\n\
             if ! runc --version >/dev/null 2>&1; then\n\
             own=$(dirname \"$(readlink -f {LOADER})\")\n\
             mount -t overlay -o \"lowerdir={lib}:$own\" pinhole-lab \"$own\"\n\
             fi\n",
            bin = dir.join("bin").display(),
            lib = dir.join("lib").display(),
        )
    }
}
