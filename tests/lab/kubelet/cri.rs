//! From a pod's specification to the calls of CRI. No input but the arguments, no effect: each function stands for the one
//! of Kubernetes that its comment names, and follows release 1.32.

use std::collections::{BTreeMap, HashMap};

use k8s_cri::v1::security_profile::ProfileType;
use k8s_cri::v1::{
    Capability, ContainerConfig, ContainerMetadata, DnsConfig, ImageSpec, Int64Value, KeyValue, LinuxContainerConfig,
    LinuxContainerResources, LinuxContainerSecurityContext, LinuxPodSandboxConfig, LinuxSandboxSecurityContext, Mount,
    NamespaceMode, NamespaceOption, PodSandboxConfig, PodSandboxMetadata, PortMapping, SeLinuxOption, SecurityProfile,
};

use super::super::error::{LabError, Result};
use super::super::pod::Qos;
use super::quantity::Quantity;
use super::spec::{Container, PodSpec, Profile, ProfileKind, SeLinuxOptions, Variable};
use super::{Assigned, Node};

/// pkg/securitycontext/util.go, defaultMaskedPaths.
const MASKED: [&str; 11] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];
/// pkg/securitycontext/util.go, defaultReadonlyPaths.
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// pkg/kubelet/qos/policy.go.
const GUARANTEED_SCORE: i64 = -997;
const BEST_EFFORT_SCORE: i64 = 1000;

/// pkg/kubelet/cm/helpers_linux.go.
const MIN_SHARES: u64 = 2;
const MAX_SHARES: u64 = 262_144;
const QUOTA_PERIOD: u64 = 100_000;
const MIN_QUOTA: u64 = 1000;

/// What asks for something that is not translated, before anything is made of the pod.
///
/// Besides, as the kubelet does: pkg/security/apparmor/validate.go refuses a pod that demands a profile of a kernel without
/// AppArmor, `RuntimeDefault` included.
pub(crate) fn check(pod: &PodSpec, node: &Node) -> Result<()> {
    let refuse = |why: &str| Err(LabError::pod(why));
    if pod.host_users == Some(false) {
        return refuse("hostUsers: false is not translated");
    }
    if pod.automount_service_account_token != Some(false) {
        return refuse("automountServiceAccountToken is not false: the token is not translated");
    }
    if pod.enable_service_links != Some(false) {
        return refuse("enableServiceLinks is not false: the variables of services are not translated");
    }
    if pod.restart_policy.as_deref().is_some_and(|policy| policy != "Always") {
        return refuse("a DaemonSet's restartPolicy can only be Always");
    }
    if pod.dns_policy.as_deref().is_some_and(|policy| policy != "ClusterFirst") {
        return refuse("dnsPolicy: only ClusterFirst is translated");
    }
    for container in &pod.containers {
        let context = &container.security_context;
        let armor = context
            .app_armor_profile
            .as_ref()
            .or(pod.security_context.app_armor_profile.as_ref());
        if !node.has_apparmor && armor.is_some_and(|profile| profile.kind != ProfileKind::Unconfined) {
            return refuse("Cannot enforce AppArmor: AppArmor is not enabled on the host");
        }
        if container
            .termination_message_policy
            .as_deref()
            .is_some_and(|policy| !["File", "FallbackToLogsOnError"].contains(&policy))
        {
            return refuse("terminationMessagePolicy has an unknown value");
        }
    }
    Ok(())
}

/// pkg/apis/core/v1/helper/qos/qos.go, ComputePodQOS.
pub(crate) fn class(pod: &PodSpec) -> Result<Qos> {
    let (mut any, mut guaranteed) = (false, true);
    for container in &pod.containers {
        let (requests, limits) = (&container.resources.requests, &container.resources.limits);
        let pairs = [
            (
                requests.cpu.as_ref().map(Quantity::milli).transpose()?,
                limits.cpu.as_ref().map(Quantity::milli).transpose()?,
            ),
            (
                requests.memory.as_ref().map(Quantity::bytes).transpose()?,
                limits.memory.as_ref().map(Quantity::bytes).transpose()?,
            ),
        ];
        for (request, limit) in pairs {
            any |= request.is_some() || limit.is_some();
            // A limit without a request is its own request (defaults of the API server).
            guaranteed &= limit.is_some() && request.or(limit) == limit;
        }
    }
    Ok(match (any, guaranteed) {
        (false, _) => Qos::BestEffort,
        (true, true) => Qos::Guaranteed,
        (true, false) => Qos::Burstable,
    })
}

