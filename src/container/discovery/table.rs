//! Where container runtimes put their sockets: a table, and what follows from a path alone.
//!
//! It owns which paths are looked at without any configuration, in which order, and what is expected behind each. It
//! looks at nothing itself.

use std::path::Path;

use serde::Serialize;

/// What is spoken on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// The Container Runtime Interface, or containerd's own API.
    Grpc,
    /// The Docker Engine API, which podman serves too.
    Http,
}

impl Protocol {
    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }

    /// What to expect on a socket of which only the path is known: Docker and podman name theirs after themselves
    /// wherever they put them (rootless ones lie below `/run/user`), everybody else speaks gRPC.
    #[must_use]
    pub fn of(socket: &Path) -> Self {
        match socket.file_name().and_then(|name| name.to_str()) {
            Some("docker.sock" | "podman.sock") => Self::Http,
            _ => Self::Grpc,
        }
    }
}

/// A runtime's usual place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WellKnown {
    /// The socket on the host. Below `/run`, because `/var/run` is a symbolic link that would lead out of the host prefix.
    pub socket: &'static str,
    /// Whose it is.
    pub product: &'static str,
    /// What is spoken there.
    pub protocol: Protocol,
    /// The directory below which the runtime keeps a bundle per container: `io.containerd.runtime.v2.task/NAMESPACE/ID` in
    /// containerd's, `ID/userdata` in that of CRI-O and podman. `None` where another runtime in this table keeps them.
    pub state: Option<&'static str>,
}

/// Where CRI-O and podman keep bundles (containers/storage, `runroot`).
const STORAGE: Option<&str> = Some("/run/containers/storage/overlay-containers");

/// The usual places, in the order in which they are asked when nothing else ranks them: what a kubelet uses first.
pub const WELL_KNOWN: [WellKnown; 13] = [
    grpc("/run/containerd/containerd.sock", "containerd", Some("/run/containerd")),
    grpc("/run/crio/crio.sock", "CRI-O", STORAGE),
    grpc(
        "/run/k3s/containerd/containerd.sock",
        "k3s, RKE2",
        Some("/run/k3s/containerd"),
    ),
    grpc("/run/k0s/containerd.sock", "k0s", Some("/run/k0s/containerd")),
    grpc(
        "/var/snap/microk8s/common/run/containerd.sock",
        "MicroK8s",
        Some("/var/snap/microk8s/common/run/containerd"),
    ),
    grpc("/run/cri-dockerd.sock", "cri-dockerd", None),
    grpc(
        "/run/dockershim.sock",
        "Bottlerocket before 1.11",
        Some("/run/containerd"),
    ),
    grpc(
        "/var/vcap/sys/run/containerd/containerd.sock",
        "VMware TKGI",
        Some("/var/vcap/sys/run/containerd"),
    ),
    grpc(
        "/run/host-containerd/containerd.sock",
        "Bottlerocket's host containers",
        Some("/run/host-containerd"),
    ),
    grpc(
        "/run/docker/containerd/containerd.sock",
        "Docker's own containerd",
        Some("/run/docker/containerd/daemon"),
    ),
    http("/run/docker.sock", "Docker", None),
    http("/run/podman/podman.sock", "podman", STORAGE),
    http("/var/vcap/sys/run/docker/docker.sock", "Docker of VMware TKGI", None),
];

const fn grpc(socket: &'static str, product: &'static str, state: Option<&'static str>) -> WellKnown {
    WellKnown {
        socket,
        product,
        protocol: Protocol::Grpc,
        state,
    }
}

const fn http(socket: &'static str, product: &'static str, state: Option<&'static str>) -> WellKnown {
    WellKnown {
        socket,
        product,
        protocol: Protocol::Http,
        state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_stands_in_the_documentation_in_this_order() {
        let page = include_str!("../../../docs/configuration.md");
        let mut rest = page;
        for place in WELL_KNOWN {
            let state = place.state.map_or("–".to_owned(), |state| format!("`{state}`"));
            let row = format!(
                "| `{}` | {} | {} | {state} |\n",
                place.socket,
                place.product,
                place.protocol.as_str()
            );
            let (_, after) = rest
                .split_once(&row)
                .unwrap_or_else(|| panic!("docs/configuration.md lacks, or has in another order, the row {row}"));
            rest = after;
        }
        let rows = page
            .lines()
            .filter(|line| line.ends_with("|") && line.contains(".sock` |"));
        assert_eq!(rows.filter(|row| row.starts_with("| `/")).count(), WELL_KNOWN.len());
    }

    #[test]
    fn the_protocol_of_a_row_is_that_of_its_name() {
        for place in WELL_KNOWN {
            assert_eq!(
                Protocol::of(Path::new(place.socket)),
                place.protocol,
                "{}",
                place.socket
            );
        }
        let rootless = Path::new("/run/user/1000/podman/podman.sock");
        assert_eq!(Protocol::of(rootless), Protocol::Http);
        assert_eq!(Protocol::of(Path::new("/run/cri-dockerd.sock")), Protocol::Grpc);
        assert_eq!(Protocol::of(Path::new("/")), Protocol::Grpc);
    }
}
