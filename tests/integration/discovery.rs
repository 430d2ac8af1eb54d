//! Which runtime is asked, on nodes with several and with runtimes that come and go.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use pinhole::container::own;
use pinhole::control::client::Client;
use serde_json::Value;

use crate::event::{agent, assert_never_silently_null, is_exec};
use crate::lab::agent::Installed;
use crate::lab::containerd::Containerd;
use crate::lab::pod::{Pod, PodSpec};
use crate::lab::turn::Turn;

const FIRST: &str = "5b0f1c9a-8a3e-4a57-b8a3-90a5f1f0c011";
const SECOND: &str = "5b0f1c9a-8a3e-4a57-b8a3-90a5f1f0c012";

/// Makes a path lead to the directory of a runtime's socket.
fn lead(path: &Path, lab: &Containerd) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(lab.socket().parent().unwrap(), path).unwrap();
}

/// What the mounts and the cgroup of a pod's container say about it is what proves a runtime to be the agent's own.
#[test]
fn a_container_of_a_pod_finds_its_own_ids() {
    let _turn = Turn::take().unwrap();
    let lab = Containerd::start().unwrap();
    let pod = Pod::run(&lab, PodSpec::new("shop", "web-1", FIRST)).unwrap();
    let container = pod.start("app", &["/bin/sleep", "1000"]).unwrap();
    let read = |file: &str| container.exec(&["cat", file]).unwrap().stdout;
    let (cgroup, mounts) = (read("/proc/self/cgroup"), read("/proc/self/mountinfo"));
    let ids = own::parse(&cgroup, &mounts);
    assert!(ids.contains(&pod.id().to_owned()), "{ids:?}\n{mounts}");
    assert!(ids.contains(&container.id().to_owned()), "{ids:?}\n{cgroup}");
    assert_eq!(ids.len(), 2, "{ids:?}");
    // Where a cgroup namespace hides the path, the sandbox's files still tell.
    let private: Vec<&str> = mounts.lines().filter(|line| !line.contains(" - cgroup")).collect();
    assert_eq!(own::parse("0::/\n", &private.join("\n")), [pod.id()]);
}

/// As on a node where k3s runs its own containerd beside Docker's, which answers at the usual path and has no pods.
#[test]
fn of_two_containerds_the_one_with_pods_counts_more() {
    let _turn = Turn::take().unwrap();
    let (usual, k3s) = (Containerd::start().unwrap(), Containerd::start().unwrap());
    let pod = Pod::run(&k3s, PodSpec::new("shop", "web-1", FIRST)).unwrap();
    let installed = Installed::new(agent()).unwrap();
    let host = installed.dir().join("host");
    lead(&host.join("run/containerd"), &usual);
    lead(&host.join("run/k3s/containerd"), &k3s);
    let prefix = ["--profile", "generic", "--runtime-host-prefix"].map(AsRef::<std::ffi::OsStr>::as_ref);
    let agent = installed.run(prefix.into_iter().chain([host.as_os_str()])).unwrap();
    let deadline = crate::lab::agent::ARRIVES;
    let mut client = Client::connect(&installed.control_socket(), deadline).unwrap();
    let runtimes = client.status(deadline).unwrap().runtimes;
    let of = |part: &str| {
        let found = runtimes.iter().find(|runtime| runtime.socket.ends_with(part));
        let runtime = found.unwrap_or_else(|| panic!("{part} is not among {runtimes:?}"));
        (
            runtime.rank.as_str(),
            runtime.evidence.as_str(),
            runtime.origin.as_str(),
        )
    };
    assert_eq!(
        of("/run/containerd/containerd.sock"),
        ("answers", "no pods when it was first asked", "containerd")
    );
    assert_eq!(
        of("/run/k3s/containerd/containerd.sock"),
        ("pods", "1 pod", "k3s, RKE2")
    );
    assert_eq!(of("/run/crio/crio.sock").0, "absent");
    let container = pod.start("app", &["/bin/sleep", "1000"]).unwrap();
    let started = agent
        .wait_for("the container's exec", |event| is_exec(event, &["/bin/sleep", "1000"]))
        .unwrap();
    assert_eq!(started["container"]["id"], container.id(), "{started}");
    assert_eq!(started["metadata"]["status"], "complete", "{started}");
    assert_never_silently_null(&agent.stop().unwrap().events);
}

/// The directory of the socket appears while the agent runs, goes with its runtime, and comes back with another: the agent
/// follows under its own system call filter, and no event of a container lacks a name once a runtime is there.
#[test]
fn a_runtime_that_comes_goes_and_comes_back_is_used_at_once() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let directory = installed.dir().join("node/run/containerd");
    let socket = directory.join("containerd.sock");
    let agent = installed
        .run(["--runtime-socket".as_ref(), socket.as_os_str()])
        .unwrap();
    for (name, uid) in [("web-1", FIRST), ("web-2", SECOND)] {
        let lab = Containerd::start().unwrap();
        lead(&directory, &lab);
        let pod = Pod::run(&lab, PodSpec::new("shop", name, uid)).unwrap();
        let container = pod.start("app", &["/bin/sleep", uid]).unwrap();
        let started: Value = agent
            .wait_for("the container's exec", |event| is_exec(event, &["/bin/sleep", uid]))
            .unwrap();
        assert_eq!(started["container"]["id"], container.id(), "{started}");
        assert_eq!(started["kubernetes"]["pod"]["name"], name, "{started}");
        assert_eq!(started["metadata"]["status"], "complete", "{started}");
        drop(lab);
        fs::remove_file(&directory).unwrap();
    }
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
    assert_never_silently_null(&stopped.events);
}
