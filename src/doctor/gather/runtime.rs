//! Where the doctor runs, and what the files of a runtime look like from here.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::facts::{Closed, Gap, Mounted, OwnContainer, Place, SocketFile};
use crate::container::mounts::Mount;
use crate::container::{mounts, own};

/// `PROC_CGROUP_INIT_INO` of `include/linux/proc_ns.h`: the first cgroup namespace has this number on every machine.
const HOST_CGROUP_NAMESPACE: &str = "cgroup:[4026531835]";

/// Owner and mode of a socket file, for the question who is to blame for a refusal. None where it cannot be seen.
#[must_use]
pub fn socket_file(path: &Path) -> Option<SocketFile> {
    const OTHERS_WRITE: u32 = 0o002;
    const OTHERS_SEARCH: u32 = 0o001;
    let metadata = fs::metadata(path).ok()?;
    // The path as it is behind all links; a directory in it that cannot be looked at lets nobody through.
    let real = fs::canonicalize(path).ok();
    let mut above = real.as_deref().unwrap_or(path).ancestors().skip(1);
    let searched =
        |directory: &Path| fs::metadata(directory).is_ok_and(|directory| directory.mode() & OTHERS_SEARCH != 0);
    Some(SocketFile {
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        open: metadata.mode() & OTHERS_WRITE != 0 && above.all(searched),
    })
}

/// The first directory above a path that this process may not look into, from the root downwards. None where there is none.
#[must_use]
pub fn closed_directory(path: &Path) -> Option<Closed> {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    let refuses = |directory: &Path, inside: &Path| {
        let refused = fs::symlink_metadata(inside).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
        refused.then(|| fs::metadata(directory).ok()).flatten()
    };
    let steps = above.windows(2).map(|pair| (pair[0], pair[1]));
    let last = above.last().map(|directory| (*directory, path));
    steps.chain(last).find_map(|(directory, inside)| {
        let metadata = refuses(directory, inside)?;
        Some(Closed {
            path: directory.to_owned(),
            file: SocketFile {
                mode: metadata.mode() & 0o7777,
                uid: metadata.uid(),
                gid: metadata.gid(),
                open: false,
            },
        })
    })
}

/// What this process has mounted. Empty where the list of mounts cannot be read. None of it is looked at: the server of a
/// mount may be gone, and then whoever looks waits.
#[must_use]
pub fn own_mounts(root: &Path) -> Vec<Mount> {
    let list = own::mountinfo(root).unwrap_or_default();
    mounts::parse(&list).collect()
}

/// How the path of a socket comes into sight by these mounts. The last mount of a point is the one that is seen.
#[must_use]
pub fn mounted(mounts: &[Mount], socket: &Path) -> Mounted {
    let alone = mounts.iter().rev().find(|mount| Path::new(&mount.point) == socket);
    if let Some(mount) = alone {
        return if mount.root.ends_with("//deleted") {
            Mounted::Deleted
        } else {
            Mounted::Alone
        };
    }
    let below = |mount: &Mount| mount.point != "/" && socket.starts_with(&mount.point);
    if mounts.iter().any(below) {
        Mounted::Directory
    } else {
        Mounted::No
    }
}

/// The own cgroup, and the container id in it or in the own mounts.
///
/// # Errors
/// When `/proc/self/cgroup` cannot be read.
pub fn own_cgroup(root: &Path) -> Result<OwnContainer, Gap> {
    let path = root.join("proc/self/cgroup");
    let text = fs::read_to_string(&path)
        .map_err(|error| Gap::Refused(format!("{} cannot be read: {error}", path.display())))?;
    let telling = telling_cgroup(&text);
    let (id, id_from) = match container_id(telling) {
        Some(id) => (Some(id), "/proc/self/cgroup"),
        // A private cgroup namespace hides the path; the mounts that a runtime makes in every container show an id, too.
        None => (
            own::ids(root).unwrap_or_default().into_iter().next(),
            "/proc/self/mountinfo",
        ),
    };
    Ok(OwnContainer {
        cgroup_leaf: telling
            .rsplit('/')
            .next()
            .filter(|leaf| !leaf.is_empty())
            .map(str::to_owned),
        id,
        id_from,
    })
}

/// The path in a cgroup file (`hierarchy:controllers:path` per line) that tells most: on a mixed host the one with an id.
pub(super) fn telling_cgroup(text: &str) -> &str {
    let paths = || text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths()
        .find(|path| container_id(path).is_some())
        .or_else(|| paths().next_back())
        .unwrap_or_default()
}

/// The innermost container id of a cgroup path: 64 hexadecimal digits, whatever stands around them.
pub(super) fn container_id(path: &str) -> Option<String> {
    path.rsplit('/')
        .flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric()))
        .find(|word| word.len() == 64 && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
        .map(str::to_owned)
}

/// In a pod, in another container, or on a host. Markers are looked up under `root`.
#[must_use]
pub fn place(root: &Path, own: Option<&OwnContainer>) -> Place {
    // The kubelet sets the variable in every container of every pod, and nothing else does.
    let pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
        || root.join("var/run/secrets/kubernetes.io/serviceaccount").exists();
    if pod {
        return Place::Kubernetes;
    }
    // In the host's cgroup namespace the whole path is visible, so a container would show its id; a marker there is left
    // over from the image that the machine was made from.
    let marked = ["run/.containerenv", ".dockerenv"]
        .iter()
        .any(|marker| root.join(marker).exists());
    let visible =
        fs::read_link(root.join("proc/self/ns/cgroup")).is_ok_and(|link| link == Path::new(HOST_CGROUP_NAMESPACE));
    if own.is_some_and(|own| own.id.is_some()) || (marked && !visible) {
        Place::Container
    } else {
        Place::Host
    }
}
