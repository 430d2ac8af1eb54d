//! What the doctor's own process sees of the host: `/proc`, mounts, namespaces, cgroups, and where the admin socket goes.
//! What is mounted and shared is found out by [`crate::exposure`], which has the only table of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::fcntl::AtFlags;
use nix::sys::statvfs::fstatvfs;
use nix::unistd::{AccessFlags, faccessat};

use super::super::facts::host::{CgroupFact, DirectoryFact, MountFacts, ProcFact, Seen};
use crate::capture::hierarchy::Hierarchy;
use crate::config::Settings;
use crate::container::{mounts, own};
use crate::exposure::live;

/// `PROC_UTS_INIT_INO` of `include/linux/proc_ns.h`.
const HOST_UTS_NAMESPACE: &str = "uts:[4026531838]";

/// Looks around; files are looked up under `root`.
#[must_use]
pub fn read(settings: &Settings, root: &Path) -> MountFacts {
    let proc = root.join("proc");
    let list = own::mountinfo(root);
    let number = fs::read_link(proc.join("self"))
        .ok()
        .and_then(|link| link.to_str()?.parse().ok());
    let seen = match number {
        Some(number) => live::facts(&proc, number).map_err(|error| error.to_string()),
        None => Err(format!("{} names no process", proc.join("self").display())),
    };
    let container = seen
        .as_ref()
        .ok()
        .and_then(|facts| facts.containers.first())
        .ok_or_else(|| "this process cannot be seen in /proc".to_owned());
    let known = |of: fn(&crate::exposure::Facts) -> &Result<bool, String>| match &seen {
        Ok(facts) => of(facts).clone(),
        Err(why) => Err(why.clone()),
    };
    MountFacts {
        proc: proc_fact(number, list.as_deref().unwrap_or_default()),
        read_only_root: container.clone().and_then(|container| container.read_only_root.clone()),
        host: container.and_then(|container| container.mounts.clone()),
        used: used(settings),
        shared: [
            ("pid", known(|facts| &facts.host_pid)),
            ("network", known(|facts| &facts.host_network)),
            ("ipc", known(|facts| &facts.host_ipc)),
            ("uts", uts(&proc)),
        ]
        .into(),
        user_namespace: known(|facts| &facts.user_namespace),
        admin: admin(&settings.control.socket),
        cgroup: cgroup(&proc, list.as_deref().unwrap_or_default()),
    }
}

/// The number that `/proc/self` leads to is that of the PID namespace that this `/proc` was mounted for.
fn proc_fact(number: Option<u32>, mountinfo: &str) -> ProcFact {
    match number {
        None => ProcFact::Missing("/proc/self leads to no process".to_owned()),
        Some(number) if number != std::process::id() => ProcFact::Other(number),
        Some(_) => ProcFact::Own {
            hides: hides(mountinfo),
        },
    }
}

/// The options of the mount at `/proc` that hide something: proc(5).
fn hides(mountinfo: &str) -> Vec<String> {
    let line = mountinfo.lines().rfind(|line| line.split(' ').nth(4) == Some("/proc"));
    let options = line.and_then(|line| line.rsplit(' ').next()).unwrap_or_default();
    options
        .split(',')
        .filter(|option| option.starts_with("subset=") || option.starts_with("hidepid="))
        .filter(|option| !matches!(*option, "hidepid=0" | "hidepid=off"))
        .map(str::to_owned)
        .collect()
}

/// Directories, and sockets that have none of their own, that the settings have the agent use. Configuration comes from a volume of the pod, or
/// from a file that somebody mounts there.
fn used(settings: &Settings) -> Vec<String> {
    let parent = |path: &Path| path.parent().map(Path::to_owned);
    let prefix = |path: &Path| {
        let below = path.strip_prefix("/").unwrap_or(path);
        settings.runtime.host_prefix.join(below)
    };
    let well_known = crate::container::discovery::WELL_KNOWN
        .iter()
        .map(|runtime| prefix(Path::new(runtime.socket)));
    let sockets = settings.runtime.socket.iter().cloned().chain(well_known);
    let names = |path: &Path| {
        path.components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .count()
    };
    // A socket that lies directly in /run does not make all of /run one that is used.
    let narrow = |socket: PathBuf| match parent(&socket) {
        Some(directory) if names(&directory) > 1 && !directory.ends_with("run") => directory,
        _ => socket,
    };
    let mut directories: Vec<PathBuf> = sockets.map(narrow).collect();
    directories.extend(settings.runtime.bundles.iter().cloned());
    directories.extend(parent(&settings.control.socket));
    directories.extend(["/etc/pinhole", "/run/systemd/journal"].map(PathBuf::from));
    let mut used: Vec<String> = directories
        .iter()
        .map(|path| crate::exposure::hostpath::normal(&path.to_string_lossy()))
        .collect();
    used.sort();
    used.dedup();
    used
}

fn uts(proc: &Path) -> Result<bool, String> {
    let link = proc.join("self/ns/uts");
    match fs::read_link(&link) {
        Ok(name) => Ok(name == Path::new(HOST_UTS_NAMESPACE)),
        Err(error) => Err(format!("{} cannot be read: {error}", link.display())),
    }
}

/// The agent makes the directory where the one above is there (`control::bind`).
fn admin(socket: &Path) -> Option<DirectoryFact> {
    let path = socket.parent().filter(|parent| !parent.as_os_str().is_empty())?;
    let seen = [Some(path), path.parent()].into_iter().flatten().find_map(look);
    Some(DirectoryFact {
        path: path.to_owned(),
        seen,
    })
}

