//! Healthy hosts, of which the doctor must find nothing: before the agent and beside it.

use std::path::Path;

use super::manifest::Manifest;
use super::node;
use super::report::Report;
use super::table::Verdict;
use crate::lab::pod::{Pod, PodSpec};
use crate::lab::runtimes::Release;
use crate::lab::tool;
use crate::lab::turn::Turn;

const SHOP: &str = "8d2f1c9a-8a3e-4a57-b8a3-90a5f1f0c0d0";

/// A node of this release whose pods are made by this handler, with another pod beside the agent's.
pub(super) fn is_healthy(release: Release, profile: &str, handler: &str) {
    let _turn = Turn::take().unwrap();
    let lab = node::start_with(release);
    let in_node = |script: &str| tool::run(lab.daemon().command("sh").unwrap().args(["-ec", script])).unwrap();
    if handler == "crun" {
        // It refuses a version 2 hierarchy beside those of version 1 (its function libcrun_get_cgroup_mode).
        in_node("if [ -e /sys/fs/cgroup/unified/cgroup.controllers ]; then umount /sys/fs/cgroup/unified; fi");
    }
    let mut roots: &[(&str, &str)] = &[];
    if profile == "openshift" {
        // CRI-O is not to be had here: containerd stands at its place, which is all that there is to be said.
        in_node(
            "ln -s containerd.sock /run/containerd/crio.sock; mkdir /run/crio; mount --bind /run/containerd /run/crio",
        );
        roots = &[("PIN-PRF-002", "warn")];
    }
    let kubelet = node::kubelet(&lab);
    let shop = Pod::run(&lab, PodSpec::new("shop", "web-0", SHOP).in_own_network()).unwrap();
    shop.start("app", &["/bin/sleep", "1000"]).unwrap();
    let manifest = Manifest::of(profile);
    let mut verdict = Verdict::default();
    let name = |mode: &str| format!("{profile} by {handler} on containerd {}, {mode}", lab.version());
    let report = node::cold(&kubelet, &manifest, handler);
    verdict.expect(&name("cold"), &report, roots);
    backend_is_told(&report);
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        has_a_cgroup_namespace(&report);
    }
    let pod = node::run(&kubelet, &manifest, handler);
    pod.wait_ready().unwrap();
    let report = node::beside(&pod);
    verdict.expect(&name("live"), &report, roots);
    backend_is_told(&report);
    node::stop(&kubelet, pod);
    shop.remove().unwrap();
    verdict.end();
}

/// Where the kernel refuses trampolines nothing is wrong, and it is said which backend works instead and why.
fn backend_is_told(report: &Report) {
    let check = report.check("PIN-BPF-002");
    let observed = &check["observed"];
    println!("  {}", check["summary"]);
    match observed["backend"].as_str() {
        Some("trampoline") => {}
        Some("dispatcher") => assert!(observed["why"].as_str().is_some_and(|why| !why.is_empty()), "{check}"),
        _ => panic!("{check}"),
    }
}

/// With version 2 alone a runtime gives each pod a cgroup namespace, in which its own path is the root. That hides nothing from
/// the kernel side, so nothing is found.
fn has_a_cgroup_namespace(report: &Report) {
    let evidence = &report.check("PIN-MNT-006")["evidence"];
    let told = evidence.as_array().unwrap().iter().map(|it| &it["value"]);
    let paths: Vec<_> = told.filter_map(|paths| paths.get("")).collect();
    assert_eq!(paths, ["/"], "{evidence}");
}

#[test]
fn generic_by_runc() {
    is_healthy(Release::installed().unwrap(), "generic", "runc");
}

#[test]
fn generic_by_crun() {
    is_healthy(Release::installed().unwrap(), "generic", "crun");
}

#[test]
fn aks_by_runc() {
    is_healthy(Release::installed().unwrap(), "aks", "runc");
}

/// Under its Localhost profile of seccomp, which admits to the doctor what it asks for and hardly more.
#[test]
fn openshift_by_runc() {
    is_healthy(Release::installed().unwrap(), "openshift", "runc");
}

#[test]
#[ignore = "`just test-runtimes` fetches it"]
fn generic_on_containerd_1_7() {
    is_healthy(Release::of("trixie").unwrap(), "generic", "runc");
}

#[test]
#[ignore = "`just test-runtimes` fetches it"]
fn generic_on_containerd_2() {
    is_healthy(Release::of("sid").unwrap(), "generic", "runc");
}
