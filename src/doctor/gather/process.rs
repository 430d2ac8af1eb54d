//! The doctor's own process, from `/proc/self/status`.

use std::fs;
use std::path::Path;

use super::super::facts::{Gap, ProcessFacts};

/// Reads the privileges of this process; files are looked up under `root`.
///
/// # Errors
/// When the file cannot be read or lacks a field.
pub fn read(root: &Path) -> Result<ProcessFacts, Gap> {
    let path = root.join("proc/self/status");
    let text = fs::read_to_string(&path)
        .map_err(|error| Gap::Refused(format!("{} cannot be read: {error}", path.display())))?;
    let mut facts = parse(&text).map_err(|field| Gap::Refused(format!("{} has no usable {field}", path.display())))?;
    facts.label = label(root);
    Ok(facts)
}

/// Parses the status file of one process or thread; the error is the name of the field that is missing or malformed.
///
/// # Errors
/// See above.
pub fn parse(text: &str) -> Result<ProcessFacts, &'static str> {
    let field = |name: &'static str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
            .ok_or(name)
    };
    let bits = |name: &'static str| u64::from_str_radix(field(name)?, 16).map_err(|_| name);
    // Real, effective, saved and file system id, in this order.
    let effective = |name: &'static str| {
        field(name)?
            .split_whitespace()
            .nth(1)
            .and_then(|id| id.parse::<u32>().ok())
            .ok_or(name)
    };
    let groups: Result<Vec<u32>, _> = field("Groups")?.split_whitespace().map(str::parse).collect();
    let mut gids = vec![effective("Gid")?];
    gids.extend(groups.map_err(|_| "Groups")?);
    gids.sort_unstable();
    gids.dedup();
    Ok(ProcessFacts {
        uid: effective("Uid")?,
        gids,
        effective: bits("CapEff")?,
        permitted: bits("CapPrm")?,
        bounding: bits("CapBnd")?,
        no_new_privs: field("NoNewPrivs")? == "1",
        seccomp: field("Seccomp")?.parse().map_err(|_| "Seccomp")?,
        label: None,
    })
}

/// The label that SELinux or AppArmor gave this process. Where neither is active the file cannot be read.
fn label(root: &Path) -> Option<String> {
    let label = fs::read_to_string(root.join("proc/self/attr/current")).ok()?;
    let label = label.trim_end_matches(['\0', '\n']);
    (!label.is_empty() && label != "kernel" && label != "unconfined").then(|| label.to_owned())
}
