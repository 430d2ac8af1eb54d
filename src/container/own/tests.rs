use std::fmt::Write;

use proptest::prelude::*;

use super::*;

const A: &str = "8f2c1c6e0b7a4d3f9e5b6a7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f80910";
const B: &str = "b1b2b3b4b5b6b7b8b9b0b1b2b3b4b5b6b7b8b9b0b1b2b3b4b5b6b7b8b9b0b1b2";
const LAYER: &str = "1111111111111111111111111111111111111111111111111111111111111111";
/// What a private cgroup namespace on cgroup v2 leaves.
const HIDDEN: &str = "0::/\n";

/// A list of mounts from (root, point, kind, source, options of the file system).
fn mountinfo(mounts: &[(&str, &str, &str, &str)]) -> String {
    let mut text = String::new();
    for (number, (root, point, kind, options)) in mounts.iter().enumerate() {
        writeln!(
            text,
            "{} 900 8:1 {root} {point} rw,relatime - {kind} {kind} {options}",
            1000 + number
        )
        .unwrap();
    }
    text
}

#[test]
fn a_pod_on_containerd_shows_its_sandbox() {
    let root = format!("/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{A}");
    let mounts = mountinfo(&[
        (
            "/",
            "/",
            "overlay",
            "rw,lowerdir=/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs",
        ),
        ("/", "/proc", "proc", "rw"),
        ("/", "/sys/fs/cgroup", "cgroup2", "rw"),
        (
            "/var/lib/kubelet/pods/5b0f1c9a-8a3e-4a57-b8a3-90a5f1f0c001/etc-hosts",
            "/etc/hosts",
            "ext4",
            "rw",
        ),
        (&format!("{root}/hostname"), "/etc/hostname", "ext4", "rw"),
        (&format!("{root}/resolv.conf"), "/etc/resolv.conf", "ext4", "rw"),
        ("/", "/dev/shm", "tmpfs", "rw,size=65536k"),
    ]);
    assert_eq!(parse(HIDDEN, &mounts), [A]);
}

#[test]
fn a_pod_on_crio_shows_its_sandbox_and_no_layer() {
    let mounts = mountinfo(&[
        (
            "/",
            "/",
            "overlay",
            &format!("rw,upperdir=/var/lib/containers/storage/overlay/{LAYER}/diff"),
        ),
        (
            &format!("/containers/storage/overlay-containers/{A}/userdata/hostname"),
            "/etc/hostname",
            "tmpfs",
            "rw",
        ),
        (
            &format!("/containers/storage/overlay-containers/{A}/userdata/resolv.conf"),
            "/etc/resolv.conf",
            "tmpfs",
            "rw",
        ),
        (
            &format!("/containers/storage/overlay-containers/{B}/userdata/.containerenv"),
            "/run/.containerenv",
            "tmpfs",
            "rw",
        ),
        (
            &format!("/lib/containers/storage/overlay/{LAYER}/diff/etc"),
            "/etc/alternatives",
            "ext4",
            "rw",
        ),
    ]);
    assert_eq!(parse(HIDDEN, &mounts), [A, B]);
}

#[test]
fn docker_and_nerdctl_show_the_container() {
    let docker = format!("/var/lib/docker/containers/{A}/hostname");
    let nerdctl = format!("/var/lib/nerdctl/1935db59/containers/default/{A}/resolv.conf");
    for root in [docker, nerdctl] {
        assert_eq!(
            parse(HIDDEN, &mountinfo(&[(&root, "/etc/hostname", "ext4", "rw")])),
            [A],
            "{root}"
        );
    }
}

/// kind: a node is a Docker container whose `/var` is a volume with a name of 64 digits.
#[test]
fn in_a_nested_node_the_innermost_counts() {
    let root = format!("/docker/volumes/{LAYER}/_data/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{A}/hostname");
    assert_eq!(
        parse(HIDDEN, &mountinfo(&[(&root, "/etc/hostname", "ext4", "rw")])),
        [A]
    );
}

#[test]
fn the_cgroup_tells_the_container_where_it_is_visible() {
    let path = format!("/kubepods/burstable/pod5b0f1c9a-8a3e-4a57-b8a3-90a5f1f0c001/{B}");
    let root = format!("/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{A}/hostname");
    let mounts = [
        (path.as_str(), "/sys/fs/cgroup/cpu", "cgroup", "rw,cpu"),
        (&root, "/etc/hostname", "ext4", "rw"),
    ];
    let cgroup = format!("12:cpu:{path}\n1:name=systemd:{path}\n0::/\n");
    assert_eq!(parse(&cgroup, &mountinfo(&mounts)), [B, A]);
    // Version 1 with a private namespace: the root of what is mounted still tells.
    assert_eq!(parse("12:cpu:/\n", &mountinfo(&mounts)), [B, A]);
    let scope = format!("0::/system.slice/docker-{A}.scope\n");
    assert_eq!(parse(&scope, ""), [A]);
}

/// The host's root below `/host`, with what lies on it: other containers' files are not in the own `/etc`.
#[test]
fn what_is_mounted_elsewhere_is_not_ours() {
    let others = format!("/var/lib/docker/containers/{B}/mounts/shm");
    let mounts = mountinfo(&[
        (&others, "/host/var/lib/docker/containers/x/mounts/shm", "ext4", "rw"),
        ("/", &format!("/host/run/containerd/{B}/rootfs"), "overlay", "rw"),
        ("/", "/etc", "ext4", "rw"),
    ]);
    assert_eq!(parse(HIDDEN, &mounts), [""; 0]);
}

#[test]
fn on_a_host_there_are_none_and_of_many_only_some() {
    assert_eq!(parse("0::/user.slice/user-0.slice/session-1.scope\n", ""), [""; 0]);
    let many: Vec<(String, String)> = (0..9)
        .map(|number| (format!("/containers/{number:064}/f"), format!("/etc/{number}")))
        .collect();
    let many: Vec<_> = many
        .iter()
        .map(|(root, point)| (root.as_str(), point.as_str(), "ext4", "rw"))
        .collect();
    assert_eq!(parse("", &mountinfo(&many)).len(), LIMIT);
}

#[test]
fn this_very_process_can_be_asked() {
    ids(Path::new("/")).unwrap();
    assert!(ids(Path::new("/nonexistent")).is_err());
}

proptest! {
    #[test]
    fn whatever_stands_there_only_ids_come_out(cgroup in ".{0,200}", mounts in "([0-9a-f/ :\\\\-]{0,90}\n){0,5}") {
        for id in parse(&cgroup, &mounts) {
            prop_assert!(is_id(&id));
        }
    }
}
