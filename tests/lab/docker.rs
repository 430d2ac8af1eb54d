//! A private Docker Engine: its daemon on a containerd without CRI, as Docker's packages set them up, in namespaces that
//! take everything with them. Its images come from a registry of the lab's own.
//!
//! The machine's network stays as it is: the daemon is told to make no bridge, no filter and no forwarding, and gets a
//! copy of the kernel's limits that it cannot write.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::daemon::{Daemon, Serves};
use super::error::{LabError, Result};
use super::place::Place;
use super::registry::Registry;
use super::runtimes::Release;
use super::{image, tool};

/// How long the daemon may take to answer.
const READY: Duration = Duration::from_secs(180);

/// A Docker Engine with the lab's images.
pub(crate) struct Docker {
    client: PathBuf,
    version: String,
    images: Images,
    _registry: Registry,
    // Taken in this order on drop: the namespaces of containerd end with it, and dockerd in them.
    containerd: Option<Daemon>,
    dockerd: Mutex<Child>,
}

/// The images as they are named in the lab's registry.
#[derive(Debug, Clone)]
pub(crate) struct Images {
    /// By tag.
    pub(crate) busybox: String,
    /// Its digest, `sha256:…`.
    pub(crate) busybox_digest: String,
    /// By digest alone.
    pub(crate) sidecar: String,
    /// The digest in it.
    pub(crate) sidecar_digest: String,
}

impl Docker {
    /// Starts containerd and the daemon, waits for it, and has it pull the images.
    pub(crate) fn start() -> Result<Self> {
        let release = Release::of("docker")?;
        let containerd = Daemon::start(Release::installed()?, Serves::OwnApi)?;
        tool::poll(
            "containerd's socket",
            READY,
            || containerd.log(),
            || Ok(containerd.listens().then_some(())),
        )?;
        let place = containerd.place();
        let archive = place.path().join("images.tar");
        let names = image::write_archive(&archive)?;
        let registry = Registry::serve(&archive)?;
        let images = Images {
            busybox: registry.name(image::BUSYBOX),
            busybox_digest: names.busybox_digest,
            sidecar: registry.name(&names.sidecar),
            sidecar_digest: names.sidecar_digest,
        };
        let dockerd = spawn(&release, &containerd)?;
        let docker = Self {
            client: release.program("docker")?,
            version: release.version().to_owned(),
            images,
            _registry: registry,
            containerd: Some(containerd),
            dockerd: Mutex::new(dockerd),
        };
        docker.wait_ready()?;
        for image in [&docker.images.busybox, &docker.images.sidecar] {
            docker.docker(&["pull", "--quiet", image])?;
        }
        Ok(docker)
    }

    /// The package's version.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The images' names.
    pub(crate) fn images(&self) -> &Images {
        &self.images
    }

    /// The path of the daemon's socket: owner and group root, mode 0660.
    pub(crate) fn socket(&self) -> PathBuf {
        socket(self.place())
    }

    /// The path of the socket of the containerd behind it.
    pub(crate) fn containerd_socket(&self) -> PathBuf {
        self.containerd().socket()
    }

    /// The directory and cgroups that belong to it.
    pub(crate) fn place(&self) -> &Place {
        self.containerd().place()
    }

    /// Where it puts a container's processes.
    pub(crate) fn cgroup_of(&self, id: &str) -> String {
        format!("{}/{id}", self.place().cgroup_root())
    }

    /// Runs a container in the background and gives its id.
    pub(crate) fn run(&self, name: &str, options: &[&str], image: &str, command: &[&str]) -> Result<String> {
        let run = ["run", "--detach", "--network", "none", "--name", name];
        let id = self.docker(&[&run[..], options, &[image], command].concat())?;
        Ok(id.trim().to_owned())
    }

    /// Runs Docker's command line, and gives what it prints.
    pub(crate) fn docker(&self, args: &[&str]) -> Result<String> {
        let place = self.place();
        let output = tool::run(
            Command::new(&self.client)
                .env_clear()
                .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
                // No settings of whoever runs the tests.
                .env("DOCKER_CONFIG", place.path().join("docker"))
                .arg("--host")
                .arg(format!("unix://{}", socket(place).display()))
                .args(args),
        )?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn wait_ready(&self) -> Result<()> {
        tool::poll(
            "Docker's first answer",
            READY,
            || self.log(),
            || {
                let mut dockerd = self.dockerd.lock().unwrap_or_else(PoisonError::into_inner);
                let ended = dockerd.try_wait().map_err(LabError::file("wait for", &self.client))?;
                match ended {
                    Some(status) => Err(LabError::Failed {
                        command: "dockerd".to_owned(),
                        status: status.to_string(),
                        output: self.log(),
                    }),
                    None => Ok(self.docker(&["version"]).ok()),
                }
            },
        )?;
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.place().path().join("dockerd.log")).unwrap_or_default()
    }

    fn containerd(&self) -> &Daemon {
        self.containerd.as_ref().expect("present until it is dropped")
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // Ends the first process of the namespace that dockerd is in too, and waits.
        drop(self.containerd.take());
        let _ = self.dockerd.get_mut().unwrap_or_else(PoisonError::into_inner).wait();
    }
}

fn socket(place: &Place) -> PathBuf {
    place.path().join("run/docker.sock")
}

/// Starts the daemon where containerd's mounts and processes are: both mount what a container sees.
fn spawn(release: &Release, containerd: &Daemon) -> Result<Child> {
    let place = containerd.place();
    let log = place.path().join("dockerd.log");
    let log_file = File::create(&log).map_err(LabError::file("make", &log))?;
    let log_twin = log_file.try_clone().map_err(LabError::file("share", &log))?;
    // It would raise the machine's limit of keys for root.
    let script = format!(
        "mount --bind /proc/sys/kernel/keys /proc/sys/kernel/keys\n\
         mount -o remount,bind,ro /proc/sys/kernel/keys\n\
         exec '{dockerd}' --host 'unix://{socket}' --group root --containerd '{containerd}' \
         --exec-root /run/docker --data-root /var/lib/docker --pidfile /run/docker.pid --storage-driver overlay2 \
         --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent '{cgroup}' --oom-score-adjust 0 \
         --bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --userland-proxy=false",
        dockerd = release.program("dockerd")?.display(),
        socket = socket(place).display(),
        containerd = containerd.socket().display(),
        cgroup = place.cgroup_root(),
    );
    let mut command = containerd.command("/bin/sh")?;
    command
        .args(["-ec", &script])
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(log_file)
        .stderr(log_twin);
    command.spawn().map_err(|source| LabError::Start {
        program: tool::shown(&command),
        source,
    })
}
