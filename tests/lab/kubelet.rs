//! A kubelet's work for one pod of a DaemonSet: reads the objects, makes the volumes, calls the runtime, probes.
//!
//! Owns the translation, of which each rule cites the kubelet's source, and the files that it puts on the node. Refuses what
//! it does not translate: a field of a manifest that is not known here is an error. It neither schedules nor restarts, and
//! it pulls nothing: the image is there.

pub(crate) mod cri;
pub(crate) mod log;
pub(crate) mod probe;
pub(crate) mod quantity;
pub(crate) mod spec;
mod volumes;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_cri::v1::{
    ContainerConfig, CreateContainerRequest, PodSandboxConfig, RemovePodSandboxRequest, RunPodSandboxRequest,
    StopContainerRequest, StopPodSandboxRequest,
};
use serde_json::Value;

use super::agent;
use super::containerd::Containerd;
use super::error::{LabError, Result};
use super::pod::{ExecOutput, PodContainer};
use super::tool;
use log::ContainerLog;
use spec::{Container, Objects, PodSpec, Probe};

/// How long a pod may take to become ready, or a container to end.
const WITHIN: Duration = Duration::from_secs(400);

/// What the kubelet knows of its node.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The name by which the API server knows it.
    pub(crate) name: String,
    /// Address and port of the service `kubernetes`.
    pub(crate) api_server: (String, u16),
    /// All memory in bytes.
    pub(crate) memory: u64,
    /// Whether the kernel has AppArmor.
    pub(crate) has_apparmor: bool,
    /// `--cgroup-root`.
    pub(crate) cgroup_root: String,
    /// `--root-dir`, usually /var/lib/kubelet.
    pub(crate) root: PathBuf,
    /// `podLogsDir`, usually /var/log/pods.
    pub(crate) logs: PathBuf,
}

impl Node {
    /// Where profiles of the type Localhost lie.
    pub(crate) fn seccomp_root(&self) -> PathBuf {
        self.root.join("seccomp")
    }

    /// pkg/kubelet/kubelet_getters.go, getPodDir.
    fn pod_directory(&self, assigned: &Assigned) -> PathBuf {
        self.root.join("pods").join(&assigned.uid)
    }

    /// pkg/kubelet/kuberuntime/helpers.go, BuildPodLogsDirectory.
    fn log_directory(&self, assigned: &Assigned) -> PathBuf {
        let Assigned {
            namespace, name, uid, ..
        } = assigned;
        self.logs.join(format!("{namespace}_{name}_{uid}"))
    }
}

/// What the API server and the controller of DaemonSets gave a pod.
#[derive(Debug, Clone)]
pub(crate) struct Assigned {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) uid: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// A kubelet on the lab's node.
pub(crate) struct Kubelet<'a> {
    lab: &'a Containerd,
    node: Node,
}

impl<'a> Kubelet<'a> {
    /// Of the node whose runtime this is.
    pub(crate) fn on(lab: &'a Containerd) -> Result<Self> {
        let place = lab.daemon().place();
        let node = Node {
            name: "node-1.example".to_owned(),
            api_server: ("10.96.0.1".to_owned(), 443),
            memory: memory()?,
            has_apparmor: Path::new("/sys/kernel/security/apparmor/profiles").exists(),
            cgroup_root: lab.cgroup_root(),
            root: place.subdir("kubelet")?,
            logs: place.subdir("pods")?,
        };
        Ok(Self { lab, node })
    }