/// Asks and writes nothing.
fn look(path: &Path) -> Option<Seen> {
    let metadata = fs::metadata(path).ok()?;
    let refused = faccessat(
        nix::fcntl::AT_FDCWD,
        path,
        AccessFlags::W_OK | AccessFlags::X_OK,
        AtFlags::AT_EACCESS,
    )
    .err();
    // By a descriptor, as the pod's own policy of system calls has it.
    let system = fs::File::open(path).ok().and_then(|directory| fstatvfs(directory).ok());
    let full = system.is_some_and(|system| {
        (system.blocks() > 0 && system.blocks_available() == 0) || (system.files() > 0 && system.files_available() == 0)
    });
    Some(Seen {
        path: path.to_owned(),
        refused: refused.map(|errno| errno as i32),
        full,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
    })
}

fn cgroup(proc: &Path, mountinfo: &str) -> CgroupFact {
    let listed = fs::read_to_string(proc.join("cgroups")).ok();
    let hierarchy = Hierarchy::judge(listed.as_deref().unwrap_or_default());
    let own = fs::read_to_string(proc.join("self/cgroup")).unwrap_or_default();
    CgroupFact {
        hierarchy: hierarchy.as_str().to_owned(),
        controller: hierarchy.controller().to_owned(),
        paths: paths(&own),
        listed: listed.is_some(),
        mounted: mounted(mountinfo),
    }
}

/// Lines are `hierarchy:controllers:path`; version 2 has no controllers.
pub(super) fn paths(cgroup: &str) -> BTreeMap<String, String> {
    let lines = cgroup.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    lines
        .flat_map(|(controllers, path)| {
            controllers
                .split(',')
                .map(move |name| (name.to_owned(), path.to_owned()))
        })
        .collect()
}

/// Controllers of version 1 by which the agent could go, where they are mounted: by the names of their directories.
fn mounted(mountinfo: &str) -> Vec<String> {
    let mut found: Vec<String> = mounts::parse(mountinfo)
        .filter(|mount| mount.kind == "cgroup")
        .filter_map(|mount| mount.point.rsplit('/').next().map(str::to_owned))
        .flat_map(|name| name.split(',').map(str::to_owned).collect::<Vec<_>>())
        .filter(|name| ["pids", "memory", "cpu"].contains(&name.as_str()))
        .collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;

    #[test]
    fn this_process_sees_itself_and_its_surroundings() {
        let found = read(&Settings::default(), Path::new("/"));
        assert!(matches!(found.proc, ProcFact::Own { .. }), "{:?}", found.proc);
        assert!(found.host.is_ok() && found.read_only_root.is_ok());
        assert!(found.shared.values().all(Result::is_ok), "{:?}", found.shared);
        let used = |path: &str| found.used.iter().any(|used| used == path);
        assert!(used("/run/containerd") && used("/run/docker.sock"), "{:?}", found.used);
        assert!(!used("/run") && !used("/"), "{:?}", found.used);
        assert!(!found.cgroup.paths.is_empty() && found.cgroup.listed);
    }

    #[test]
    fn a_proc_of_others_shows_nobody() {
        let found = read(&Settings::default(), tree(&[("proc/1/comm", b"other")]).path());
        assert!(matches!(found.proc, ProcFact::Missing(_)));
        assert!(found.host.is_err() && found.user_namespace.is_err());
        let own = |number: u32| proc_fact(Some(number), "");
        assert_eq!(own(std::process::id() + 1), ProcFact::Other(std::process::id() + 1));
    }

    #[test]
    fn options_that_hide_are_told() {
        let hides = |options: &str| hides(&format!("22 27 0:21 / /proc rw,nosuid - proc proc rw,{options}\n"));
        assert!(hides("gid=4,hidepid=0").is_empty());
        assert_eq!(
            hides("hidepid=invisible,subset=pid"),
            ["hidepid=invisible", "subset=pid"]
        );
    }

    #[test]
    fn the_directory_of_the_socket_is_asked_about_and_left_as_it_is() {
        let root = tree(&[("run/other", b"")]);
        let socket = |path: &str| root.path().join(path);
        let found = |path: &str| admin(&socket(path)).unwrap().seen;
        let there = found("run/agent.sock").unwrap();
        assert_eq!((there.path, there.refused, there.full), (socket("run"), None, false));
        // One that would have to be made, in one that is there.
        assert_eq!(found("run/pinhole/agent.sock").unwrap().path, socket("run"));
        assert_eq!(found("run/a/b/agent.sock"), None);
        assert_eq!(admin(Path::new("")), None);
        assert!(!socket("run/pinhole").exists());
    }

    #[test]
    fn hierarchies_are_those_of_the_host_and_paths_those_of_the_process() {
        let root = tree(&[
            (
                "proc/cgroups",
                b"#subsys_name\thierarchy\tnum_cgroups\tenabled\npids\t8\t1\t1\n",
            ),
            ("proc/self/cgroup", b"8:pids:/kubepods/x\n4:cpu,cpuacct:/y\n0::/z\n"),
        ]);
        let mounts = "36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw\n37 31 0:34 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw\n";
        let found = cgroup(&root.path().join("proc"), mounts);
        assert_eq!((found.controller.as_str(), found.listed), ("pids", true));
        assert_eq!(found.paths["pids"], "/kubepods/x");
        assert_eq!((&*found.paths["cpu"], &*found.paths[""]), ("/y", "/z"));
        assert_eq!(found.mounted, ["cpu"]);
        let blind = cgroup(&tree(&[]).path().join("proc"), mounts);
        assert_eq!((blind.controller.as_str(), blind.listed), ("", false));
    }
}
