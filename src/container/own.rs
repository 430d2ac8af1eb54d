//! Which container this process is in, by what its own mounts and its own cgroup say: the ids by which a runtime on this
//! node can be proven to be the one that runs the agent, which in Kubernetes is the kubelet's.
//!
//! Only files about the own process are read, no other process's. The ids are candidates until a runtime knows one of
//! them: a runtime that answers for an id that it does not run would have to be asked to lie.
//!
//! A private cgroup namespace, the default on cgroup v2, hides the path of the own cgroup. The files that runtimes put
//! into every container are then what tells: `/etc/hostname`, `/etc/resolv.conf` and, outside Kubernetes, `/etc/hosts`
//! are bind mounts out of a directory that bears the id of the sandbox or of the container:
//!
//! * containerd's CRI: `…/io.containerd.grpc.v1.cri/sandboxes/ID/hostname` (in 1.x and 2.x), the sandbox's;
//! * CRI-O and podman: `…/containers/storage/overlay-containers/ID/userdata/hostname`, the sandbox's with CRI-O;
//! * Docker: `/var/lib/docker/containers/ID/hostname`, the sandbox's below cri-dockerd;
//! * nerdctl: `/var/lib/nerdctl/HASH/containers/NAMESPACE/ID/…`, with hostname and resolv.conf in it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::{cgroup, mounts};

/// How many ids are kept; a pod has two, its own and its sandbox's, and each nesting as many again.
const LIMIT: usize = 4;
/// What is read of each file. A line of a mount list has some hundred bytes.
const FILE_LIMIT: u64 = 1 << 20;
/// The directories in which each runtime keeps one directory per container or sandbox.
const KEEPERS: [&str; 3] = ["sandboxes", "containers", "overlay-containers"];

/// The ids of the own container and its sandbox, the most telling first; empty on a host.
///
/// # Errors
/// When a file about the own process cannot be read.
pub fn ids(root: &Path) -> io::Result<Vec<String>> {
    let cgroup = read(&root.join("proc/self/cgroup"))?;
    Ok(parse(&cgroup, &mountinfo(root)?))
}

/// The list of the own mounts, as much of it as is read.
///
/// # Errors
/// When it cannot be read.
pub fn mountinfo(root: &Path) -> io::Result<String> {
    read(&root.join("proc/self/mountinfo"))
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_LIMIT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The ids in a cgroup file and a list of mounts, each once.
#[must_use]
pub fn parse(cgroup: &str, mountinfo: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut add = |id: Option<String>| {
        if let Some(id) = id
            && ids.len() < LIMIT
            && !ids.contains(&id)
        {
            ids.push(id);
        }
    };
    // hierarchy:controllers:path
    for path in cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2)) {
        add(cgroup::identify(path).container_id);
    }
    for mount in mounts::parse(mountinfo) {
        if mount.kind.starts_with("cgroup") {
            // Without a cgroup namespace the container's own cgroup is the root of what is mounted.
            add(cgroup::identify(&mount.root).container_id);
        } else if mount.point.starts_with("/etc/") || mount.point.starts_with("/run/") || mount.point == "/dev/shm" {
            add(kept(&mount.root));
        }
    }
    ids
}

/// The innermost id that stands where a runtime keeps what belongs to a container. Other directories have names of 64
/// digits too: layers of images, Docker's volumes.
fn kept(root: &str) -> Option<String> {
    let levels: Vec<&str> = root.split('/').collect();
    let of = |level: usize| {
        let keeper = |above: usize| level.checked_sub(above).and_then(|above| levels.get(above)).copied();
        // nerdctl has the namespace between.
        let is_kept = keeper(1).is_some_and(|name| KEEPERS.contains(&name)) || keeper(2) == Some("containers");
        (is_kept && is_id(levels[level])).then(|| levels[level].to_owned())
    };
    (0..levels.len()).rev().find_map(of)
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests;
