//! Pods and containers, asked for in the way a kubelet asks: same labels, annotations, cgroup parent and image reference.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use k8s_cri::v1::{
    ContainerConfig, ContainerMetadata, ContainerState, ContainerStatus, ContainerStatusRequest,
    CreateContainerRequest, DnsConfig, ExecSyncRequest, ImageSpec, LinuxContainerConfig, LinuxContainerSecurityContext,
    LinuxPodSandboxConfig, LinuxSandboxSecurityContext, NamespaceMode, NamespaceOption, PodSandboxConfig,
    PodSandboxMetadata, PodSandboxStatus, PodSandboxStatusRequest, RemoveContainerRequest, RemovePodSandboxRequest,
    RunPodSandboxRequest, StartContainerRequest, StopPodSandboxRequest,
};

use super::containerd::Containerd;
use super::error::{LabError, Result};
use super::{image, tool};

/// How long a command in a container, or a container that is meant to end, may take.
const ENDS: Duration = Duration::from_secs(400);

/// What a pod is called.
#[derive(Debug, Clone)]
pub(crate) struct PodSpec {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) app: String,
    pub(crate) qos: Qos,
    pub(crate) network: NamespaceMode,
    pub(crate) privileged: bool,
}

/// The class that decides which cgroup a kubelet makes for a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Qos {
    Guaranteed,
    Burstable,
    BestEffort,
}

impl Qos {
    /// As it is called in cgroup paths and in events.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "guaranteed",
            Self::Burstable => "burstable",
            Self::BestEffort => "besteffort",
        }
    }
}

/// Which image a container is made from, and how its spec names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Image {
    /// [`image::BUSYBOX`], by its tag.
    Busybox,
    /// [`image::SIDECAR_REPOSITORY`], by its digest.
    Sidecar,
}

impl PodSpec {
    /// A burstable pod in the machine's network; the uid only has to look like one.
    pub(crate) fn new(namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
            app: name.split('-').next().unwrap_or(name).to_owned(),
            qos: Qos::Burstable,
            network: NamespaceMode::Node,
            privileged: false,
        }
    }

    /// One that may have privileged containers.
    pub(crate) fn privileged(mut self) -> Self {
        self.privileged = true;
        self
    }

    /// As another class.
    pub(crate) fn of_class(mut self, qos: Qos) -> Self {
        self.qos = qos;
        self
    }

    /// In a network of its own, with nothing in it.
    pub(crate) fn in_own_network(mut self) -> Self {
        self.network = NamespaceMode::Pod;
        self
    }
}

/// A pod with its sandbox running.
pub(crate) struct Pod<'a> {
    lab: &'a Containerd,
    spec: PodSpec,
    config: PodSandboxConfig,
    id: String,
}

/// A container that was created in a pod.
pub(crate) struct PodContainer<'a> {
    lab: &'a Containerd,
    id: String,
}

/// What a command in a container gave back.
#[derive(Debug)]
pub(crate) struct ExecOutput {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

impl<'a> Pod<'a> {
    /// Runs the sandbox.
    pub(crate) fn run(lab: &'a Containerd, spec: PodSpec) -> Result<Self> {
        let mut config = sandbox_config(lab, &spec);
        config.log_directory = lab.log_directory(&spec.uid)?.to_string_lossy().into_owned();
        let request = RunPodSandboxRequest {
            config: Some(config.clone()),
            runtime_handler: String::new(),
        };
        let answer = lab.call("RunPodSandbox", async |mut client| {
            client.run_pod_sandbox(request).await
        })?;
        Ok(Self {
            lab,
            spec,
            config,
            id: answer.pod_sandbox_id,
        })
    }

    /// The sandbox's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What the pod is called.
    pub(crate) fn spec(&self) -> &PodSpec {
        &self.spec
    }

    /// The cgroup of one of its containers, relative to a hierarchy's root.
    pub(crate) fn cgroup_of(&self, container: &PodContainer<'_>) -> String {
        format!("{}/{}", cgroup_parent(self.lab, &self.spec), container.id)
    }

    /// Creates and starts a container of the busybox image.
    pub(crate) fn start(&self, name: &str, command: &[&str]) -> Result<PodContainer<'a>> {
        let container = self.create(name, 0, command)?;
        container.start()?;
        Ok(container)
    }