    /// The node.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Puts a profile of seccomp where pods find it as `localhostProfile`.
    pub(crate) fn install_seccomp(&self, name: &str, profile: &str) -> Result<()> {
        let path = self.node.seccomp_root().join(name);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(LabError::file("make", dir))?;
        }
        fs::write(&path, profile).map_err(LabError::file("write", &path))
    }

    /// Removes what pods left on the node, as a kubelet does once they are gone.
    pub(crate) fn forget_pods(&self) -> Result<()> {
        for dir in [self.node.root.join("pods"), self.node.logs.clone()] {
            let script = "for mount in \"$1\"/*/volumes/kubernetes.io~empty-dir/*; do \
                          if mountpoint -q \"$mount\"; then umount \"$mount\"; fi; done; rm -rf \"$1\"";
            tool::run(self.lab.daemon().command("sh")?.args(["-ec", script, "sh"]).arg(&dir))?;
        }
        Ok(())
    }

    /// Runs the pod that the DaemonSet wants on this node, by one of the runtime's handlers (empty for its default). Does not
    /// wait for anything.
    pub(crate) fn run(&self, objects: &Objects, handler: &str) -> Result<DaemonPod<'a>> {
        let pod = self.create(objects, handler)?;
        match pod.handle().start() {
            Ok(()) => Ok(pod),
            Err(error) => {
                remove_sandbox(self.lab, &pod.sandbox)?;
                Err(error)
            }
        }
    }

    /// As [`Self::run`], up to the start of the container.
    pub(crate) fn create(&self, objects: &Objects, handler: &str) -> Result<DaemonPod<'a>> {
        let set = &objects.daemon_set;
        let pod = &set.spec.template.spec;
        let [container] = &pod.containers[..] else {
            return Err(LabError::pod("only pods of one container are translated"));
        };
        cri::check(pod, &self.node)?;
        let assigned = Assigned {
            name: format!("{}-7k2lp", set.metadata.name),
            namespace: set.metadata.namespace.clone(),
            uid: "3f0a7c1e-52d4-4b0e-9d5b-6c1f2e0a9b47".to_owned(),
            labels: set.spec.template.metadata.labels.clone(),
            annotations: set.spec.template.metadata.annotations.clone(),
        };
        let mounts = volumes::mounts(self.lab, &self.node, &assigned, pod, container, &objects.config_maps)?;
        let image = self
            .lab
            .image_id(&container.image)?
            .ok_or_else(|| LabError::pod(format!("ErrImageNeverPull: {} is not on the node", container.image)))?;
        let sandbox = cri::sandbox(pod, &assigned, &self.node)?;
        let prepared = cri::Prepared {
            image: &image,
            mounts,
            attempt: 0,
        };
        let config = cri::container(pod, container, &assigned, &self.node, prepared)?;
        let logs = self.node.log_directory(&assigned);
        let dir = logs.join(&container.name);
        fs::create_dir_all(&dir).map_err(LabError::file("make", &dir))?;
        let log = ContainerLog::follow(logs.join(&config.log_path));
        let cgroup = cri::cgroup_parent(pod, &assigned, &self.node)?;
        self.ask(pod, container, sandbox, config, handler, log, &cgroup)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one step of the above, which has them all at hand"
    )]
    fn ask(
        &self,
        pod: &PodSpec,
        container: &Container,
        sandbox: PodSandboxConfig,
        config: ContainerConfig,
        handler: &str,
        log: ContainerLog,
        cgroup: &str,
    ) -> Result<DaemonPod<'a>> {
        let request = RunPodSandboxRequest {
            config: Some(sandbox.clone()),
            runtime_handler: handler.to_owned(),
        };
        let answer = self.lab.call("RunPodSandbox", async |mut client| {
            client.run_pod_sandbox(request).await
        })?;
        let request = CreateContainerRequest {
            pod_sandbox_id: answer.pod_sandbox_id.clone(),
            config: Some(config),
            sandbox_config: Some(sandbox),
        };
        let created = self.lab.call("CreateContainer", async |mut client| {
            client.create_container(request).await
        });
        let created = match created {
            Ok(created) => created,
            Err(error) => {
                remove_sandbox(self.lab, &answer.pod_sandbox_id)?;
                return Err(error);
            }
        };
        Ok(DaemonPod {
            lab: self.lab,
            container: container.clone(),
            grace: cri::grace_period(pod),
            sandbox: answer.pod_sandbox_id,
            cgroup: format!("{cgroup}/{}", created.container_id),
            id: created.container_id,
            log,
        })
    }
}

