//! The kernel, from `uname` and files of `/sys` and `/proc`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::super::facts::{KernelFacts, LockdownFact, OsError};
use super::build;
use crate::capture::types::{self, Fit};

/// Reads the kernel's facts; files are looked up under `root`.
#[must_use]
pub fn read(root: &Path) -> KernelFacts {
    let release = release();
    KernelFacts {
        build: build::read(root, &release),
        lockdown: lockdown(root),
        btf: btf(root).map_err(|error| os_error(&error)),
        types: types(root),
        jit: jit(root),
        release,
    }
}

fn release() -> String {
    nix::sys::utsname::uname()
        .map(|name| name.release().to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The file lists every mode and puts the chosen one in brackets: `none [integrity] confidentiality`.
fn lockdown(root: &Path) -> LockdownFact {
    match fs::read_to_string(root.join("sys/kernel/security/lockdown")) {
        Ok(text) => match text.split_once('[').and_then(|(_, rest)| rest.split_once(']')) {
            Some((mode, _)) => LockdownFact::Mode(mode.to_owned()),
            None => LockdownFact::Unreadable(format!("no mode in brackets in {:?}", text.trim())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => LockdownFact::Absent,
        Err(error) => LockdownFact::Unreadable(error.to_string()),
    }
}

/// Size of the type information. Its first bytes are read: a file that opens may still refuse to be read.
fn btf(root: &Path) -> io::Result<u64> {
    /// `BTF_MAGIC` of `include/uapi/linux/btf.h`, in the machine's byte order.
    const MAGIC: u16 = 0xeb9f;
    let mut file = File::open(root.join("sys/kernel/btf/vmlinux"))?;
    let size = file.metadata()?.len();
    if size == 0 {
        return Ok(0);
    }
    let mut magic = [0; 2];
    file.read_exact(&mut magic)?;
    if u16::from_ne_bytes(magic) == MAGIC {
        Ok(size)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the file does not begin as type information does",
        ))
    }
}

/// How the kernel's types fit the programs.
fn types(root: &Path) -> Result<Fit, String> {
    /// Those of a distribution's kernel have some 6 MiB.
    const MAX_BYTES: u64 = 64 << 20;
    let mut bytes = Vec::new();
    File::open(root.join("sys/kernel/btf/vmlinux"))
        .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
        .map_err(|error| format!("the kernel's types cannot be read: {error}"))?;
    types::fit(&bytes).ok_or_else(|| "the kernel's types are of a form that is not known".to_owned())
}

/// The setting belongs to the first network namespace alone (`net/core/sysctl_net_core.c`).
fn jit(root: &Path) -> Option<u32> {
    let text = fs::read_to_string(root.join("proc/sys/net/core/bpf_jit_enable")).ok()?;
    text.trim().parse().ok()
}

fn os_error(error: &io::Error) -> OsError {
    OsError {
        errno: error.raw_os_error(),
        message: error.to_string(),
    }
}
