//! Volumes as the kubelet makes them on the node, and the two files that it gives to every container.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use k8s_cri::v1::Mount;

use super::super::containerd::Containerd;
use super::super::error::{LabError, Result};
use super::super::tool;
use super::quantity::Quantity;
use super::spec::{ConfigMap, Container, PodSpec, Volume};
use super::{Assigned, Node, cri};

/// The mode of an emptyDir: pkg/volume/emptydir/empty_dir.go, `perm`. Its owner is root.
const EMPTY_DIR_MODE: u32 = 0o777;
/// The mode of a ConfigMap's files unless it says otherwise: ConfigMapVolumeSourceDefaultMode.
const CONFIG_MAP_MODE: u32 = 0o644;

/// Makes the pod's volumes and gives the mounts of its container.
pub(crate) fn mounts(
    lab: &Containerd,
    node: &Node,
    assigned: &Assigned,
    pod: &PodSpec,
    container: &Container,
    config_maps: &[ConfigMap],
) -> Result<Vec<Mount>> {
    let mut mounts = Vec::new();
    for wanted in &container.volume_mounts {
        let volume = pod.volumes.iter().find(|volume| volume.name == wanted.name);
        let volume = volume
            .ok_or_else(|| LabError::pod(format!("the container mounts no volume of the pod: {}", wanted.name)))?;
        let (host, always_read_only) = match (&volume.host_path, &volume.config_map, &volume.empty_dir) {
            (Some(wanted), None, None) => (host_path(lab, &wanted.path, &wanted.kind)?, false),
            // pkg/volume/configmap/configmap.go, GetAttributes.
            (None, Some(_), None) => (config_map(node, assigned, volume, config_maps)?, true),
            (None, None, Some(_)) => (empty_dir(lab, node, assigned, volume, container)?, false),
            _ => return Err(LabError::pod(format!("the volume {} is of no one kind", volume.name))),
        };
        mounts.push(mount(&wanted.mount_path, &host, wanted.read_only || always_read_only));
    }
    for volume in &pod.volumes {
        if !container.volume_mounts.iter().any(|wanted| wanted.name == volume.name) {
            return Err(LabError::pod(format!("nobody mounts the volume {}", volume.name)));
        }
    }
    mounts.push(mount("/etc/hosts", &hosts(node, assigned)?, false));
    let message = node.pod_directory(assigned).join("containers").join(&container.name);
    fs::create_dir_all(&message).map_err(LabError::file("make", &message))?;
    let message = message.join("termination-log");
    // pkg/kubelet/kuberuntime/kuberuntime_container.go, makeMounts: whatever user the container has may write to it.
    write(&message, "", 0o666)?;
    mounts.push(mount(cri::termination_path(container), &message, false));
    Ok(mounts)
}

fn mount(inside: &str, host: &Path, readonly: bool) -> Mount {
    Mount {
        container_path: inside.to_owned(),
        host_path: host.to_string_lossy().into_owned(),
        readonly,
        ..Mount::default()
    }
}

/// pkg/volume/hostpath/host_path.go, checkTypeInternal, asked where the runtime sees its node.
fn host_path(lab: &Containerd, path: &str, kind: &str) -> Result<PathBuf> {
    let test = match kind {
        "" => None,
        "Directory" => Some("-d"),
        "File" => Some("-f"),
        "Socket" => Some("-S"),
        other => return Err(LabError::pod(format!("hostPath of type {other} is not translated"))),
    };
    if let Some(flag) = test {
        let there = lab.daemon().command("test")?.args([flag, path]).status();
        if !there.map_err(LabError::file("look at", Path::new(path)))?.success() {
            return Err(LabError::pod(format!(
                "hostPath type check failed: {path} is not a {kind}"
            )));
        }
    }
    Ok(PathBuf::from(path))
}

/// pkg/volume/configmap/configmap.go, SetUpAt, and pkg/volume/util/atomic_writer.go: files in a directory that carries the
/// time, `..data` leads to it, and each file is a link through that.
fn config_map(node: &Node, assigned: &Assigned, volume: &Volume, maps: &[ConfigMap]) -> Result<PathBuf> {
    let source = volume.config_map.as_ref();
    let source = source.ok_or_else(|| LabError::pod("no ConfigMap"))?;
    let map = maps.iter().find(|map| map.metadata.name == source.name);
    let dir = volume_directory(node, assigned, "configmap", &volume.name)?;
    let Some(map) = map else {
        if source.optional {
            return Ok(dir);
        }
        return Err(LabError::pod(format!(
            "MountVolume.SetUp failed for volume {:?}: configmap {:?} not found",
            volume.name, source.name
        )));
    };
    let stamp = "..2026_01_02_03_04_05.1234567890";
    let payload = dir.join(stamp);
    fs::create_dir_all(&payload).map_err(LabError::file("make", &payload))?;
    for (name, text) in &map.data {
        write(
            &payload.join(name),
            text,
            source.default_mode.unwrap_or(CONFIG_MAP_MODE),
        )?;
        let link = dir.join(name);
        symlink(Path::new("..data").join(name), &link).map_err(LabError::file("make", &link))?;
    }
    let data = dir.join("..data");
    symlink(stamp, &data).map_err(LabError::file("make", &data))?;
    Ok(dir)
}

/// pkg/volume/emptydir/empty_dir.go: a directory, or a memory file system as large as the volume or else the container may
/// get.
fn empty_dir(
    lab: &Containerd,
    node: &Node,
    assigned: &Assigned,
    volume: &Volume,
    container: &Container,
) -> Result<PathBuf> {
    let source = volume.empty_dir.as_ref();
    let source = source.ok_or_else(|| LabError::pod("no emptyDir"))?;
    let dir = volume_directory(node, assigned, "empty-dir", &volume.name)?;
    match &*source.medium {
        "" => {}
        "Memory" => {
            let limit = source
                .size_limit
                .as_ref()
                .or(container.resources.limits.memory.as_ref());
            let size = limit.map_or(Ok(node.memory), Quantity::bytes)?;
            tool::run(
                lab.daemon()
                    .command("mount")?
                    .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
                    .arg(&dir),
            )?;
        }
        other => return Err(LabError::pod(format!("emptyDir of medium {other} is not translated"))),
    }
    // Where the runtime sees it: what is mounted there is not mounted here.
    tool::run(
        lab.daemon()
            .command("chmod")?
            .arg(format!("{EMPTY_DIR_MODE:o}"))
            .arg(&dir),
    )?;
    Ok(dir)
}

/// pkg/kubelet/kubelet_pods.go, makeHostsMount.
fn hosts(node: &Node, assigned: &Assigned) -> Result<PathBuf> {
    let dir = node.pod_directory(assigned);
    fs::create_dir_all(&dir).map_err(LabError::file("make", &dir))?;
    let file = dir.join("etc-hosts");
    let text = format!(
        "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n{}\t{}\n",
        super::super::daemon::POD_ADDRESS,
        assigned.name
    );
    write(&file, &text, 0o644)?;
    Ok(file)
}

/// pkg/kubelet/kubelet_getters.go, getPodVolumeDir.
fn volume_directory(node: &Node, assigned: &Assigned, plugin: &str, name: &str) -> Result<PathBuf> {
    let dir = node
        .pod_directory(assigned)
        .join("volumes")
        .join(format!("kubernetes.io~{plugin}"))
        .join(name);
    fs::create_dir_all(&dir).map_err(LabError::file("make", &dir))?;
    Ok(dir)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    fs::write(path, text).map_err(LabError::file("write", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(LabError::file("change the mode of", path))
}