/// The pod, running.
pub(crate) struct DaemonPod<'a> {
    lab: &'a Containerd,
    container: Container,
    grace: u32,
    sandbox: String,
    id: String,
    cgroup: String,
    log: ContainerLog,
}

/// What an ended pod left.
pub(crate) struct Ended {
    /// The exit code of its container.
    pub(crate) code: i32,
    /// The runtime's word for how it ended: `Completed`, `Error`, `OOMKilled`.
    pub(crate) reason: String,
    /// Its standard output.
    pub(crate) events: Vec<Value>,
    /// Its standard error.
    pub(crate) stderr: String,
}

impl<'a> DaemonPod<'a> {
    fn handle(&self) -> PodContainer<'a> {
        PodContainer::of(self.lab, &self.id)
    }

    /// Runs a program of the image beside the agent, as `kubectl exec` does.
    pub(crate) fn exec(&self, command: &[&str]) -> Result<ExecOutput> {
        self.handle().exec(command)
    }

    /// The container's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The container's log.
    pub(crate) fn log(&self) -> &ContainerLog {
        &self.log
    }

    /// The first process of the container, as the machine numbers it.
    pub(crate) fn pid(&self) -> Result<u64> {
        let processes = self.lab.processes_of(&self.cgroup)?;
        let first = processes.first().copied();
        first.ok_or_else(|| {
            LabError::pod(format!(
                "nothing runs in the container; its log:\n{}",
                self.log.stderr()
            ))
        })
    }

    /// `/proc/<pid>/task/*/status` of every thread in the container, by key.
    pub(crate) fn threads(&self) -> Result<Vec<BTreeMap<String, String>>> {
        let mut threads = Vec::new();
        for pid in self.lab.processes_of(&self.cgroup)? {
            threads.extend(agent::threads_of(pid)?);
        }
        Ok(threads)
    }

    /// The runtime's own specification of the container (OCI runtime specification, config.json).
    pub(crate) fn oci(&self) -> Result<Value> {
        let output = self
            .lab
            .daemon()
            .ctr(&["--namespace", "k8s.io", "containers", "info", "--spec", &self.id])?;
        serde_json::from_slice(&output.stdout).map_err(|source| LabError::NotJson {
            line: "ctr containers info".to_owned(),
            source,
        })
    }

    /// The probes that the specification has, by name.
    pub(crate) fn probes(&self) -> Vec<(&'static str, &Probe)> {
        let of = &self.container;
        [
            ("startup", &of.startup_probe),
            ("liveness", &of.liveness_probe),
            ("readiness", &of.readiness_probe),
        ]
        .into_iter()
        .filter_map(|(name, probe)| Some((name, probe.as_ref()?)))
        .collect()
    }

    /// Asks one of its probes once.
    pub(crate) fn ask(&self, probe: &Probe) -> Result<probe::Answer> {
        probe::ask(self.pid()?, &self.container, probe)
    }

    /// Waits until every probe that the specification has succeeds; where it has none, until the agent answers on its admin
    /// socket.
    pub(crate) fn wait_ready(&self) -> Result<()> {
        let probes = self.probes();
        let mut last = String::new();
        let mut at = 0;
        let mut attempt = || {
            self.still_running()?;
            if probes.is_empty() {
                let socket = format!("/proc/{}/root/run/pinhole/agent.sock", self.pid()?);
                return Ok(agent::answers(Path::new(&socket)).then_some(()));
            }
            while let Some((name, probe)) = probes.get(at) {
                let answer = self.ask(probe)?;
                if !answer.succeeded() {
                    last = format!("{name}: {}", answer.text);
                    return Ok(None);
                }
                at += 1;
            }
            Ok(Some(()))
        };
        tool::poll("the pod's readiness", WITHIN, || self.log.stderr(), &mut attempt)
            .map_err(|error| LabError::pod(format!("{error}\nlast probe: {last}")))
    }

    /// Whether the container logs these words, before it ends and within this time.
    pub(crate) fn says(&self, words: &str, within: Duration) -> Result<bool> {
        tool::poll(
            words,
            within,
            || self.log.stderr(),
            || {
                // Asked before the look, so that what was said before the end is found by it.
                let ended = self.handle().status()?.state() == k8s_cri::v1::ContainerState::ContainerExited;
                let said = self.log.stderr().contains(words);
                Ok((said || ended).then_some(said))
            },
        )
    }

    fn still_running(&self) -> Result<()> {
        let status = self.handle().status()?;
        if status.state() == k8s_cri::v1::ContainerState::ContainerExited {
            return Err(LabError::pod(format!(
                "the container has ended with {}: {}\n{}",
                status.exit_code,
                status.message,
                self.log.stderr()
            )));
        }
        Ok(())
    }

    /// Adds what the container logged to an error about its events.
    pub(crate) fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        self.log
            .events()
            .wait_for(what, agent::ARRIVES, wanted)
            .map_err(|error| LabError::pod(format!("{error}\nits log:\n{}", self.log.stderr())))
    }

    /// Ends it as a kubelet does, and collects what it left.
    pub(crate) fn stop(self) -> Result<Ended> {
        let request = StopContainerRequest {
            container_id: self.id.clone(),
            timeout: self.grace.into(),
        };
        self.lab
            .call("StopContainer", async |mut client| client.stop_container(request).await)?;
        self.collect()
    }

    /// Waits until the container has ended by itself, and collects what it left.
    pub(crate) fn collect(self) -> Result<Ended> {
        let code = self.handle().wait_ended()?;
        let reason = self.handle().status()?.reason;
        remove_sandbox(self.lab, &self.sandbox)?;
        let (events, stderr) = self.log.finish()?;
        Ok(Ended {
            code,
            reason,
            events,
            stderr,
        })
    }

    /// As [`Self::collect`], of a container that prints something else than events.
    pub(crate) fn said(self) -> Result<Said> {
        let code = self.handle().wait_ended()?;
        let status = self.handle().status()?;
        remove_sandbox(self.lab, &self.sandbox)?;
        let (stdout, stderr) = self.log.texts()?;
        let nanoseconds = status.finished_at.saturating_sub(status.started_at);
        Ok(Said {
            code,
            reason: status.reason,
            stdout,
            stderr,
            took: Duration::from_nanos(nanoseconds.unsigned_abs()),
        })
    }
}

