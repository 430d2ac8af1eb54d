//! What a path on the host opens. Pure text work: nothing is looked up.

use crate::container::discovery::table::WELL_KNOWN;

/// What somebody gains who has it writable, or reads what lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Written to, it is root on the node; read, it gives away secrets of the node or of other pods.
    Secrets,
    /// Written to, it is root on the node; what can be read there is public.
    System,
    /// Any other path.
    Other,
}

/// Without `..`, doubled or trailing slashes, and below `/run` where it says `/var/run`, which is a symbolic link to it.
#[must_use]
pub fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if let ["var", "run", ..] = parts.as_slice() {
        parts.remove(0);
    }
    format!("/{}", parts.join("/"))
}

/// Whether `path` is `top` or lies below it.
#[must_use]
pub fn below(path: &str, top: &str) -> bool {
    top == "/" || path == top || path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'))
}

/// Sockets of kubelets and systemd give no less than a runtime's.
const MORE_SOCKETS: [&str; 2] = ["/run/systemd/private", "/run/dbus/system_bus_socket"];

/// The socket of a container runtime that who mounts this path can reach: asked for a privileged container, any runtime
/// starts one, so it is root on the node. A read-only mount does not hinder connecting.
#[must_use]
pub fn runtime_socket(path: &str) -> Option<&'static str> {
    let path = normal(path);
    WELL_KNOWN
        .iter()
        .map(|runtime| runtime.socket)
        .chain(MORE_SOCKETS)
        .find(|socket| below(socket, &path) || (path.ends_with(".sock") && *socket == path))
}

/// Where secrets of the node or of its pods lie.
const SECRETS: [&str; 12] = [
    "/etc",
    "/root",
    "/home",
    "/var/lib/kubelet",
    "/var/lib/etcd",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/rancher",
    "/var/lib/k0s",
    "/var/snap/microk8s",
    "/srv",
];

/// What the node runs.
const SYSTEM: [&str; 12] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/boot",
    "/opt",
    "/var/lib/cni",
    "/var/spool/cron",
    "/run/systemd",
    "/sysroot",
];

/// What files lie at the path, apart from `/proc`, `/sys`, `/dev` and sockets, which have rows of their own.
#[must_use]
pub fn class(path: &str) -> Class {
    let path = normal(path);
    let holds = |tops: &[&str]| tops.iter().any(|top| below(&path, top) || below(top, &path));
    if holds(&SECRETS) {
        Class::Secrets
    } else if holds(&SYSTEM) {
        Class::System
    } else {
        Class::Other
    }
}

/// Whether the path shows something of `top` (such as `/proc`): it lies below it, or holds it.
#[must_use]
pub fn shows(path: &str, top: &str) -> bool {
    let path = normal(path);
    below(&path, top) || path == "/"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_by_what_they_name() {
        assert_eq!(normal("/var/run//containerd/../crio/"), "/run/crio");
        assert_eq!(normal("/"), "/");
        assert!(below("/proc/sys", "/proc") && !below("/processes", "/proc") && below("/x", "/"));
    }

    #[test]
    fn a_runtime_socket_is_seen_in_every_directory_that_holds_it() {
        for path in [
            "/",
            "/run",
            "/var/run",
            "/run/containerd",
            "/run/containerd/containerd.sock",
            "/run/crio/",
        ] {
            assert!(runtime_socket(path).is_some(), "{path}");
        }
        for path in [
            "/run/cilium",
            "/var/run/tetragon",
            "/etc",
            "/run/containerd/x.sock",
            "/run/containerd-other",
        ] {
            assert_eq!(runtime_socket(path), None, "{path}");
        }
    }

    #[test]
    fn classes() {
        for (path, expected) in [
            ("/", Class::Secrets),
            ("/etc/passwd", Class::Secrets),
            ("/var", Class::Secrets),
            ("/var/lib/kubelet/pods", Class::Secrets),
            ("/usr", Class::System),
            ("/lib/modules", Class::System),
            ("/var/log", Class::Other),
            ("/run/cilium", Class::Other),
        ] {
            assert_eq!(class(path), expected, "{path}");
        }
    }
}
