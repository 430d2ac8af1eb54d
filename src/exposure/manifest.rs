//! Facts from manifests: what a workload's pod is granted when it starts.

use super::facts::{Container, Facts, Filter, Label, Phase};
use super::rights;
use crate::kubernetes::{Objects, Profile, Security, Workload, pod};

/// The facts of each workload.
#[must_use]
pub fn facts(objects: &Objects) -> Vec<Facts> {
    objects.workloads.iter().map(|workload| of(workload, objects)).collect()
}

fn of(workload: &Workload, objects: &Objects) -> Facts {
    let pod = &workload.pod;
    let name = match &workload.namespace {
        Some(namespace) => format!("{namespace}/{}", workload.name),
        None => workload.name.clone(),
    };
    let source = &workload.source;
    let place = if source.path.is_empty() {
        String::new()
    } else {
        format!(", {}", source.path)
    };
    let token = rights::token(workload, objects);
    Facts {
        subject: format!("{} {name}", workload.kind),
        source: format!("{}, document {}{place}", source.file.display(), source.document),
        phase: Phase::Start,
        containers: pod.containers.iter().map(facts_of).collect(),
        host_pid: Ok(pod.host_pid),
        host_network: Ok(pod.host_network),
        host_ipc: Ok(pod.host_ipc),
        user_namespace: Ok(pod.user_namespace),
        token: Ok(token),
        rights: if token {
            rights::of(workload, objects)
        } else {
            Ok((0, "no token is mounted".to_owned()))
        },
        ports: Ok(pod
            .containers
            .iter()
            .flat_map(|container| container.ports.clone())
            .collect()),
    }
}

fn facts_of(container: &pod::Container) -> Container {
    let security = &container.security;
    Container {
        name: container.name.clone(),
        privileged: Ok(security.privileged),
        capabilities: security.capabilities,
        root: root(security),
        root_group: root_group(security),
        no_new_privs: security.no_new_privs,
        seccomp: match &security.seccomp {
            Profile::Unset | Profile::Unconfined => Filter::None,
            Profile::RuntimeDefault => Filter::One("the runtime's profile".to_owned()),
            Profile::Localhost(name) => Filter::Own(format!("profile {name} of the node")),
        },
        apparmor: match &security.apparmor {
            Profile::Unconfined => Label::Unconfined("unconfined".to_owned()),
            Profile::Unset | Profile::RuntimeDefault => Label::Default("the runtime's profile".to_owned()),
            Profile::Localhost(name) => Label::Own(format!("profile {name} of the node")),
        },
        selinux: match &security.selinux_type {
            Some(kind) => label_of_type(kind),
            None if security.privileged => Label::Unconfined("no label, because it is privileged".to_owned()),
            None => Label::Default("the runtime's type".to_owned()),
        },
        read_only_root: Ok(security.read_only_root),
        mounts: Ok(container.host_mounts.clone()),
        image: container
            .image
            .clone()
            .ok_or_else(|| "the manifest names no image".to_owned()),
    }
}

/// Types that the policies of container-selinux and of the reference policy do not confine.
#[must_use]
pub(super) fn label_of_type(kind: &str) -> Label {
    match kind {
        "spc_t" | "super_t" | "unconfined_t" | "unconfined_service_t" | "initrc_t" | "init_t" => {
            Label::Unconfined(format!("type {kind}, which is not confined"))
        }
        "container_t" => Label::Default(format!("type {kind}")),
        other => Label::Own(format!("type {other}")),
    }
}

fn root(security: &Security) -> (bool, String) {
    match security.run_as_user {
        Some(0) => (true, "runs as uid 0".to_owned()),
        Some(uid) => (false, format!("runs as uid {uid}")),
        None if security.run_as_non_root => (false, "runs as the image's user, which may not be 0".to_owned()),
        None => (true, "the image decides, and may say uid 0".to_owned()),
    }
}

/// Without `runAsGroup` the runtime takes the image's, and group 0 for a user that the image does not know.
fn root_group(security: &Security) -> (bool, String) {
    if security.supplemental_groups.contains(&0) {
        return (true, "group 0 is among the supplementary groups".to_owned());
    }
    match security.run_as_group {
        Some(0) => (true, "runs as group 0".to_owned()),
        Some(gid) => (false, format!("runs as group {gid}")),
        None => (true, "the image decides, and may say group 0".to_owned()),
    }
}