/// pkg/kubelet/cm/pod_container_manager_linux.go, GetPodContainerName, with the driver `cgroupfs` and a `--cgroup-root`.
pub(crate) fn cgroup_parent(pod: &PodSpec, assigned: &Assigned, node: &Node) -> Result<String> {
    let level = match class(pod)? {
        Qos::Guaranteed => String::new(),
        other => format!("/{}", other.as_str()),
    };
    Ok(format!("{}/kubepods{level}/pod{}", node.cgroup_root, assigned.uid))
}

/// pkg/kubelet/kuberuntime/kuberuntime_sandbox.go, generatePodSandboxConfig, and kuberuntime_sandbox_linux.go.
pub(crate) fn sandbox(pod: &PodSpec, assigned: &Assigned, node: &Node) -> Result<PodSandboxConfig> {
    let context = &pod.security_context;
    let mut labels: HashMap<String, String> = assigned.labels.clone().into_iter().collect();
    labels.extend(own_labels(assigned));
    let mut annotations: HashMap<String, String> = assigned.annotations.clone().into_iter().collect();
    annotations.insert("kubernetes.io/config.source".to_owned(), "api".to_owned());
    let ports = pod.containers.iter().flat_map(|container| &container.ports);
    Ok(PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            name: assigned.name.clone(),
            uid: assigned.uid.clone(),
            namespace: assigned.namespace.clone(),
            attempt: 0,
        }),
        // Only a pod with a network of its own has a name there.
        hostname: if pod.host_network {
            String::new()
        } else {
            assigned.name.clone()
        },
        log_directory: node.log_directory(assigned).to_string_lossy().into_owned(),
        dns_config: Some(DnsConfig {
            servers: vec!["127.0.0.1".to_owned()],
            searches: vec![format!("{}.svc.cluster.local", assigned.namespace)],
            options: vec!["ndots:5".to_owned()],
        }),
        port_mappings: ports
            .map(|port| PortMapping {
                container_port: port.container_port.into(),
                ..PortMapping::default()
            })
            .collect(),
        labels,
        annotations,
        linux: Some(LinuxPodSandboxConfig {
            cgroup_parent: cgroup_parent(pod, assigned, node)?,
            security_context: Some(LinuxSandboxSecurityContext {
                privileged: pod
                    .containers
                    .iter()
                    .any(|container| container.security_context.privileged == Some(true)),
                // Whatever the pod asks for: kubernetes/kubernetes#84623.
                seccomp: Some(SecurityProfile {
                    profile_type: ProfileType::RuntimeDefault.into(),
                    localhost_ref: String::new(),
                }),
                run_as_user: context.run_as_user.map(|value| Int64Value { value }),
                run_as_group: context.run_as_group.map(|value| Int64Value { value }),
                supplemental_groups: context.supplemental_groups.clone(),
                namespace_options: Some(namespaces(pod)),
                selinux_options: context.se_linux_options.as_ref().map(selinux),
                ..LinuxSandboxSecurityContext::default()
            }),
            ..LinuxPodSandboxConfig::default()
        }),
        ..PodSandboxConfig::default()
    })
}

/// What the kubelet has to do with a container beside its specification.
pub(crate) struct Prepared<'a> {
    /// What the runtime calls the image.
    pub(crate) image: &'a str,
    /// The volumes, the hosts file and the termination log, on the node.
    pub(crate) mounts: Vec<Mount>,
    /// How often it was started before.
    pub(crate) attempt: u32,
}