    /// Creates a container of the busybox image and leaves it unstarted.
    pub(crate) fn create(&self, name: &str, attempt: u32, command: &[&str]) -> Result<PodContainer<'a>> {
        self.create_from(Image::Busybox, name, attempt, command)
    }

    /// Creates a container and leaves it unstarted.
    pub(crate) fn create_from(
        &self,
        image: Image,
        name: &str,
        attempt: u32,
        command: &[&str],
    ) -> Result<PodContainer<'a>> {
        let mut config = container_config(&self.spec, name, attempt, command);
        config.image = Some(image_spec(self.lab, image));
        self.create_as(config)
    }

    /// What a kubelet asks for in a container of this name when its spec says nothing but a command.
    pub(crate) fn plain(&self, name: &str, command: &[&str]) -> ContainerConfig {
        container_config(&self.spec, name, 0, command)
    }

    /// How a configuration names the busybox image.
    pub(crate) fn image(&self) -> ImageSpec {
        image_spec(self.lab, Image::Busybox)
    }

    /// Creates a container of exactly this configuration and leaves it unstarted. What it prints can be read if the
    /// configuration has a `log_path`.
    pub(crate) fn create_as(&self, config: ContainerConfig) -> Result<PodContainer<'a>> {
        let request = CreateContainerRequest {
            pod_sandbox_id: self.id.clone(),
            config: Some(config),
            sandbox_config: Some(self.config.clone()),
        };
        let answer = self.lab.call("CreateContainer", async |mut client| {
            client.create_container(request).await
        })?;
        Ok(PodContainer {
            lab: self.lab,
            id: answer.container_id,
        })
    }

    /// Where the logs of its containers are, on this machine.
    pub(crate) fn log_directory(&self) -> &Path {
        Path::new(&self.config.log_directory)
    }

    /// Runs containers one after the other, each to its end, as a crash loop or a job does. Gives their ids. They are
    /// removed after the last one ended: the kubelet too leaves ended containers to a collection that it makes once a
    /// minute (pkg/kubelet, ContainerGCPeriod).
    pub(crate) fn run_in_a_row(&self, name: &str, command: &[&str], count: u32) -> Result<Vec<String>> {
        let mut ended = Vec::new();
        for attempt in 0..count {
            let container = self.create(name, attempt, command)?;
            container.start()?;
            container.wait_ended()?;
            ended.push(container);
        }
        let ids = ended.iter().map(|container| container.id.clone()).collect();
        for container in ended {
            container.remove()?;
        }
        Ok(ids)
    }

    /// What the runtime says of the sandbox.
    pub(crate) fn status(&self) -> Result<PodSandboxStatus> {
        let request = PodSandboxStatusRequest {
            pod_sandbox_id: self.id.clone(),
            verbose: false,
        };
        let answer = self.lab.call("PodSandboxStatus", async |mut client| {
            client.pod_sandbox_status(request).await
        })?;
        answer.status.ok_or(LabError::Answer {
            call: "PodSandboxStatus",
            what: "status",
        })
    }

    /// Stops and removes the pod with all its containers.
    pub(crate) fn remove(self) -> Result<()> {
        let stop = StopPodSandboxRequest {
            pod_sandbox_id: self.id.clone(),
        };
        self.lab
            .call("StopPodSandbox", async |mut client| client.stop_pod_sandbox(stop).await)?;
        let remove = RemovePodSandboxRequest {
            pod_sandbox_id: self.id,
        };
        self.lab.call("RemovePodSandbox", async |mut client| {
            client.remove_pod_sandbox(remove).await
        })?;
        Ok(())
    }
}

impl<'a> PodContainer<'a> {
    /// One that was created by other means.
    pub(crate) fn of(lab: &'a Containerd, id: &str) -> Self {
        Self { lab, id: id.to_owned() }
    }

    /// The container's full id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Starts it.
    pub(crate) fn start(&self) -> Result<()> {
        let request = StartContainerRequest {
            container_id: self.id.clone(),
        };
        self.lab.call("StartContainer", async |mut client| {
            client.start_container(request).await
        })?;
        Ok(())
    }

    /// Runs a command in it, as `kubectl exec` does.
    pub(crate) fn exec(&self, command: &[&str]) -> Result<ExecOutput> {
        let request = ExecSyncRequest {
            container_id: self.id.clone(),
            cmd: command.iter().map(|&word| word.to_owned()).collect(),
            timeout: ENDS.as_secs().cast_signed(),
        };
        let answer = self
            .lab
            .call("ExecSync", async |mut client| client.exec_sync(request).await)?;
        Ok(ExecOutput {
            stdout: String::from_utf8_lossy(&answer.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&answer.stderr).into_owned(),
            code: answer.exit_code,
        })
    }

