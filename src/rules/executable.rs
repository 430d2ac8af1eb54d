//! The executable of a process beyond its path: upstream's flags of it, and whether the process may write it.
//!
//! That is judged as upstream's probe judges it (`extract__exe_writable()` in falcosecurity/libs): by the inode alone, neither by
//! access control lists nor by mounts. Whoever owns a file may make it writable, and so counts as able to write it.

use super::lineage::known_path;
use super::reasons;
use crate::capture::record::Inode;
use crate::process::Process;

/// `S_IWGRP` and `S_IWOTH` of inode(7).
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
/// An owner that no user namespace has (`INVALID_UID` in the kernel): nobody writes such a file.
const NOBODY: u32 = u32::MAX;
/// `CAP_DAC_OVERRIDE` and `CAP_FOWNER` of capabilities(7).
const OVERRIDES: u64 = 1 << 1 | 1 << 3;

/// The executable's inode.
pub(super) fn inode(process: &Process) -> Result<&Inode, &'static str> {
    let none = if process.exe.is_none() {
        reasons::EXECUTABLE_UNKNOWN
    } else {
        reasons::INODE_UNREADABLE
    };
    process.exe_inode.as_ref().ok_or(none)
}

/// Whether the process may write its executable.
pub(super) fn writable(process: &Process) -> Result<bool, &'static str> {
    let inode = inode(process)?;
    let who = &process.credentials;
    if inode.unwritable || inode.uid == NOBODY || inode.gid == NOBODY {
        return Ok(false);
    }
    let by_group = inode.mode & GROUP_WRITES != 0;
    if who.fsuid == inode.uid || inode.mode & OTHERS_WRITE != 0 || by_group && who.fsgid == inode.gid {
        return Ok(true);
    }
    let overrides = who.cap_effective & OVERRIDES != 0;
    if overrides && who.user_ns_level == 0 {
        return Ok(true);
    }
    // Capabilities of a nested user namespace count where it maps the owner; and supplementary groups count.
    if overrides || by_group {
        Err(reasons::EXECUTABLE_FLAGS_UNKNOWN)
    } else {
        Ok(false)
    }
}

/// Upstream's words for what is known of the executable, in upstream's order, and why others may be missing. Which layer it lies
/// in is known with its inode; whether it is a memfd, with its path.
pub(super) fn words(process: &Process) -> (Vec<&'static str>, Option<&'static str>) {
    let writable = writable(process);
    let known = [
        (writable == Ok(true), "EXE_WRITABLE"),
        (process.exe_upper_layer, "EXE_UPPER_LAYER"),
        (process.exe_is_memfd(), "EXE_FROM_MEMFD"),
        (process.exe_lower_layer, "EXE_LOWER_LAYER"),
    ];
    let words = known.into_iter().filter_map(|(is, word)| is.then_some(word)).collect();
    let nameless = known_path(process.exe.as_ref(), reasons::EXECUTABLE_UNKNOWN).err();
    let missing = nameless.filter(|why| *why != reasons::PATH_TRUNCATED);
    (words, writable.err().or(missing))
}