/// pkg/kubelet/kuberuntime/kuberuntime_container.go, generateContainerConfig.
pub(crate) fn container(
    pod: &PodSpec,
    container: &Container,
    assigned: &Assigned,
    node: &Node,
    prepared: Prepared<'_>,
) -> Result<ContainerConfig> {
    let security = security_context(pod, container, node)?;
    // pkg/kubelet/kuberuntime/security_context.go, verifyRunAsNonRoot.
    let non_root = container
        .security_context
        .run_as_non_root
        .or(pod.security_context.run_as_non_root);
    if non_root == Some(true) && security.run_as_user.is_none_or(|user| user.value == 0) {
        return Err(LabError::pod("container's runAsUser breaks non-root policy"));
    }
    let mut labels = own_labels(assigned);
    labels.insert("io.kubernetes.container.name".to_owned(), container.name.clone());
    Ok(ContainerConfig {
        metadata: Some(ContainerMetadata {
            name: container.name.clone(),
            attempt: prepared.attempt,
        }),
        image: Some(ImageSpec {
            image: prepared.image.to_owned(),
            user_specified_image: container.image.clone(),
            ..ImageSpec::default()
        }),
        command: container.command.clone(),
        args: container.args.clone(),
        envs: environment(container, pod, assigned, node)?,
        mounts: prepared.mounts,
        labels,
        annotations: [
            ("io.kubernetes.container.restartCount", prepared.attempt.to_string()),
            (
                "io.kubernetes.container.terminationMessagePath",
                termination_path(container).to_owned(),
            ),
            (
                "io.kubernetes.container.terminationMessagePolicy",
                container
                    .termination_message_policy
                    .clone()
                    .unwrap_or_else(|| "File".to_owned()),
            ),
            (
                "io.kubernetes.pod.terminationGracePeriod",
                grace_period(pod).to_string(),
            ),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into(),
        log_path: format!("{}/{}.log", container.name, prepared.attempt),
        linux: Some(LinuxContainerConfig {
            resources: Some(resources(pod, container, node)?),
            security_context: Some(security),
        }),
        ..ContainerConfig::default()
    })
}

/// The path at which the file for a last message is mounted.
pub(crate) fn termination_path(container: &Container) -> &str {
    container
        .termination_message_path
        .as_deref()
        .unwrap_or("/dev/termination-log")
}

/// How long the container has between SIGTERM and SIGKILL, in seconds.
pub(crate) fn grace_period(pod: &PodSpec) -> u32 {
    pod.termination_grace_period_seconds.unwrap_or(30)
}

/// pkg/kubelet/kuberuntime/labels.go.
fn own_labels(assigned: &Assigned) -> HashMap<String, String> {
    [
        ("io.kubernetes.pod.name", &assigned.name),
        ("io.kubernetes.pod.namespace", &assigned.namespace),
        ("io.kubernetes.pod.uid", &assigned.uid),
    ]
    .map(|(key, value)| (key.to_owned(), value.clone()))
    .into()
}

/// pkg/kubelet/kuberuntime/util/util.go, NamespacesForPod.
fn namespaces(pod: &PodSpec) -> NamespaceOption {
    let of = |host: bool, otherwise: NamespaceMode| if host { NamespaceMode::Node } else { otherwise }.into();
    NamespaceOption {
        network: of(pod.host_network, NamespaceMode::Pod),
        ipc: of(pod.host_ipc, NamespaceMode::Pod),
        pid: of(pod.host_pid, NamespaceMode::Container),
        ..NamespaceOption::default()
    }
}

/// pkg/kubelet/kuberuntime/security_context.go, determineEffectiveSecurityContext: the container's word before the pod's.
fn security_context(pod: &PodSpec, container: &Container, node: &Node) -> Result<LinuxContainerSecurityContext> {
    let (own, of_pod) = (&container.security_context, &pod.security_context);
    let armor = own.app_armor_profile.as_ref().or(of_pod.app_armor_profile.as_ref());
    let user = own.run_as_user.or(of_pod.run_as_user);
    let group = own.run_as_group.or(of_pod.run_as_group);
    if user.is_none() {
        return Err(LabError::pod("no runAsUser: the image's user is not translated"));
    }
    Ok(LinuxContainerSecurityContext {
        capabilities: Some(Capability {
            add_capabilities: own.capabilities.add.clone(),
            drop_capabilities: own.capabilities.drop.clone(),
            ..Capability::default()
        }),
        privileged: own.privileged.unwrap_or(false),
        namespace_options: Some(namespaces(pod)),
        selinux_options: own
            .se_linux_options
            .as_ref()
            .or(of_pod.se_linux_options.as_ref())
            .map(selinux),
        run_as_user: user.map(|value| Int64Value { value }),
        run_as_group: group.map(|value| Int64Value { value }),
        readonly_rootfs: own.read_only_root_filesystem.unwrap_or(false),
        supplemental_groups: of_pod.supplemental_groups.clone(),
        // pkg/securitycontext/util.go, AddNoNewPrivileges: only an explicit false counts.
        no_new_privs: own.allow_privilege_escalation == Some(false),
        masked_paths: MASKED.map(str::to_owned).into(),
        readonly_paths: READ_ONLY.map(str::to_owned).into(),
        seccomp: Some(seccomp(
            own.seccomp_profile.as_ref().or(of_pod.seccomp_profile.as_ref()),
            node,
        )?),
        // pkg/kubelet/kuberuntime/helpers.go, getAppArmorProfile: nothing is sent where nothing is asked for, and the
        // runtime then takes its default where the kernel has AppArmor.
        apparmor: armor
            .map(|profile| security_profile(profile, str::to_owned))
            .transpose()?,
        ..LinuxContainerSecurityContext::default()
    })
}

/// pkg/kubelet/kuberuntime/helpers.go, getSeccompProfile without `--seccomp-default`: no word means no filter.
fn seccomp(profile: Option<&Profile>, node: &Node) -> Result<SecurityProfile> {
    match profile {
        Some(profile) => security_profile(profile, |name| {
            node.seccomp_root().join(name).to_string_lossy().into_owned()
        }),
        None => Ok(SecurityProfile {
            profile_type: ProfileType::Unconfined.into(),
            localhost_ref: String::new(),
        }),
    }
}

fn security_profile(profile: &Profile, place: impl Fn(&str) -> String) -> Result<SecurityProfile> {
    let (kind, name) = match (profile.kind, &profile.localhost_profile) {
        (ProfileKind::RuntimeDefault, None) => (ProfileType::RuntimeDefault, String::new()),
        (ProfileKind::Unconfined, None) => (ProfileType::Unconfined, String::new()),
        (ProfileKind::Localhost, Some(name)) => (ProfileType::Localhost, place(name)),
        // As validation by the API server has it.
        _ => {
            return Err(LabError::pod(
                "localhostProfile goes with the type Localhost and no other",
            ));
        }
    };
    Ok(SecurityProfile {
        profile_type: kind.into(),
        localhost_ref: name,
    })
}

fn selinux(options: &SeLinuxOptions) -> SeLinuxOption {
    SeLinuxOption {
        user: options.user.clone(),
        role: options.role.clone(),
        r#type: options.kind.clone(),
        level: options.level.clone(),
    }
}

/// pkg/kubelet/kubelet_pods.go, makeEnvironmentVariables: the service of the API server, then the container's own.
fn environment(container: &Container, pod: &PodSpec, assigned: &Assigned, node: &Node) -> Result<Vec<KeyValue>> {
    let (host, port) = (&node.api_server.0, node.api_server.1.to_string());
    let tcp = format!("tcp://{host}:{port}");
    let mut variables: BTreeMap<String, String> = [
        ("KUBERNETES_SERVICE_HOST", host.clone()),
        ("KUBERNETES_SERVICE_PORT", port.clone()),
        ("KUBERNETES_SERVICE_PORT_HTTPS", port.clone()),
        ("KUBERNETES_PORT", tcp.clone()),
        ("KUBERNETES_PORT_443_TCP", tcp),
        ("KUBERNETES_PORT_443_TCP_PROTO", "tcp".to_owned()),
        ("KUBERNETES_PORT_443_TCP_PORT", port),
        ("KUBERNETES_PORT_443_TCP_ADDR", host.clone()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    for variable in &container.env {
        variables.insert(variable.name.clone(), value_of(variable, pod, assigned, node)?);
    }
    Ok(variables
        .into_iter()
        .map(|(key, value)| KeyValue { key, value })
        .collect())
}

/// pkg/kubelet/kubelet_pods.go, podFieldSelectorRuntimeValue.
fn value_of(variable: &Variable, pod: &PodSpec, assigned: &Assigned, node: &Node) -> Result<String> {
    match (&variable.value, &variable.value_from) {
        (Some(value), None) if value.contains("$(") => Err(LabError::pod(format!(
            "{}: references to other variables are not translated",
            variable.name
        ))),
        (value, None) => Ok(value.clone().unwrap_or_default()),
        (None, Some(source)) => match &*source.field_ref.field_path {
            "spec.nodeName" => Ok(node.name.clone()),
            "spec.serviceAccountName" => Ok(pod.service_account_name.clone()),
            "metadata.name" => Ok(assigned.name.clone()),
            "metadata.namespace" => Ok(assigned.namespace.clone()),
            "metadata.uid" => Ok(assigned.uid.clone()),
            other => Err(LabError::pod(format!(
                "{}: the field {other} is not translated",
                variable.name
            ))),
        },
        (Some(_), Some(_)) => Err(LabError::pod(format!(
            "{} has a value and a source of it",
            variable.name
        ))),
    }
}

/// pkg/kubelet/kuberuntime/kuberuntime_container_linux.go, calculateLinuxResources.
fn resources(pod: &PodSpec, container: &Container, node: &Node) -> Result<LinuxContainerResources> {
    let (requests, limits) = (&container.resources.requests, &container.resources.limits);
    let request = requests.cpu.as_ref().map(Quantity::milli).transpose()?;
    let limit = limits.cpu.as_ref().map(Quantity::milli).transpose()?;
    let memory = limits.memory.as_ref().map(Quantity::bytes).transpose()?;
    let asked = requests.memory.as_ref().map(Quantity::bytes).transpose()?;
    let shares = match request.or(limit).unwrap_or(0) {
        0 => MIN_SHARES,
        milli => (milli * 1024 / 1000).clamp(MIN_SHARES, MAX_SHARES),
    };
    let quota = limit.map_or(0, |milli| (milli * QUOTA_PERIOD / 1000).max(MIN_QUOTA));
    Ok(LinuxContainerResources {
        cpu_shares: shares.cast_signed(),
        cpu_period: QUOTA_PERIOD.cast_signed(),
        cpu_quota: quota.cast_signed(),
        memory_limit_in_bytes: memory.unwrap_or(0).cast_signed(),
        oom_score_adj: score(pod, asked.or(memory).unwrap_or(0), node)?,
        ..LinuxContainerResources::default()
    })
}

/// pkg/kubelet/qos/policy.go, GetContainerOOMScoreAdjust.
fn score(pod: &PodSpec, request: u64, node: &Node) -> Result<i64> {
    if pod.priority_class_name == "system-node-critical" {
        return Ok(GUARANTEED_SCORE);
    }
    Ok(match class(pod)? {
        Qos::Guaranteed => GUARANTEED_SCORE,
        Qos::BestEffort => BEST_EFFORT_SCORE,
        Qos::Burstable => {
            let part = (1000 * request / node.memory.max(1)).cast_signed();
            (BEST_EFFORT_SCORE - part).clamp(1000 + GUARANTEED_SCORE, BEST_EFFORT_SCORE - 1)
        }
    })
}
