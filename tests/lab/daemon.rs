//! A containerd process of the lab: its directories, configuration and namespaces. What it is then asked for is not
//! decided here.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use super::error::{LabError, Result};
use super::place::Place;
use super::process::{Contained, Own};
use super::runtimes::Release;
use super::{image, tool};

/// How long the runtime may take to answer its first call.
pub(crate) const READY: Duration = Duration::from_secs(180);

/// The address of every pod that has a network of its own, for use within it.
pub(crate) const POD_ADDRESS: &str = "192.0.2.1";

/// A network as containerd's CRI plugin asks for it, and hardly one: pods get a network namespace of their own, in which the
/// loopback interface carries the pod's address, and the machine's network stays as it is. Protocol: CNI specification
/// 0.4.0, "Parameters".
const NETWORK_PLUGIN: &str = r#"#!/bin/sh -e
in_pod() { nsenter --net="$CNI_NETNS" -- busybox "$@"; }
case $CNI_COMMAND in
    VERSION) printf '{"cniVersion":"0.4.0","supportedVersions":["0.3.0","0.3.1","0.4.0"]}' ;;
    ADD)
        in_pod ip link set lo up
        [ "$CNI_IFNAME" = lo ] || in_pod ip address add 192.0.2.1/32 dev lo
        printf '{"cniVersion":"0.3.1","interfaces":[{"name":"%s","sandbox":"%s"}],
        "ips":[{"version":"4","address":"192.0.2.1/32","interface":0}]}' "$CNI_IFNAME" "$CNI_NETNS" ;;
esac
"#;
const NETWORK: &str = r#"{"cniVersion":"0.3.1","name":"paper","plugins":[{"type":"paper"}]}"#;

/// The directories of [`NETWORK`] and [`NETWORK_PLUGIN`].
struct Network {
    networks: PathBuf,
    plugins: PathBuf,
}

/// What containerd is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serves {
    /// A kubelet.
    Cri,
    /// Clients of its own API, as with Docker's packages, which switch CRI off.
    OwnApi,
}

/// The process. Dropping it ends everything that it started and removes what is left of it.
pub(crate) struct Daemon {
    // Declared in the order in which they must go: processes, then the directory they used.
    process: Option<Contained>,
    release: Release,
    place: Place,
}

impl Daemon {
    /// Starts it, and does not wait.
    pub(crate) fn start(release: Release, serves: Serves) -> Result<Self> {
        let place = Place::new()?;
        let socket = place.subdir("run")?.join("containerd.sock");
        let network = Network {
            networks: place.subdir("cni/networks")?,
            plugins: place.subdir("cni/plugins")?,
        };
        write(&network.networks.join("paper.conflist"), NETWORK, 0o644)?;
        for plugin in ["paper", "loopback"] {
            write(&network.plugins.join(plugin), NETWORK_PLUGIN, 0o755)?;
        }
        let config = place.path().join("containerd.toml");
        write(&config, &configuration(&release, serves, &socket, &network), 0o644)?;

        // Everything that containerd and runc keep lies below /run, which is a private memory file system here: overlayfs
        // works on it whatever the machine's own file system is, and it goes with the namespace. What is known of networks
        // lies below /var/lib. The socket is where every node has it, and where this machine sees it too.
        let script = format!(
            "{}mount -t tmpfs -o mode=755 pinhole-lab /run\nmkdir /run/containerd\n\
             mount --bind '{}' /run/containerd\n\
             mount -t tmpfs -o mode=755 pinhole-lab /var/lib\nexec '{}' --config '{}'",
            release.preparation(),
            place.path().join("run").display(),
            release.program("containerd")?.display(),
            config.display()
        );
        let process = Contained::start(Own::MountsAndProcesses, &script, &place.path().join("containerd.log"))?;
        Ok(Self {
            process: Some(process),
            release,
            place,
        })
    }

    /// The path of its socket: owner and group root, mode 0660, as on a node.
    pub(crate) fn socket(&self) -> PathBuf {
        self.place.path().join("run/containerd.sock")
    }

    /// The directory and cgroups that belong to it.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Whether it listens. False also when it ended; the log then tells.
    pub(crate) fn listens(&self) -> bool {
        self.process
            .as_ref()
            .is_some_and(|process| process.first_pid().is_some())
            && self.socket().exists()
    }

    /// Runs its own client, where it sees the mounts that containerd sees.
    pub(crate) fn ctr(&self, args: &[&str]) -> Result<Output> {
        tool::run(
            self.command(self.release.program("ctr")?)?
                .arg("--address")
                .arg(self.socket())
                .args(args),
        )
    }

