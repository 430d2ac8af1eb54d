//! The lab checks itself: what the other tests stand on must hold before they can say anything about the agent.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

use crate::lab::containerd::Containerd;
use crate::lab::image;
use crate::lab::kernels::Kernel;
use crate::lab::pod::{Pod, PodSpec};
use crate::lab::strace;
use crate::lab::vm::Machine;

#[test]
fn a_pod_runs_and_nothing_is_left() {
    let lab = Containerd::start().unwrap();
    let socket = lab.socket();
    let meta = std::fs::metadata(&socket).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(
        (meta.uid(), meta.gid(), meta.permissions().mode() & 0o777),
        (0, 0, 0o660),
        "as on a real node"
    );

    let uid = "0c7e5a0e-6f3c-4f0a-9a55-3b1f0a6f1d11";
    let pod = Pod::run(&lab, PodSpec::new("shop", "web-0", uid)).unwrap();
    let container = pod.start("app", &["/bin/sleep", "1000"]).unwrap();
    let output = container.exec(&["/bin/cat", "/proc/self/cgroup"]).unwrap();
    assert_eq!(output.code, 0, "{output:?}");
    let path = format!("{}/kubepods/burstable/pod{uid}/{}", lab.cgroup_root(), container.id());
    assert!(output.stdout.contains(&path), "{path} is not in {}", output.stdout);
    assert!(
        lab.busybox().starts_with("sha256:"),
        "{} as given by PullImage",
        image::BUSYBOX
    );

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
    for hierarchy in cgroups
        .lines()
        .filter(|line| line.split(' ').nth(2).is_some_and(|kind| kind.starts_with("cgroup")))
    {
        let left = format!("{}{root}", hierarchy.split(' ').nth(1).unwrap());
        assert!(!std::path::Path::new(&left).exists(), "{left} is left");
    }
}

/// Boots one kernel and looks around: it is the expected one, has what the agent needs, and honours parameters.
fn look_around(suite: &str, series: &str) {
    let kernel = Kernel::of(suite).unwrap();
    let release = kernel.release.clone();
    assert!(release.starts_with(series), "{suite} has {release}");
    let finished = Machine::new(kernel)
        .parameter("lockdown=integrity")
        .run("uname -r\ncat /sys/kernel/security/lockdown\ntest -s /sys/kernel/btf/vmlinux && grep -c cgroup2 /proc/mounts\nexit 7\n")
        .unwrap();
    let lines: Vec<&str> = finished.output.lines().collect();
    assert_eq!(
        lines,
        [&*release, "none [integrity] confidentiality", "1"],
        "{}",
        finished.console
    );
    assert_eq!(finished.code, 7);
}

#[test]
fn linux_5_10_boots() {
    look_around("bullseye", "5.10.");
}

#[test]
fn linux_6_1_boots() {
    look_around("bookworm", "6.1.");
}

#[test]
fn linux_6_12_boots() {
    look_around("bookworm-backports", "6.12.");
}

#[test]
fn newest_linux_boots() {
    look_around("sid", "");
}

#[test]
fn strace_lines_are_understood() {
    let calls = strace::parse(concat!(
        "12 execve(\"/bin/cat\", [\"cat\", \"a, \\\"b\\\" = \\303\\244\"], [\"A=1\"]) = 0\n",
        "12 openat(AT_FDCWD, \"/no\", O_RDONLY <unfinished ...>\n",
        "13 connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"127.0.0.1\")}, 16) = 0\n",
        "12 <... openat resumed>) = -1 ENOENT (No such file or directory)\n",
        "12 +++ exited with 0 +++\n",
    ));
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert_eq!(calls[0].strings(1).unwrap(), ["cat", "a, \"b\" = \u{e4}"]);
    assert_eq!((calls[1].pid, calls[1].args.len(), calls[1].ret), (13, 3, 0));
    assert_eq!(calls[2].string(1).as_deref(), Some("/no"));
    assert_eq!((calls[2].ret, calls[2].error.as_deref()), (-1, Some("ENOENT")));
}