/// What a container left whose standard output is no events.
pub(crate) struct Said {
    /// Its exit code.
    pub(crate) code: i32,
    /// The runtime's word for how it ended, as in [`Ended`].
    pub(crate) reason: String,
    /// Its standard output.
    pub(crate) stdout: String,
    /// Its standard error.
    pub(crate) stderr: String,
    /// How long it ran, by the runtime's clock.
    pub(crate) took: Duration,
}

/// Stops a sandbox and removes it with all its containers.
fn remove_sandbox(lab: &Containerd, id: &str) -> Result<()> {
    let stop = StopPodSandboxRequest {
        pod_sandbox_id: id.to_owned(),
    };
    lab.call("StopPodSandbox", async |mut client| client.stop_pod_sandbox(stop).await)?;
    let remove = RemovePodSandboxRequest {
        pod_sandbox_id: id.to_owned(),
    };
    lab.call("RemovePodSandbox", async |mut client| {
        client.remove_pod_sandbox(remove).await
    })?;
    Ok(())
}

/// `MemTotal` in bytes.
fn memory() -> Result<u64> {
    let path = Path::new("/proc/meminfo");
    let text = fs::read_to_string(path).map_err(LabError::file("read", path))?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = total.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes
        .map(|count| count * 1024)
        .ok_or_else(|| LabError::pod("no MemTotal in /proc/meminfo"))
}
