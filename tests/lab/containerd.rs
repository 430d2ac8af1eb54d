//! A private containerd: its own root, state, socket and cgroups, in namespaces that take everything with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use k8s_cri::v1::VersionRequest;
use k8s_cri::v1::image_service_client::ImageServiceClient;
use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use k8s_cri::v1::{ImageSpec, ImageStatusRequest};
use tonic::transport::{Channel, Endpoint};

use super::error::{LabError, Result};
use super::place::Place;
use super::process::Contained;
use super::{image, tool};

/// How long one call to the runtime may take. Generous: the machine may be busy, and a hang is what it guards against.
const CALL: Duration = Duration::from_secs(60);
/// How long the runtime may take to answer its first call.
const READY: Duration = Duration::from_secs(30);

/// A running containerd with the lab's images in it.
pub(crate) struct Containerd {
    // Declared in the order in which they must go: processes, then the directory they used.
    process: Option<Contained>,
    runtime: tokio::runtime::Runtime,
    channel: Channel,
    version: String,
    images: Images,
    place: Place,
}

/// The images as the runtime knows them: `sha256:…` of their configuration, which is what `PullImage` of containerd
/// returns and a kubelet passes on.
struct Images {
    busybox: String,
}

impl Containerd {
    /// Starts containerd, waits until it answers, and imports the images.
    pub(crate) fn start() -> Result<Self> {
        let containerd = tool::find("containerd", "containerd")?;
        for (tool, package) in [
            ("runc", "runc"),
            ("containerd-shim-runc-v2", "containerd"),
            ("ctr", "containerd"),
        ] {
            tool::find(tool, package)?;
        }
        let place = Place::new()?;
        let socket = place.subdir("run")?.join("containerd.sock");
        let config = place.path().join("containerd.toml");
        fs::write(&config, configuration(&socket)).map_err(LabError::file("write", &config))?;
        let archive = place.path().join("images.tar");
        image::write_archive(&archive)?;

        // Everything that containerd, its shims and runc keep lies below /run, which is a private memory file system
        // here: overlayfs works on it whatever the machine's own file system is, and it goes with the namespace.
        let script = format!(
            "mount -t tmpfs -o mode=755 pinhole-lab /run\nmkdir /run/containerd\nexec '{}' --config '{}'",
            containerd.display(),
            config.display()
        );
        let log = place.path().join("containerd.log");
        let process = Contained::start(&script, &log)?;

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(LabError::file("make a runtime for", &socket))?;
        let tail = || fs::read_to_string(&log).unwrap_or_default();
        let (channel, version) = tool::poll("containerd's first answer", READY, tail, || {
            if !process.is_running() && !socket.exists() {
                // Not there yet or already dead; the log tells which when the time is up.
                return Ok(None);
            }
            Ok(runtime.block_on(first_answer(&socket)).ok())
        })?;

        tool::run(
            Command::new(tool::find("ctr", "containerd")?)
                .arg("--address")
                .arg(&socket)
                .args(["--namespace", "k8s.io", "images", "import"])
                .arg(&archive),
        )?;
        // CRI learns of images by events, shortly after they were imported.
        let busybox = tool::poll(
            "import of the images",
            READY,
            || String::new(),
            || {
                runtime.block_on(async {
                    image_id(&channel, image::PAUSE).await?;
                    image_id(&channel, image::BUSYBOX).await
                })
            },
        )?;
        Ok(Self {
            process: Some(process),
            runtime,
            channel,
            version,
            images: Images { busybox },
            place,
        })
    }

    /// The path of the CRI socket: owner and group root, mode 0660, as on a node.
    pub(crate) fn socket(&self) -> PathBuf {
        self.place.path().join("run/containerd.sock")
    }

    /// containerd's own version.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The cgroup below which all pods are.
    pub(crate) fn cgroup_root(&self) -> String {
        self.place.cgroup_root()
    }

    /// The reference by which a kubelet would name the busybox image.
    pub(crate) fn busybox(&self) -> &str {
        &self.images.busybox
    }

    /// Runs one call to the runtime, within a deadline.
    pub(crate) fn call<T>(
        &self,
        name: &'static str,
        make: impl AsyncFnOnce(RuntimeServiceClient<Channel>) -> std::result::Result<tonic::Response<T>, tonic::Status>,
    ) -> Result<T> {
        let client = RuntimeServiceClient::new(self.channel.clone());
        self.runtime.block_on(async {
            match tokio::time::timeout(CALL, make(client)).await {
                Ok(answer) => answer.map(tonic::Response::into_inner).map_err(LabError::call(name)),
                Err(_) => Err(LabError::Deadline {
                    what: name.to_owned(),
                    within: CALL,
                    context: self.log(),
                }),
            }
        })
    }

    /// What containerd has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.place.path().join("containerd.log")).unwrap_or_default()
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        drop(self.process.take());
        if let Err(error) = self.place.remove_cgroups() {
            // A destructor cannot fail; whoever ran it should still know.
            eprintln!("lab: {error}");
        }
    }
}

async fn first_answer(socket: &Path) -> Result<(Channel, String)> {
    let connect = |source| LabError::Connect {
        socket: socket.to_owned(),
        source,
    };
    let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display())).map_err(connect)?;
    let channel = endpoint
        .connect_timeout(Duration::from_secs(2))
        .connect()
        .await
        .map_err(connect)?;
    let request = VersionRequest {
        version: "v1".to_owned(),
    };
    let answer = RuntimeServiceClient::new(channel.clone())
        .version(request)
        .await
        .map_err(LabError::call("Version"))?;
    Ok((channel, answer.into_inner().runtime_version))
}

async fn image_id(channel: &Channel, name: &str) -> Result<Option<String>> {
    let image = ImageSpec {
        image: name.to_owned(),
        ..ImageSpec::default()
    };
    let answer = ImageServiceClient::new(channel.clone())
        .image_status(ImageStatusRequest {
            image: Some(image),
            verbose: false,
        })
        .await
        .map_err(LabError::call("ImageStatus"))?;
    Ok(answer.into_inner().image.map(|image| image.id))
}

fn configuration(socket: &Path) -> String {
    format!(
        r#"version = 2
root = "/run/containerd/root"
state = "/run/containerd/state"

[grpc]
address = "{socket}"
uid = 0
gid = 0

[plugins."io.containerd.internal.v1.opt"]
path = "/run/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
# Lowering a score needs CAP_SYS_RESOURCE, which not every machine gives to root.
restrict_oom_score_adj = true
sandbox_image = "{pause}"

[plugins."io.containerd.grpc.v1.cri".cni]
conf_dir = "/run/containerd/cni"
"#,
        socket = socket.display(),
        pause = image::PAUSE,
    )
}
