//! A temporary directory of the lab and the cgroups that belong to it.
//!
//! Both carry the process id of their maker in their name, so that `tests/lab/clean` can tell what a killed run left
//! behind from what a live one uses.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::statvfs::{FsFlags, statvfs};
use tempfile::TempDir;

use super::error::{LabError, Result};
use super::tool;

/// What every directory and cgroup of the lab starts with.
const PREFIX: &str = "pinhole-lab";

/// A directory that other users may pass through, on a file system where file capabilities count.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    /// Makes one below the first usable of `$TMPDIR`, `/tmp`, `/var/tmp`.
    pub(crate) fn new() -> Result<Self> {
        let candidates = [std::env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")];
        let base = candidates
            .iter()
            .find(|base| honours_file_capabilities(base))
            .ok_or_else(|| LabError::Place {
                why: format!("{candidates:?} are all mounted nosuid or missing, so file capabilities would not count"),
            })?;
        let dir = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}-{}-", std::process::id()))
            .tempdir_in(base)
            .map_err(LabError::file("make a directory in", base))?;
        // tempfile makes 0700; the agent runs as another user and must pass.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))
            .map_err(LabError::file("change the mode of", dir.path()))?;
        Ok(Self { dir })
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A subdirectory, made if it is not there.
    pub(crate) fn subdir(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.path().join(name);
        fs::create_dir_all(&path).map_err(LabError::file("make", &path))?;
        Ok(path)
    }

    /// The absolute cgroup path below which everything of this place runs: unique, so that removing it is safe.
    pub(crate) fn cgroup_root(&self) -> String {
        let name = self
            .dir
            .path()
            .file_name()
            .map_or_else(|| PREFIX.into(), |name| name.to_string_lossy());
        format!("/{name}")
    }

    /// The processes in a cgroup, by the first hierarchy that has it.
    pub(crate) fn processes_of(&self, cgroup: &str) -> Result<Vec<u64>> {
        let relative = cgroup.trim_start_matches('/');
        let lists = cgroup_hierarchies()?
            .into_iter()
            .map(|top| top.join(relative).join("cgroup.procs"));
        let list = lists
            .into_iter()
            .find(|list| list.exists())
            .ok_or_else(|| LabError::Place {
                why: format!("no hierarchy has a cgroup {cgroup}"),
            })?;
        let text = fs::read_to_string(&list).map_err(LabError::file("read", &list))?;
        Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Makes a cgroup below [`Self::cgroup_root`] in the hierarchies by which containers are told apart, and gives the
    /// files that take processes into it.
    ///
    /// On version 1 those of pids, memory and cpu; that of cpusets takes nobody before it was given processors.
    pub(crate) fn make_cgroup(&self, below: &str) -> Result<Vec<PathBuf>> {
        let relative = format!("{}/{}", self.cgroup_root(), below.trim_start_matches('/'));
        let mut lists = Vec::new();
        for hierarchy in cgroup_hierarchies()? {
            let is_unified = hierarchy.join("cgroup.controllers").exists();
            let controllers = hierarchy.file_name().unwrap_or_default().to_string_lossy();
            let names_containers = |name: &str| matches!(name, "pids" | "memory" | "cpu");
            if is_unified || controllers.split(',').any(names_containers) {
                let dir = hierarchy.join(relative.trim_start_matches('/'));
                fs::create_dir_all(&dir).map_err(LabError::file("make", &dir))?;
                lists.push(dir.join("cgroup.procs"));
            }
        }
        Ok(lists)
    }

    /// Removes the cgroups of this place in every hierarchy. Waits for the kernel to finish the processes in them.
    pub(crate) fn remove_cgroups(&self) -> Result<()> {
        let relative = self.cgroup_root();
        for hierarchy in cgroup_hierarchies()? {
            let top = hierarchy.join(relative.trim_start_matches('/'));
            tool::poll(
                &format!("removal of {}", top.display()),
                Duration::from_secs(10),
                || "processes still run in it".to_owned(),
                || Ok(remove_cgroup_tree(&top)?.then_some(())),
            )?;
        }
        Ok(())
    }
}

fn honours_file_capabilities(base: &Path) -> bool {
    statvfs(base).is_ok_and(|fs| {
        !fs.flags()
            .intersects(FsFlags::ST_NOSUID | FsFlags::ST_RDONLY | FsFlags::ST_NOEXEC)
    })
}

/// The mount points of all cgroup hierarchies, version 1 and 2.
fn cgroup_hierarchies() -> Result<Vec<PathBuf>> {
    let path = Path::new("/proc/self/mounts");
    let mounts = fs::read_to_string(path).map_err(LabError::file("read", path))?;
    Ok(mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (_, target, kind) = (fields.next()?, fields.next()?, fields.next()?);
            matches!(kind, "cgroup" | "cgroup2").then(|| PathBuf::from(target))
        })
        .collect())
}

/// Removes a cgroup and those below it. False when one is still in use.
fn remove_cgroup_tree(top: &Path) -> Result<bool> {
    let entries = match fs::read_dir(top) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(source) => {
            return Err(LabError::File {
                operation: "list",
                path: top.to_owned(),
                source,
            });
        }
    };
    for entry in entries.flatten() {
        // Only directories are cgroups; the files in them go with them and cannot be removed by themselves.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && !remove_cgroup_tree(&entry.path())? {
            return Ok(false);
        }
    }
    match fs::remove_dir(top) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => Ok(false),
        Err(source) => Err(LabError::File {
            operation: "remove",
            path: top.to_owned(),
            source,
        }),
    }
}
