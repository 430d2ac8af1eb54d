//! Where the doctor runs, and what the files of a runtime look like from here.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::super::facts::{Gap, OwnContainer, Place, SocketFile};
use crate::container::{mounts, own};

/// `PROC_CGROUP_INIT_INO` of `include/linux/proc_ns.h`: the first cgroup namespace has this number on every machine.
const HOST_CGROUP_NAMESPACE: &str = "cgroup:[4026531835]";

/// Owner and mode of a socket file, for the question who is to blame for a refusal. None where it cannot be seen.
#[must_use]
pub fn socket_file(path: &Path) -> Option<SocketFile> {
    let metadata = fs::metadata(path).ok()?;
    Some(SocketFile {
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
    })
}

/// Where this process has something mounted. Empty where the list of mounts cannot be read. None of it is looked at: the
/// server of a mount may be gone, and then whoever looks waits.
#[must_use]
pub fn mount_points(root: &Path) -> Vec<PathBuf> {
    let list = own::mountinfo(root).unwrap_or_default();
    mounts::parse(&list).map(|mount| PathBuf::from(mount.point)).collect()
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
        known_by: Ok(Vec::new()),
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
