//! What a process sees of the host's files, by its list of mounts (proc_pid_mountinfo(5)). Pure text work.

use std::collections::BTreeMap;

use crate::container::mounts::unescape;
use crate::kubernetes::HostMount;

use super::hostpath::below;

/// One line of mountinfo, with what tells where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    id: u64,
    /// Major and minor number: the file system.
    device: String,
    /// What of the file system is mounted.
    root: String,
    point: String,
    kind: String,
    read_only: bool,
    shared: bool,
}

pub(super) fn parse(text: &str) -> Vec<Mount> {
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Mount> {
    let (mount, system) = line.split_once(" - ")?;
    let mut fields = mount.split(' ');
    let id = fields.next()?.parse().ok()?;
    let device = fields.nth(1)?.to_owned();
    let (root, point) = (unescape(fields.next()?), unescape(fields.next()?));
    let read_only = fields.next()?.split(',').any(|option| option == "ro");
    let shared = fields.any(|field| field.starts_with("shared:"));
    Some(Mount {
        id,
        device,
        root,
        point,
        kind: system.split(' ').next()?.to_owned(),
        read_only,
        shared,
    })
}

/// Whether two lists are of one mount namespace: ids of mounts are unique over all of them.
pub(super) fn same_namespace(one: &[Mount], other: &[Mount]) -> bool {
    let root = |mounts: &[Mount]| {
        mounts
            .iter()
            .rev()
            .find(|mount| mount.point == "/")
            .map(|mount| mount.id)
    };
    root(one).is_some_and(|id| root(other) == Some(id))
}

/// The mount on top at `/`.
fn root(mounts: &[Mount]) -> Option<&Mount> {
    mounts.iter().rev().find(|mount| mount.point == "/")
}

pub(super) fn root_is_read_only(mounts: &[Mount]) -> Option<bool> {
    root(mounts).map(|mount| mount.read_only)
}

/// Whether it looks like a container that may write to `/sys`, which only a privileged one may.
pub(super) fn sys_is_writable(mounts: &[Mount]) -> Option<bool> {
    mounts
        .iter()
        .rev()
        .find(|mount| mount.point == "/sys" && mount.kind == "sysfs")
        .map(|mount| !mount.read_only)
}

/// Whether a service-account token is mounted (the admission plugin's fixed place).
pub(super) fn token(mounts: &[Mount]) -> bool {
    mounts
        .iter()
        .any(|mount| mount.point.ends_with("/secrets/kubernetes.io/serviceaccount"))
}

/// What the kubelet and runtimes put into every container, and no pod asks for.
const USUAL: [&str; 6] = [
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/run/secrets",
    "/run/.containerenv",
    "/dev",
];

/// The host's files and directories in a container. `host` is the host's own list, where it can be read; without it the
/// place in the container stands for the place on the host, which is what manifests commonly have.
pub(super) fn host_mounts(mounts: &[Mount], host: Option<&[Mount]>) -> Vec<HostMount> {
    mounts
        .iter()
        .filter(|mount| mount.point != "/" && !own(mount, mounts))
        .filter_map(|mount| {
            let path = match host {
                Some(host) => on_host(mount, host)?,
                None => mount.point.clone(),
            };
            // Volumes that the kubelet makes for this pod: configuration, empty directories, tokens. Files that runtimes make.
            let made = [
                "/var/lib/kubelet/pods",
                "/var/lib/containers",
                "/var/lib/containerd",
                "/var/lib/docker",
            ];
            let made = made.iter().any(|top| below(&path, top) && path != *top)
                || mount.root.contains("/volumes/kubernetes.io~")
                || mount.root.contains("/io.containerd.")
                || mount.root.contains("/overlay-containers/");
            (!made).then(|| HostMount {
                host: path,
                at: mount.point.clone(),
                read_only: mount.read_only,
                bidirectional: mount.shared,
                volume: String::new(),
            })
        })
        .collect()
}

/// What belongs to the container itself: its root, its own `/proc`, `/sys` and `/dev`, masks, and the usual files.
fn own(mount: &Mount, all: &[Mount]) -> bool {
    let pseudo = ["proc", "sysfs", "cgroup", "cgroup2", "mqueue", "devpts"].contains(&mount.kind.as_str());
    // A whole file system at its usual place is the container's; the host's is mounted somewhere else, or a part of it.
    (pseudo && ["/proc", "/sys", "/dev"].iter().any(|top| below(&mount.point, top)))
        || USUAL.iter().any(|path| below(&mount.point, path))
        || (mount.kind == "tmpfs" && mount.root == "/" && !holds_sockets(&mount.point))
        // Masks over files of its own /proc, whatever a runtime makes them of: no runtime lets a pod mount anything there.
        || (below(&mount.point, "/proc") && all.iter().any(|own| own.point == "/proc" && own.kind == "proc") && mount.point != "/proc")
        || (mount.kind == "tmpfs" && ["/proc", "/sys"].iter().any(|top| below(&mount.point, top)))
        || root(all).is_some_and(|root| root.device == mount.device && root.kind == "overlay")
}

/// Where a whole tmpfs in a container is more likely the host's than its own.
fn holds_sockets(point: &str) -> bool {
    point == "/host/run" || point == "/run" || point == "/var/run"
}

/// Where on the host the same directory of the same file system is.
fn on_host(mount: &Mount, host: &[Mount]) -> Option<String> {
    let candidates: BTreeMap<usize, String> = host
        .iter()
        .filter(|outer| outer.device == mount.device && below(&mount.root, &outer.root))
        .map(|outer| {
            let rest = mount.root[outer.root.trim_end_matches('/').len()..].trim_start_matches('/');
            let path = format!("{}/{rest}", outer.point.trim_end_matches('/'));
            (path.len(), path)
        })
        .collect();
    // Of several places the shortest: the file system's own mount rather than a bind mount of it elsewhere.
    candidates.into_values().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTAINER: &str = "\
900 800 0:90 / / ro,relatime master:9 - overlay overlay rw
901 900 0:91 / /proc rw,nosuid - proc proc rw
902 900 0:92 / /dev rw - tmpfs tmpfs rw
903 900 0:93 / /sys ro,nosuid - sysfs sysfs ro
904 900 0:24 /containerd /run/containerd ro,nosuid - tmpfs tmpfs rw
905 900 8:1 /var/lib/kubelet/pods/u/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw
906 900 8:1 /var/lib/kubelet/pods/u/volumes/kubernetes.io~configmap/c /etc/pinhole ro - ext4 /dev/sda1 rw
907 900 0:95 / /run/pinhole rw - tmpfs tmpfs rw
908 901 0:96 / /proc/acpi ro - tmpfs tmpfs ro
909 900 8:1 /etc /host/etc rw shared:5 - ext4 /dev/sda1 rw
";
    const HOST: &str = "\
20 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
24 20 0:24 / /run rw shared:2 - tmpfs tmpfs rw
25 24 0:24 /containerd /mnt/elsewhere/long rw - tmpfs tmpfs rw
";

    #[test]
    fn the_hosts_files_are_told_from_the_containers_own() {
        let (container, host) = (parse(CONTAINER), parse(HOST));
        let found: Vec<(String, String, bool, bool)> = host_mounts(&container, Some(&host))
            .into_iter()
            .map(|mount| (mount.host, mount.at, mount.read_only, mount.bidirectional))
            .collect();
        let mount = |host: &str, at: &str, read_only, shared| (host.to_owned(), at.to_owned(), read_only, shared);
        assert_eq!(
            found,
            [
                mount("/run/containerd", "/run/containerd", true, false),
                mount("/etc", "/host/etc", false, true)
            ]
        );
        let without: Vec<String> = host_mounts(&container, None)
            .into_iter()
            .map(|mount| mount.host)
            .collect();
        assert_eq!(without, ["/run/containerd", "/host/etc"]);
    }

    #[test]
    fn namespaces_and_roots() {
        let (container, host) = (parse(CONTAINER), parse(HOST));
        assert!(same_namespace(&host, &host) && !same_namespace(&container, &host));
        assert_eq!(root_is_read_only(&container), Some(true));
        assert_eq!(sys_is_writable(&container), Some(false));
        assert!(!token(&container));
    }
}
