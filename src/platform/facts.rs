//! What can be read about the host without any privilege, from inside a pod or on the host itself. A fact that could not
//! be read is absent, never guessed. Which files, sockets and DMI strings are looked for, the profiles' rules say.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::model::Subject;
use super::profile;

/// Larger than any os-release or DMI string.
const MAX_FACT_BYTES: u64 = 16 * 1024;
/// More labels than a node has.
const MAX_LABELS: usize = 256;

/// What is told rather than read from files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// `uname -r`: always the host's.
    pub kernel_release: Option<String>,
    /// `KUBERNETES_SERVICE_HOST`: set in every pod.
    pub api_server: Option<String>,
    /// `NODE_NAME`, by the downward API.
    pub node_name: Option<String>,
    /// `NODE_LABELS`: pairs `key=value`, separated by commas. No API hands a node's labels to a pod: whoever deploys does.
    pub node_labels: Option<String>,
}

impl Told {
    /// What this process was told.
    fn of_this_process() -> Self {
        let variable = |name| std::env::var(name).ok();
        Self {
            kernel_release: nix::sys::utsname::uname()
                .ok()
                .and_then(|names| names.release().to_str().map(str::to_owned)),
            api_server: variable("KUBERNETES_SERVICE_HOST"),
            node_name: variable("NODE_NAME"),
            node_labels: variable("NODE_LABELS"),
        }
    }
}

/// Facts that [`super::detect()`] decides from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// `/etc/os-release` of the host. That of a container's image tells nothing and is left out.
    pub os_release: BTreeMap<String, String>,
    /// The kernel's release, as `uname -r` prints it: always the host's.
    pub kernel_release: Option<String>,
    /// Which of the sockets that tell platforms apart exist; not the list that is tried for lookups.
    pub sockets: Vec<PathBuf>,
    /// Which of the files and directories that tell platforms apart exist.
    pub files: Vec<PathBuf>,
    /// Active security modules, as far as can be seen.
    pub lsms: Vec<String>,
    /// Files of `/sys/class/dmi/id`: always the host's.
    pub dmi: BTreeMap<String, String>,
    /// `KUBERNETES_SERVICE_HOST`: set in every pod.
    pub kubernetes_service_host: Option<String>,
    /// `/var/lib/kubelet` exists: the agent runs on a node, or the host's root is mounted.
    pub kubelet: bool,
    /// The node's name in Kubernetes.
    pub node_name: Option<String>,
    /// Labels of the node.
    pub node_labels: BTreeMap<String, String>,
}

impl Facts {
    /// Reads the facts of this host and process.
    #[must_use]
    pub fn of_this_host() -> Self {
        Self::read(Path::new("/"), Told::of_this_process())
    }

    /// Reads the files under `root`; what is no file is handed in.
    #[must_use]
    pub fn read(root: &Path, told: Told) -> Self {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let kubernetes_service_host = given(told.api_server);
        let kubelet = below(root, "/var/lib/kubelet").is_dir();
        // In a pod that does not see the node's files os-release is the image's.
        let image = kubernetes_service_host.is_some() && !kubelet;
        let mut facts = Self {
            os_release: if image { BTreeMap::new() } else { os_release(root) },
            kernel_release: told.kernel_release,
            lsms: lsms(root),
            kubernetes_service_host,
            kubelet,
            node_name: given(told.node_name),
            node_labels: labels(&told.node_labels.unwrap_or_default()),
            ..Self::default()
        };
        let profiles = profile::all().unwrap_or_default();
        for rule in profiles.iter().flat_map(|profile| &profile.platform.detect.evidence) {
            match &rule.fact {
                Subject::Socket => facts.look_for(root, &rule.is, true),
                Subject::File => facts.look_for(root, &rule.is, false),
                Subject::Dmi(file) => {
                    if let Some(text) = line(&below(root, "/sys/class/dmi/id").join(file)) {
                        facts.dmi.insert(file.clone(), text);
                    }
                }
                _ => {}
            }
        }
        facts
    }

    fn look_for(&mut self, root: &Path, paths: &[String], socket: bool) {
        for path in paths {
            let kind = fs::metadata(below(root, path)).map(|found| found.file_type());
            let found = kind.is_ok_and(|kind| !socket || kind.is_socket());
            let list = if socket { &mut self.sockets } else { &mut self.files };
            if found && !list.iter().any(|known| known == Path::new(path)) {
                list.push(PathBuf::from(path));
            }
        }
    }

    /// Adds what is below `root`, where the host's root directory is mounted: the host's own os-release, the sockets and
    /// the signs of a node, which a container does not show elsewhere.
    #[must_use]
    pub fn with_host(mut self, root: &Path) -> Self {
        let host = Self::read(root, Told::default());
        if !host.os_release.is_empty() {
            self.os_release = host.os_release;
        }
        for (mine, theirs) in [(&mut self.sockets, host.sockets), (&mut self.files, host.files)] {
            for path in theirs {
                if !mine.contains(&path) {
                    mine.push(path);
                }
            }
        }
        if self.lsms.is_empty() {
            self.lsms = host.lsms;
        }
        self.kubelet |= host.kubelet;
        for (file, text) in host.dmi {
            self.dmi.entry(file).or_insert(text);
        }
        self
    }
}

fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
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