    /// Waits until its first process has ended; gives the exit code.
    pub(crate) fn wait_ended(&self) -> Result<i32> {
        let what = format!("the end of container {}", self.id);
        tool::poll(
            &what,
            ENDS,
            || self.lab.log(),
            || {
                let status = self.status()?;
                Ok((status.state() == ContainerState::ContainerExited).then_some(status.exit_code))
            },
        )
    }

    /// What the runtime says of it.
    pub(crate) fn status(&self) -> Result<ContainerStatus> {
        let request = ContainerStatusRequest {
            container_id: self.id.clone(),
            verbose: false,
        };
        let answer = self.lab.call("ContainerStatus", async |mut client| {
            client.container_status(request).await
        })?;
        answer.status.ok_or(LabError::Answer {
            call: "ContainerStatus",
            what: "status",
        })
    }

    /// Removes it.
    pub(crate) fn remove(self) -> Result<()> {
        let request = RemoveContainerRequest { container_id: self.id };
        self.lab.call("RemoveContainer", async |mut client| {
            client.remove_container(request).await
        })?;
        Ok(())
    }
}

fn sandbox_config(lab: &Containerd, spec: &PodSpec) -> PodSandboxConfig {
    let namespaces = NamespaceOption {
        network: spec.network.into(),
        pid: NamespaceMode::Container.into(),
        ..NamespaceOption::default()
    };
    PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            name: spec.name.clone(),
            uid: spec.uid.clone(),
            namespace: spec.namespace.clone(),
            attempt: 0,
        }),
        // Without this the runtime copies the machine's resolv.conf, which may be a link into a hidden /run.
        dns_config: Some(DnsConfig {
            servers: vec!["127.0.0.1".to_owned()],
            ..DnsConfig::default()
        }),
        labels: owned([
            ("app", &*spec.app),
            ("io.kubernetes.pod.name", &*spec.name),
            ("io.kubernetes.pod.namespace", &*spec.namespace),
            ("io.kubernetes.pod.uid", &*spec.uid),
        ]),
        annotations: owned([("kubernetes.io/config.source", "api")]),
        linux: Some(LinuxPodSandboxConfig {
            cgroup_parent: cgroup_parent(lab, spec),
            security_context: Some(LinuxSandboxSecurityContext {
                namespace_options: Some(namespaces),
                privileged: spec.privileged,
                ..LinuxSandboxSecurityContext::default()
            }),
            ..LinuxPodSandboxConfig::default()
        }),
        ..PodSandboxConfig::default()
    }
}

/// Below the lab's own cgroup, as a kubelet with a prefix makes it: guaranteed pods have no level for their class.
fn cgroup_parent(lab: &Containerd, spec: &PodSpec) -> String {
    let level = match spec.qos {
        Qos::Guaranteed => String::new(),
        other => format!("/{}", other.as_str()),
    };
    format!("{}/kubepods{level}/pod{}", lab.cgroup_root(), spec.uid)
}

/// As a kubelet passes it on: what `PullImage` returned, and the name in the pod's spec.
fn image_spec(lab: &Containerd, image: Image) -> ImageSpec {
    let (id, name) = match image {
        Image::Busybox => (lab.busybox(), image::BUSYBOX),
        Image::Sidecar => (lab.sidecar(), &*lab.names().sidecar),
    };
    ImageSpec {
        image: id.to_owned(),
        user_specified_image: name.to_owned(),
        ..ImageSpec::default()
    }
}

fn container_config(spec: &PodSpec, name: &str, attempt: u32, command: &[&str]) -> ContainerConfig {
    let namespaces = NamespaceOption {
        network: spec.network.into(),
        pid: NamespaceMode::Container.into(),
        ..NamespaceOption::default()
    };
    ContainerConfig {
        metadata: Some(ContainerMetadata {
            name: name.to_owned(),
            attempt,
        }),
        command: command.iter().map(|&word| word.to_owned()).collect(),
        labels: owned([
            ("io.kubernetes.container.name", name),
            ("io.kubernetes.pod.name", &*spec.name),
            ("io.kubernetes.pod.namespace", &*spec.namespace),
            ("io.kubernetes.pod.uid", &*spec.uid),
        ]),
        annotations: owned([
            ("io.kubernetes.container.restartCount", &*attempt.to_string()),
            ("io.kubernetes.container.terminationMessagePath", "/dev/termination-log"),
        ]),
        linux: Some(LinuxContainerConfig {
            security_context: Some(LinuxContainerSecurityContext {
                namespace_options: Some(namespaces),
                ..LinuxContainerSecurityContext::default()
            }),
            ..LinuxContainerConfig::default()
        }),
        ..ContainerConfig::default()
    }
}

fn owned<const N: usize>(pairs: [(&str, &str); N]) -> HashMap<String, String> {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
