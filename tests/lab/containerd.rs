//! A private containerd that serves CRI, as a node's does, with the lab's images in it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::task::{Context, Poll};
use std::time::Duration;

use k8s_cri::v1::VersionRequest;
use k8s_cri::v1::image_service_client::ImageServiceClient;
use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use k8s_cri::v1::{ImageSpec, ImageStatusRequest};
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::transport::{Channel, Endpoint};

use super::agent_image::AgentImage;
use super::daemon::{Daemon, READY, Serves};
use super::error::{LabError, Result};
use super::runtimes::Release;
use super::{image, tool};

/// How long one call to the runtime may take. Generous: the machine may be busy, and a hang is what it guards against.
const CALL: Duration = Duration::from_secs(180);

/// A running containerd with the lab's images in it.
pub(crate) struct Containerd {
    channel: Versioned,
    runtime: tokio::runtime::Runtime,
    version: String,
    images: Images,
    daemon: Daemon,
}

/// The images as the runtime knows them: `sha256:…` of their configuration, which is what `PullImage` of containerd
/// returns and a kubelet passes on.
struct Images {
    names: image::Names,
    busybox: String,
    sidecar: String,
}

impl Containerd {
    /// Starts the machine's containerd, waits until it answers, and imports the images.
    pub(crate) fn start() -> Result<Self> {
        Self::start_version(Release::installed()?)
    }

    /// As [`Self::start`], for any release.
    pub(crate) fn start_version(release: Release) -> Result<Self> {
        let daemon = Daemon::start(release, Serves::Cri)?;
        let socket = daemon.socket();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(LabError::file("make a runtime for", &socket))?;
        let (channel, version) = tool::poll(
            "containerd's first answer",
            READY,
            || daemon.log(),
            || {
                if !daemon.listens() {
                    // Not there yet or already dead; the log tells which when the time is up.
                    return Ok(None);
                }
                Ok(runtime.block_on(first_answer(&socket)).ok())
            },
        )?;
        let names = daemon.import_images("k8s.io")?;
        // CRI learns of images by events, shortly after they were imported.
        let (busybox, sidecar) = tool::poll(
            "import of the images",
            READY,
            || daemon.log(),
            || {
                runtime.block_on(async {
                    for name in [image::PAUSE, image::BUSYBOX] {
                        if image_id(&channel, name).await?.is_none() {
                            return Ok(None);
                        }
                    }
                    let busybox = image_id(&channel, &names.busybox).await?;
                    Ok(busybox.zip(image_id(&channel, &names.sidecar).await?))
                })
            },
        )?;
        Ok(Self {
            channel,
            runtime,
            version,
            images: Images {
                names,
                busybox,
                sidecar,
            },
            daemon,
        })
    }

    /// The path of the CRI socket: owner and group root, mode 0660, as on a node.
    pub(crate) fn socket(&self) -> PathBuf {
        self.daemon.socket()
    }

