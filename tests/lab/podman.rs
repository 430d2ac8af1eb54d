//! A private podman: its storage, settings and API socket, in namespaces that take everything with them.
//!
//! There is no daemon behind it: the API's server and the command line work on the same storage, so containers are made
//! by the command line here, as people do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::error::{LabError, Result};
use super::place::Place;
use super::process::{Contained, Own};
use super::{image, tool};

/// How long the API may take to listen.
const READY: Duration = Duration::from_secs(180);

/// The low-level runtime that starts a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Starter {
    Crun,
    Runc,
}

impl Starter {
    fn as_str(self) -> &'static str {
        match self {
            Self::Crun => "crun",
            Self::Runc => "runc",
        }
    }
}

/// A podman with the lab's busybox image.
pub(crate) struct Podman {
    // Declared in the order in which they must go: processes, then the directory they used.
    process: Option<Contained>,
    place: Place,
}

impl Podman {
    /// Writes its settings, starts the server of its API, waits for the socket, and brings in the image.
    pub(crate) fn start() -> Result<Self> {
        let podman = tool::find("podman", "podman")?;
        for (tool, package) in [("conmon", "conmon"), ("crun", "crun"), ("runc", "runc")] {
            tool::find(tool, package)?;
        }
        let place = Place::new()?;
        place.subdir("run")?;
        image::write_archive(&place.path().join("images.tar"))?;
        for (file, text) in settings() {
            let path = place.path().join(file);
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir).map_err(LabError::file("make", dir))?;
            }
            fs::write(&path, text).map_err(LabError::file("write", &path))?;
        }
        // crun refuses a version 2 hierarchy beside those of version 1 (its function libcrun_get_cgroup_mode); without
        // it, it finds pure version 1, as podman does on such a host.
        let script = format!(
            "mount -t tmpfs -o mode=755 pinhole-lab /run\n\
             mount -t tmpfs -o mode=755 pinhole-lab /var/lib\n\
             if [ -e /sys/fs/cgroup/unified/cgroup.controllers ]; then umount /sys/fs/cgroup/unified; fi\n\
             export {environment}\n\
             exec '{podman}' system service --time 0 'unix://{socket}'",
            environment = environment(&place).join(" "),
            podman = podman.display(),
            socket = place.path().join("run/podman.sock").display(),
        );
        let process = Contained::start(Own::MountsAndProcesses, &script, &place.path().join("podman.log"))?;
        let lab = Self {
            process: Some(process),
            place,
        };
        tool::poll(
            "podman's socket",
            READY,
            || lab.log(),
            || Ok(lab.socket().exists().then_some(())),
        )?;
        // As its systemd unit makes it (podman.socket: SocketMode=0660).
        fs::set_permissions(lab.socket(), fs::Permissions::from_mode(0o660))
            .map_err(LabError::file("change the mode of", &lab.socket()))?;
        let archive = lab.place.path().join("images.tar");
        lab.podman(&[
            "pull",
            "--quiet",
            &format!("oci-archive:{}:{}", archive.display(), image::BUSYBOX),
        ])?;
        Ok(lab)
    }

    /// The path of the API's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.place.path().join("run/podman.sock")
    }

    /// The directory and cgroups that belong to it.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Runs a container of the busybox image in the background and gives its id.
    pub(crate) fn run(&self, name: &str, starter: Starter, options: &[&str], command: &[&str]) -> Result<String> {
        let root = self.place.cgroup_root();
        let run = ["--runtime", starter.as_str(), "run", "--detach", "--name", name];
        let id = self.podman(
            &[
                &run[..],
                &["--cgroup-parent", &root],
                options,
                &[image::BUSYBOX],
                command,
            ]
            .concat(),
        )?;
        Ok(id.trim().to_owned())
    }

    /// Where it puts a container's processes.
    pub(crate) fn cgroup_of(&self, id: &str) -> String {
        format!("{}/libpod-{id}", self.place.cgroup_root())
    }

    /// Runs podman's command line, and gives what it prints.
    pub(crate) fn podman(&self, args: &[&str]) -> Result<String> {
        let first = self.process.as_ref().and_then(Contained::first_pid);
        let first = first.ok_or_else(|| LabError::Failed {
            command: "podman system service".to_owned(),
            status: "it has ended".to_owned(),
            output: self.log(),
        })?;
        let output = tool::run(
            Command::new(tool::find("nsenter", "util-linux")?)
                .args(["--target", &first.to_string(), "--mount", "--pid", "--", "env"])
                .args(environment(&self.place))
                .arg(tool::find("podman", "podman")?)
                .args(args),
        )?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.place.path().join("podman.log")).unwrap_or_default()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        drop(self.process.take());
        if let Err(error) = self.place.remove_cgroups() {
            // A destructor cannot fail; whoever ran it should still know.
            eprintln!("lab: {error}");
        }
    }
}

/// Where podman finds what [`settings`] wrote.
fn environment(place: &Place) -> Vec<String> {
    [
        ("HOME", "home"),
        ("CONTAINERS_CONF", "containers.conf"),
        ("CONTAINERS_STORAGE_CONF", "storage.conf"),
    ]
    .map(|(name, file)| format!("{name}={}", place.path().join(file).display()))
    .into()
}

/// Files and their text. No limit of processes, because not every hierarchy here has the controller; storage on the
/// memory file system, where overlayfs works.
fn settings() -> [(&'static str, &'static str); 3] {
    [
        (
            "containers.conf",
            "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n\
             [containers]\npids_limit = 0\nlog_driver = \"k8s-file\"\n",
        ),
        (
            "storage.conf",
            "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/podman/run\"\ngraphroot = \"/run/podman/graph\"\n",
        ),
        (
            "home/.config/containers/policy.json",
            r#"{"default":[{"type":"insecureAcceptAnything"}]}"#,
        ),
    ]
}
