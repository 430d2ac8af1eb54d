//! The lab checks itself: what the other tests stand on must hold before they can say anything about the agent.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

use crate::lab::containerd::Containerd;
use crate::lab::image;
use crate::lab::pod::{Pod, PodSpec};

#[test]
fn a_pod_runs_and_nothing_is_left() {
    let lab = Containerd::start().unwrap();
    let socket = lab.socket();
    let meta = std::fs::metadata(&socket).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!((meta.uid(), meta.gid(), meta.permissions().mode() & 0o777), (0, 0, 0o660), "as on a real node");

    let uid = "0c7e5a0e-6f3c-4f0a-9a55-3b1f0a6f1d11";
    let pod = Pod::run(&lab, PodSpec::new("shop", "web-0", uid)).unwrap();
    let container = pod.start("app", &["/bin/sleep", "1000"]).unwrap();
    let output = container.exec(&["/bin/cat", "/proc/self/cgroup"]).unwrap();
    assert_eq!(output.code, 0, "{output:?}");
    let path = format!("{}/kubepods/burstable/pod{uid}/{}", lab.cgroup_root(), container.id());
    assert!(output.stdout.contains(&path), "{path} is not in {}", output.stdout);
    assert!(lab.busybox().starts_with("sha256:"), "{} as given by PullImage", image::BUSYBOX);

    let ended = pod.run_in_a_row("job", &["/bin/true"], 3).unwrap();
    assert_eq!(ended.len(), 3);
    let failed = pod.create("fails", 0, &["/bin/sh", "-c", "exit 3"]).unwrap();
    failed.start().unwrap();
    assert_eq!(failed.wait_ended().unwrap(), 3);

    // With the pod still running: that is how an aborted test ends.
    let (root, place) = (lab.cgroup_root(), socket.ancestors().nth(2).unwrap().to_owned());
    drop(lab);
    assert!(!place.exists(), "{} is left", place.display());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&*place.to_string_lossy()), "a mount is left: {mounts}");
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let cgroups = std::fs::read_to_string(process.path().join("cgroup")).unwrap_or_default();
        assert!(!cgroups.contains(&root), "process {:?} is left", process.file_name());
    }
    let cgroups = std::fs::read_to_string("/proc/self/mounts").unwrap();
    for hierarchy in cgroups.lines().filter(|line| line.split(' ').nth(2).is_some_and(|kind| kind.starts_with("cgroup")))
    {
        let left = format!("{}{root}", hierarchy.split(' ').nth(1).unwrap());
        assert!(!std::path::Path::new(&left).exists(), "{left} is left");
    }
}
