//! What is allowed, and what is said of it. That the kernel then refuses the rest is shown in `tests/integration/landlock.rs`.

use super::*;

#[test]
fn what_an_older_kernel_leaves_open_is_said() {
    let oldest = enforced(1);
    assert_eq!((oldest.restricted, oldest.refused), (Restricted::Partial, false));
    assert!(oldest.why.ends_with(
        "moving files between directories, truncating, TCP, ioctl on devices, abstract unix sockets and signals, unix sockets by path"
    ));
    let seven = enforced(7);
    assert_eq!(seven.restricted, Restricted::Partial);
    assert!(seven.why.ends_with("not yet: unix sockets by path"), "{}", seven.why);
    for newest in [NEWEST, NEWEST + 3] {
        assert_eq!(enforced(newest).restricted, Restricted::Full);
    }
}

#[test]
fn a_kernel_without_it_is_no_refusal() {
    for (errno, refused, word) in [
        (Errno::ENOSYS, false, "ENOSYS"),
        (Errno::EOPNOTSUPP, false, "lsm="),
        (Errno::EPERM, true, "seccomp profile"),
        (Errno::EINVAL, true, "EINVAL"),
    ] {
        let landlocked = absent(errno);
        assert_eq!((landlocked.abi, landlocked.restricted), (0, Restricted::None));
        assert_eq!(landlocked.refused, refused, "{errno}");
        assert!(landlocked.why.contains(word), "{}", landlocked.why);
    }
}

fn directories(sockets: &[&str], there: &[&str]) -> Vec<PathBuf> {
    let sockets: Vec<PathBuf> = sockets.iter().map(PathBuf::from).collect();
    socket_directories(&sockets, |path| there.iter().any(|it| Path::new(it) == path))
}

#[test]
fn sockets_are_connected_to_where_they_are_and_where_they_may_appear() {
    let node = ["/", "/run", "/run/containerd", "/var"];
    let all = [
        "/run/containerd/containerd.sock",
        "/run/crio/crio.sock",
        "/run/docker.sock",
    ];
    assert_eq!(directories(&all, &node), [Path::new("/run")]);
    let snap = "/var/snap/microk8s/common/run/containerd.sock";
    assert_eq!(directories(&[snap], &node), [Path::new("/var"), Path::new("/run")]);
    // In an image that has nothing but what is mounted.
    let image = ["/", "/run", "/run/containerd", "/host", "/host/run"];
    assert_eq!(directories(&[snap, all[0]], &image), [Path::new("/run")]);
    assert_eq!(
        directories(&["/host/run/containerd/containerd.sock"], &image),
        [Path::new("/host/run"), Path::new("/run")]
    );
}

#[test]
fn never_below_the_root_as_a_whole() {
    for socket in ["/containerd.sock", "/not/there/containerd.sock", "containerd.sock", "/"] {
        assert!(directories(&[socket], &["/"]).is_empty(), "{socket}");
    }
    assert_eq!(
        directories(&["/mounted/containerd.sock"], &["/", "/mounted"]),
        [Path::new("/mounted")]
    );
}

#[test]
fn a_link_is_followed_to_where_the_socket_is() {
    let place = tempfile::tempdir().unwrap();
    let real = place.path().canonicalize().unwrap().join("run");
    std::fs::create_dir(&real).unwrap();
    let link = place.path().join("var-run");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    // Not there yet, but its directory is.
    let socket = link.join("docker.sock");
    assert_eq!(
        whereabouts(std::slice::from_ref(&socket)),
        [real.join("docker.sock"), socket.clone()]
    );
    // There, and itself a link.
    let (elsewhere, target) = (real.join("podman"), real.join("podman/podman.sock"));
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(&target, "").unwrap();
    std::os::unix::fs::symlink(&target, real.join("docker.sock")).unwrap();
    assert_eq!(
        whereabouts(std::slice::from_ref(&socket)),
        [target, real.join("docker.sock"), socket.clone()]
    );
    let nowhere = PathBuf::from("/not/there/at.sock");
    assert_eq!(whereabouts(std::slice::from_ref(&nowhere)), [nowhere]);
}
