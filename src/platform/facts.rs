//! What can be read about the host without any privilege, from inside a pod or on the host itself. A fact that could
//! not be read is absent, never guessed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Larger than any os-release or DMI string.
const MAX_FACT_BYTES: u64 = 16 * 1024;

/// Sockets whose presence tells platforms apart; not the list that is tried for lookups.
const SOCKETS: [&str; 5] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/docker.sock",
    "/run/podman/podman.sock",
];

/// Facts that [`super::detect()`] decides from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// `/etc/os-release`: in a container that of its image, so only a host's own value tells something.
    pub os_release: BTreeMap<String, String>,
    /// The kernel's release, as `uname -r` prints it: always the host's.
    pub kernel_release: Option<String>,
    /// Which of the well-known runtime sockets exist.
    pub sockets: Vec<PathBuf>,
    /// `KUBERNETES_SERVICE_HOST`: set in every pod.
    pub kubernetes_service_host: Option<String>,
    /// `/var/lib/kubelet` exists: the agent runs on a node, outside a pod.
    pub kubelet: bool,
    /// `/etc/kubernetes/azure.json` exists: the node was made by AKS.
    pub azure_json: bool,
    /// `/sys/class/dmi/id/sys_vendor`: always the host's.
    pub dmi_vendor: Option<String>,
    /// `/sys/class/dmi/id/chassis_asset_tag`.
    pub dmi_asset_tag: Option<String>,
}

impl Facts {
    /// Reads the facts of this host and process.
    #[must_use]
    pub fn of_this_host() -> Self {
        let kernel_release = nix::sys::utsname::uname()
            .ok()
            .and_then(|names| names.release().to_str().map(str::to_owned));
        Self::read(
            Path::new("/"),
            kernel_release,
            std::env::var("KUBERNETES_SERVICE_HOST").ok(),
        )
    }

    /// Reads the files under `root`; what is no file is handed in.
    #[must_use]
    pub fn read(root: &Path, kernel_release: Option<String>, kubernetes_service_host: Option<String>) -> Self {
        let at = |path: &str| root.join(path.trim_start_matches('/'));
        let line = |path| {
            read_text(&at(path))
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        Self {
            os_release: read_text(&at("/etc/os-release"))
                .map(|text| parse_os_release(&text))
                .unwrap_or_default(),
            kernel_release,
            sockets: SOCKETS
                .into_iter()
                .filter(|path| fs::metadata(at(path)).is_ok_and(|found| found.file_type().is_socket()))
                .map(PathBuf::from)
                .collect(),
            kubernetes_service_host: kubernetes_service_host.filter(|host| !host.is_empty()),
            kubelet: at("/var/lib/kubelet").is_dir(),
            azure_json: at("/etc/kubernetes/azure.json").exists(),
            dmi_vendor: line("/sys/class/dmi/id/sys_vendor"),
            dmi_asset_tag: line("/sys/class/dmi/id/chassis_asset_tag"),
        }
    }
}

impl Facts {
    /// Adds what is below `root`, where the host's root directory is mounted: the host's own os-release, the sockets and
    /// the signs of a node, which a container does not show elsewhere.
    #[must_use]
    pub fn with_host(mut self, root: &Path) -> Self {
        let host = Self::read(root, None, None);
        if !host.os_release.is_empty() {
            self.os_release = host.os_release;
        }
        for socket in host.sockets {
            if !self.sockets.contains(&socket) {
                self.sockets.push(socket);
            }
        }
        self.kubelet |= host.kubelet;
        self.azure_json |= host.azure_json;
        self.dmi_vendor = self.dmi_vendor.or(host.dmi_vendor);
        self.dmi_asset_tag = self.dmi_asset_tag.or(host.dmi_asset_tag);
        self
    }
}

fn read_text(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path)
        .ok()?
        .take(MAX_FACT_BYTES)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

/// os-release(5): shell-like assignments. Quotes are removed; escapes do not occur in the keys that are looked at.
fn parse_os_release(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().trim_matches(['"', '\'']).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_host_is_read_from_its_files() {
        let root = tempfile::tempdir().unwrap();
        for directory in [
            "etc/kubernetes",
            "run/crio",
            "run/containerd",
            "sys/class/dmi/id",
            "var/lib/kubelet",
        ] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        fs::write(
            root.path().join("etc/os-release"),
            "# c\nID=\"rhcos\"\nOPENSHIFT_VERSION='4.18'\n",
        )
        .unwrap();
        fs::write(root.path().join("etc/kubernetes/azure.json"), "{}").unwrap();
        fs::write(
            root.path().join("sys/class/dmi/id/sys_vendor"),
            "Microsoft Corporation\n",
        )
        .unwrap();
        fs::write(root.path().join("sys/class/dmi/id/chassis_asset_tag"), "\n").unwrap();
        fs::write(root.path().join("run/containerd/containerd.sock"), "a file, no socket").unwrap();
        let _listener = UnixListener::bind(root.path().join("run/crio/crio.sock")).unwrap();
        let facts = Facts::read(root.path(), Some("5.14".to_owned()), Some(String::new()));
        assert_eq!(facts.os_release["ID"], "rhcos");
        assert_eq!(facts.os_release["OPENSHIFT_VERSION"], "4.18");
        assert_eq!(facts.sockets, [PathBuf::from("/run/crio/crio.sock")]);
        assert_eq!((facts.kubelet, facts.azure_json), (true, true));
        assert_eq!(facts.dmi_vendor.as_deref(), Some("Microsoft Corporation"));
        assert_eq!((facts.dmi_asset_tag, facts.kubernetes_service_host), (None, None));
    }

    #[test]
    fn a_mounted_host_adds_to_what_a_container_shows() {
        let root = tempfile::tempdir().unwrap();
        for directory in ["etc", "run/crio", "var/lib/kubelet"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        fs::write(root.path().join("etc/os-release"), "ID=rhcos\n").unwrap();
        let _listener = UnixListener::bind(root.path().join("run/crio/crio.sock")).unwrap();
        let container = Facts {
            os_release: [("ID".to_owned(), "debian".to_owned())].into(),
            kernel_release: Some("5.14".to_owned()),
            kubernetes_service_host: Some("10.0.0.1".to_owned()),
            ..Facts::default()
        };
        let facts = container.clone().with_host(root.path());
        assert_eq!(facts.os_release["ID"], "rhcos");
        assert_eq!(facts.sockets, [PathBuf::from("/run/crio/crio.sock")]);
        assert!(facts.kubelet && !facts.azure_json);
        assert_eq!(facts.kernel_release, container.kernel_release);
        assert_eq!(facts.kubernetes_service_host, container.kubernetes_service_host);
        assert_eq!(facts.clone().with_host(root.path()), facts, "nothing twice");
        assert_eq!(container.clone().with_host(&root.path().join("nothing")), container);
    }

    #[test]
    fn nothing_readable_means_nothing_known() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Facts::read(root.path(), None, None), Facts::default());
    }
}