fn line(path: &Path) -> Option<String> {
    read_text(path)
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// securityfs says it; where that is not mounted, as in a container, the process' own label does.
fn lsms(root: &Path) -> Vec<String> {
    if let Some(list) = line(&below(root, "/sys/kernel/security/lsm")) {
        return list.split(',').map(str::to_owned).collect();
    }
    let mut found = Vec::new();
    if line(&below(root, "/sys/module/apparmor/parameters/enabled")).as_deref() == Some("Y") {
        found.push("apparmor".to_owned());
    }
    // SELinux' labels are user:role:type:level; AppArmor's are a profile's name and its mode.
    let label = line(&below(root, "/proc/self/attr/current")).unwrap_or_default();
    if label.split(':').count() >= 3 && !label.ends_with(')') {
        found.push("selinux".to_owned());
    }
    found
}

/// os-release(5): shell-like assignments. Quotes are removed; escapes do not occur in the keys that are looked at.
fn os_release(root: &Path) -> BTreeMap<String, String> {
    let text = read_text(&below(root, "/etc/os-release")).unwrap_or_default();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().trim_matches(['"', '\'']).to_owned()))
        .collect()
}

impl Facts {
    /// Adds labels of the node, in the form of [`Told::node_labels`].
    pub fn add_labels(&mut self, text: &str) {
        self.node_labels.extend(labels(text));
    }
}

/// `key=value` pairs, separated by commas; a key alone has an empty value, as in Kubernetes.
fn labels(text: &str) -> BTreeMap<String, String> {
    text.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .take(MAX_LABELS)
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn told(kernel: Option<&str>, api_server: Option<&str>) -> Told {
        Told {
            kernel_release: kernel.map(str::to_owned),
            api_server: api_server.map(str::to_owned),
            ..Told::default()
        }
    }

    #[test]
    fn a_host_is_read_from_its_files() {
        let root = tempfile::tempdir().unwrap();
        for directory in [
            "etc/kubernetes",
            "run/crio",
            "run/containerd",
            "sys/class/dmi/id",
            "sys/kernel/security",
            "var/lib/kubelet",
        ] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        let write = |path: &str, text: &str| fs::write(root.path().join(path), text).unwrap();
        write("etc/os-release", "# c\nID=\"rhcos\"\nOPENSHIFT_VERSION='4.18'\n");
        write("etc/kubernetes/azure.json", "{}");
        write("sys/class/dmi/id/sys_vendor", "Microsoft Corporation\n");
        write("sys/class/dmi/id/chassis_asset_tag", "\n");
        write("sys/kernel/security/lsm", "lockdown,capability,selinux\n");
        write("run/containerd/containerd.sock", "a file, no socket");
        let _listener = UnixListener::bind(root.path().join("run/crio/crio.sock")).unwrap();
        let labels = Some("a/b=c, lone ,,d=e=f".to_owned());
        let facts = Facts::read(
            root.path(),
            Told {
                node_labels: labels,
                node_name: Some(String::new()),
                ..told(Some("5.14"), Some(""))
            },
        );
        assert_eq!(facts.os_release["ID"], "rhcos");
        assert_eq!(facts.os_release["OPENSHIFT_VERSION"], "4.18");
        assert_eq!(facts.sockets, [PathBuf::from("/run/crio/crio.sock")]);
        assert_eq!(facts.files, [PathBuf::from("/etc/kubernetes/azure.json")]);
        assert_eq!(facts.lsms, ["lockdown", "capability", "selinux"]);
        assert_eq!(facts.dmi["sys_vendor"], "Microsoft Corporation");
        assert!(facts.kubelet && !facts.dmi.contains_key("chassis_asset_tag"));
        assert_eq!((facts.kubernetes_service_host, facts.node_name), (None, None));
        let pairs = [("a/b", "c"), ("d", "e=f"), ("lone", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(facts.node_labels, BTreeMap::from(pairs));
    }

    #[test]
    fn the_os_release_of_an_image_is_no_fact() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/os-release"), "ID=rhcos\n").unwrap();
        let facts = Facts::read(root.path(), told(None, Some("10.0.0.1")));
        assert_eq!(facts.os_release, BTreeMap::new());
    }

    #[test]
    fn a_container_knows_its_security_module_by_its_label() {
        for (label, enabled, modules) in [
            ("system_u:system_r:container_t:s0:c1,c2\0", "", &["selinux"][..]),
            ("system_u:system_r:spc_t:s0\n", "", &["selinux"]),
            ("cri-containerd.apparmor.d (enforce)\n", "Y\n", &["apparmor"]),
            ("a:b:c (enforce)\n", "Y\n", &["apparmor"]),
            ("unconfined\n", "N\n", &[]),
        ] {
            let root = tempfile::tempdir().unwrap();
            for (path, text) in [
                ("proc/self/attr/current", label),
                ("sys/module/apparmor/parameters/enabled", enabled),
            ] {
                let path = root.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            assert_eq!(Facts::read(root.path(), Told::default()).lsms, modules, "{label:?}");
        }
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
            kernel_release: Some("5.14".to_owned()),
            kubernetes_service_host: Some("10.0.0.1".to_owned()),
            ..Facts::default()
        };
        let facts = container.clone().with_host(root.path());
        assert_eq!(facts.os_release["ID"], "rhcos");
        assert_eq!(facts.sockets, [PathBuf::from("/run/crio/crio.sock")]);
        assert!(facts.kubelet && facts.files.is_empty());
        assert_eq!(facts.kernel_release, container.kernel_release);
        assert_eq!(facts.kubernetes_service_host, container.kubernetes_service_host);
        assert_eq!(facts.clone().with_host(root.path()), facts, "nothing twice");
        assert_eq!(container.clone().with_host(&root.path().join("nothing")), container);
    }

    #[test]
    fn nothing_readable_means_nothing_known() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Facts::read(root.path(), Told::default()), Facts::default());
    }
}