    /// A command that sees the mounts and processes that containerd sees, and ends with it.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        let first = self.process.as_ref().and_then(Contained::first_pid);
        let first = first.ok_or_else(|| LabError::Failed {
            command: "containerd".to_owned(),
            status: "it has ended".to_owned(),
            output: self.log(),
        })?;
        let mut command = Command::new(tool::find("nsenter", "util-linux")?);
        command
            .args(["--target", &first.to_string(), "--mount", "--pid", "--"])
            .arg(program);
        Ok(command)
    }

    /// Brings the lab's images into one of its namespaces.
    pub(crate) fn import_images(&self, namespace: &str) -> Result<image::Names> {
        let archive = self.place.path().join("images.tar");
        let names = image::write_archive(&archive)?;
        self.import(namespace, &archive)?;
        // A pull by tag leaves the digest's name too.
        let tag = ["--namespace", namespace, "images", "tag", image::BUSYBOX];
        self.ctr(&[&tag[..], &[&names.busybox]].concat())?;
        Ok(names)
    }

    /// Brings the images of an archive into one of its namespaces.
    pub(crate) fn import(&self, namespace: &str, archive: &Path) -> Result<Output> {
        let archive = archive.to_string_lossy();
        self.ctr(&["--namespace", namespace, "images", "import", &archive])
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.place.path().join("containerd.log")).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.process.take());
        if let Err(error) = self.place.remove_cgroups() {
            // A destructor cannot fail; whoever ran it should still know.
            eprintln!("lab: {error}");
        }
    }
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    fs::write(path, text).map_err(LabError::file("write", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(LabError::file("change the mode of", path))
}

/// containerd 2 split the CRI plugin, and names the pause image among those that it keeps (docs/cri/config.md there).
fn configuration(release: &Release, serves: Serves, socket: &Path, network: &Network) -> String {
    let (socket, pause) = (socket.display(), image::PAUSE);
    let (networks, plugins) = (network.networks.display(), network.plugins.display());
    let common = format!(
        r#"root = "/run/lab/root"
state = "/run/lab/state"

[grpc]
address = "{socket}"
uid = 0
gid = 0

[plugins."io.containerd.internal.v1.opt"]
path = "/run/lab/opt"
"#
    );
    let plugin = if release.is_second_generation() {
        "io.containerd.cri.v1.runtime"
    } else {
        "io.containerd.grpc.v1.cri"
    };
    let handlers = handlers(plugin, &Kernel::here());
    let snapshotter = Kernel::here().snapshotter();
    // Lowering a score of the out-of-memory killer needs CAP_SYS_RESOURCE, which not every machine gives to root.
    match (release.is_second_generation(), serves) {
        (false, Serves::OwnApi) => format!("version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n{common}"),
        (true, Serves::OwnApi) => format!(
            "version = 3\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.cri.v1.runtime\", \
             \"io.containerd.cri.v1.images\"]\n{common}"
        ),
        (false, Serves::Cri) => format!(
            r#"version = 2
{common}
[plugins."io.containerd.grpc.v1.cri"]
restrict_oom_score_adj = true
sandbox_image = "{pause}"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
{handlers}
[plugins."io.containerd.grpc.v1.cri".cni]
conf_dir = "{networks}"
bin_dir = "{plugins}"
"#
        ),
        (true, Serves::Cri) => format!(
            r#"version = 3
{common}
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true

[plugins."io.containerd.cri.v1.runtime".cni]
conf_dir = "{networks}"
bin_dirs = ["{plugins}"]

{handlers}
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{pause}"
"#
        ),
    }
}

/// What the file systems of this kernel allow.
struct Kernel {
    /// overlayfs, which Debian's kernels have as a module.
    overlay: bool,
    /// The root is the memory file system that the kernel starts with, from which nobody can move (`man 2 pivot_root`).
    from_memory: bool,
}

impl Kernel {
    fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            overlay: read("/proc/filesystems")
                .lines()
                .any(|line| line.ends_with("\toverlay")),
            from_memory: read("/proc/self/mounts").starts_with("rootfs / "),
        }
    }

    fn snapshotter(&self) -> &'static str {
        if self.overlay { "overlayfs" } else { "native" }
    }
}

/// What a pod's runtime class can ask for: the shim is the same, the program that makes the container another.
fn handlers(plugin: &str, kernel: &Kernel) -> String {
    ["runc", "crun"]
        .map(|name| {
            format!(
                r#"
[plugins."{plugin}".containerd.runtimes.{name}]
runtime_type = "io.containerd.runc.v2"

[plugins."{plugin}".containerd.runtimes.{name}.options]
BinaryName = "{name}"
NoPivotRoot = {}
"#,
                kernel.from_memory
            )
        })
        .concat()
}