    /// containerd's own version.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The version of CRI that is spoken with it.
    pub(crate) fn api(&self) -> &'static str {
        self.channel.api
    }

    /// The cgroup below which all pods are.
    pub(crate) fn cgroup_root(&self) -> String {
        self.daemon.place().cgroup_root()
    }

    /// Runs a program of this machine in this cgroup, which is made if it is not there, to its end.
    pub(crate) fn run_in_cgroup(&self, cgroup: &str, program: &Path) -> Result<()> {
        let below = cgroup.strip_prefix(&self.cgroup_root()).unwrap_or(cgroup);
        let lists = self.daemon.place().make_cgroup(below)?;
        let join: String = lists
            .iter()
            .map(|list| format!("echo $$ >'{}'; ", list.display()))
            .collect();
        let script = format!("{join}exec '{}'", program.display());
        tool::run(Command::new("/bin/sh").args(["-ec", &script])).map(drop)
    }

    /// The processes in a cgroup, as this process numbers them.
    pub(crate) fn processes_of(&self, cgroup: &str) -> Result<Vec<u64>> {
        self.daemon.place().processes_of(cgroup)
    }

    /// A directory for the logs of a pod's containers, as a kubelet makes one.
    pub(crate) fn log_directory(&self, uid: &str) -> Result<PathBuf> {
        self.daemon.place().subdir(&format!("logs/{uid}"))
    }

    /// Brings in an image of the agent. Gives the reference by which a kubelet would name it, as it does for the others.
    pub(crate) fn import(&self, image: &AgentImage) -> Result<String> {
        self.daemon.import("k8s.io", &image.archive)?;
        tool::poll(
            "import of the agent's image",
            READY,
            || self.daemon.log(),
            || self.runtime.block_on(image_id(&self.channel, &image.reference)),
        )
    }

    /// The reference by which a kubelet would name the busybox image.
    pub(crate) fn busybox(&self) -> &str {
        &self.images.busybox
    }

    /// The reference by which a kubelet would name the image that was asked for by digest.
    pub(crate) fn sidecar(&self) -> &str {
        &self.images.sidecar
    }

    /// The images' names.
    pub(crate) fn names(&self) -> &image::Names {
        &self.images.names
    }

    /// Runs one call to the runtime, within a deadline.
    pub(crate) fn call<T>(
        &self,
        name: &'static str,
        make: impl AsyncFnOnce(RuntimeServiceClient<Versioned>) -> std::result::Result<tonic::Response<T>, tonic::Status>,
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

    /// Brings in the images of any archive, and waits until this one is there.
    pub(crate) fn import_archive(&self, archive: &Path, name: &str) -> Result<()> {
        self.daemon.import("k8s.io", archive)?;
        tool::poll(
            "import of an image",
            READY,
            || self.daemon.log(),
            || Ok(self.image_id(name)?.map(drop)),
        )
    }

    /// What an image is called by the runtime, if it is there: `sha256:…` of its configuration.
    pub(crate) fn image_id(&self, name: &str) -> Result<Option<String>> {
        self.runtime.block_on(image_id(&self.channel, name))
    }

    /// The process, its directories and its client.
    pub(crate) fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// What containerd has logged.
    pub(crate) fn log(&self) -> String {
        self.daemon.log()
    }
}

/// A channel that calls the services of one version of CRI. Their messages are the same on the wire in all that the lab
/// asks for (containerd's own v1alpha2 server copies them over by their bytes), so only the name in the path differs.
#[derive(Debug, Clone)]
pub(crate) struct Versioned {
    channel: Channel,
    api: &'static str,
}

impl Service<http::Request<Body>> for Versioned {
    type Response = <Channel as Service<http::Request<Body>>>::Response;
    type Error = <Channel as Service<http::Request<Body>>>::Error;
    type Future = <Channel as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<std::result::Result<(), Self::Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let path = request
            .uri()
            .path()
            .replacen("/runtime.v1.", &format!("/runtime.{}.", self.api), 1);
        if let Ok(uri) = path.parse() {
            *request.uri_mut() = uri;
        }
        self.channel.call(request)
    }
}

/// Connects, and asks for the version in both versions of CRI, the newer first.
async fn first_answer(socket: &Path) -> Result<(Versioned, String)> {
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
    let newer = Versioned { channel, api: "v1" };
    let older = Versioned {
        api: "v1alpha2",
        ..newer.clone()
    };
    match runtime_version(&newer).await {
        Ok(version) => Ok((newer, version)),
        Err(status) if status.code() == tonic::Code::Unimplemented => {
            let version = runtime_version(&older).await.map_err(LabError::call("Version"))?;
            Ok((older, version))
        }
        Err(status) => Err(LabError::call("Version")(status)),
    }
}

async fn runtime_version(channel: &Versioned) -> std::result::Result<String, tonic::Status> {
    let request = VersionRequest {
        version: channel.api.to_owned(),
    };
    let answer = RuntimeServiceClient::new(channel.clone()).version(request).await?;
    Ok(answer.into_inner().runtime_version)
}

async fn image_id(channel: &Versioned, name: &str) -> Result<Option<String>> {
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
