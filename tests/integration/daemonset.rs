//! The agent's DaemonSet, run on a real containerd as a kubelet runs it, from the image as it is built for releases.

use std::process::Command;

use serde_json::{Value, json};

use crate::event::{agent, assert_never_silently_null, is_exec};
use crate::lab::agent::AGENT_ID;
use crate::lab::agent_image::agent_image;
use crate::lab::containerd::Containerd;
use crate::lab::kubelet::spec::Objects;
use crate::lab::kubelet::{DaemonPod, Kubelet};
use crate::lab::pod::{Pod, PodSpec};
use crate::lab::runtimes::Release;
use crate::lab::tool;
use crate::lab::turn::Turn;

const CAP_PERFMON: u64 = 1 << 38;
const CAP_BPF: u64 = 1 << 39;
const SHOP: &str = "8d2f1c9a-8a3e-4a57-b8a3-90a5f1f0c0aa";

/// The objects of a profile, as `agent manifest` prints them, with the image that is built here.
pub(crate) fn manifest(profile: &str) -> Objects {
    Objects::of_list(&printed(profile, &[])).unwrap()
}

fn printed(profile: &str, more: &[&str]) -> Value {
    let image = agent_image(agent()).unwrap().reference;
    let words = ["manifest", "--profile", profile, "--format", "json", "--image", &image];
    let printed = tool::run(Command::new(agent()).args(words).args(more)).unwrap();
    serde_json::from_slice(&printed.stdout).unwrap()
}

/// A node with the agent's image.
pub(crate) fn node(release: Release) -> Containerd {
    let lab = Containerd::start_version(release).unwrap();
    lab.import(&agent_image(agent()).unwrap()).unwrap();
    lab
}

/// Every thread in the container, by the kernel's own word.
fn assert_unprivileged(pod: &DaemonPod<'_>) {
    let threads = pod.threads().unwrap();
    assert!(threads.len() >= 2, "pipeline and control: {threads:#?}");
    let id = AGENT_ID.to_string();
    for thread in &threads {
        let set = |key: &str| u64::from_str_radix(&thread[key], 16).unwrap();
        for key in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(set(key), 0, "{key} of {thread:#?}");
        }
        // What the runtime granted; with no_new_privs it grants nothing.
        assert_eq!(set("CapBnd"), CAP_BPF | CAP_PERFMON, "{thread:#?}");
        assert_eq!((&*thread["NoNewPrivs"], &*thread["Seccomp"]), ("1", "2"), "{thread:#?}");
        for key in ["Uid", "Gid"] {
            assert!(thread[key].split_whitespace().all(|found| found == id), "{thread:#?}");
        }
        let mut groups: Vec<&str> = thread["Groups"].split_whitespace().collect();
        groups.sort_unstable();
        // containerd adds the user's own group from 1.6.? on; nothing else of root than group 0.
        assert!(groups == ["0"] || groups == ["0", &*id], "{thread:#?}");
    }
}

/// Runs the pod of these objects and another pod beside it, whose events come out of the first with all that is known.
fn watches(lab: &Containerd, objects: &Objects, handler: &str) {
    let kubelet = Kubelet::on(lab).unwrap();
    let setup = include_str!("../../seccomp/agent-setup.json");
    kubelet.install_seccomp("pinhole/agent-setup.json", setup).unwrap();
    let pod = kubelet.run(objects, handler).unwrap();
    pod.wait_ready().unwrap();
    assert_unprivileged(&pod);

    let shop = Pod::run(lab, PodSpec::new("shop", "web-0", SHOP).in_own_network()).unwrap();
    let web = shop.start("app", &["/bin/sleep", "1000"]).unwrap();
    let said = web.exec(&["cat", "/etc/hostname"]).unwrap();
    assert_eq!(said.code, 0, "{said:?}");
    let event = pod
        .wait_for("the exec of cat", |event| {
            event["container"]["id"] == web.id() && is_exec(event, &["cat", "/etc/hostname"])
        })
        .unwrap();
    assert_eq!(event["metadata"]["status"], "complete", "{event}");
    assert_eq!(event["node"], kubelet.node().name, "by the downward API: {event}");
    assert_eq!(event["container"]["name"], "app", "{event}");
    assert_eq!(event["container"]["runtime"], "containerd", "{event}");
    assert_eq!(event["kubernetes"]["namespace"], "shop", "{event}");
    assert_eq!(event["kubernetes"]["pod"]["name"], "web-0", "{event}");
    assert_eq!(event["kubernetes"]["pod"]["uid"], SHOP, "{event}");

    assert_unprivileged(&pod);
    assert_eq!(pod.probes().len(), 3, "startup, liveness, readiness");
    for (name, probe) in pod.probes() {
        let answer = pod.ask(probe).unwrap();
        assert!(answer.succeeded(), "{name}: {answer:?}");
    }
    // What it would be worth to somebody who takes it over, as it runs.
    let judged = pod.exec(&["/agent", "exposure", "--max", "1.0"]).unwrap();
    println!("{}", judged.stdout);
    assert_eq!(judged.code, 0, "{judged:?}");
    let ended = pod.stop().unwrap();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_never_silently_null(&ended.events);
    let summary = ended.events.last().unwrap();
    assert_eq!(summary["type"], "summary", "{summary}");
    crate::event::balanced_hooks(summary);
    shop.remove().unwrap();
}

fn watches_by(release: Release, profile: &str, handler: &str) {
    let _turn = Turn::take().unwrap();
    let lab = node(release);
    let in_node = |script: &str| tool::run(lab.daemon().command("sh").unwrap().args(["-ec", script])).unwrap();
    if handler == "crun" {
        // It refuses a version 2 hierarchy beside those of version 1 (its function libcrun_get_cgroup_mode).
        in_node("if [ -e /sys/fs/cgroup/unified/cgroup.controllers ]; then umount /sys/fs/cgroup/unified; fi");
    }
    if profile == "openshift" {
        // CRI-O is not to be had here: containerd stands at its place.
        in_node(
            "ln -s containerd.sock /run/containerd/crio.sock; mkdir /run/crio; mount --bind /run/containerd /run/crio",
        );
    }
    watches(&lab, &manifest(profile), handler);
}

/// With rules in a ConfigMap the pod tells alerts and nothing else.
#[test]
fn rules_come_from_a_config_map() {
    const RULE: &str = "- rule: Reads a name\n  desc: d\n  condition: >\n    evt.type in (open, openat) and evt.is_open_read=true and \
                        fd.name=/etc/hostname and proc.name=cat and k8s.ns.name=shop\n  output: '%proc.cmdline in %k8s.pod.name'\n  \
                        priority: NOTICE\n";
    let _turn = Turn::take().unwrap();
    let lab = node(Release::installed().unwrap());
    let kubelet = Kubelet::on(&lab).unwrap();
    let setup = include_str!("../../seccomp/agent-setup.json");
    kubelet.install_seccomp("pinhole/agent-setup.json", setup).unwrap();
    let mut list = printed("generic", &["--rules-configmap", "pinhole-rules"]);
    let namespace = list["items"][1]["metadata"]["namespace"].clone();
    list["items"].as_array_mut().unwrap().push(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "pinhole-rules", "namespace": namespace},
        "data": {"rules.yaml": RULE},
    }));
    let pod = kubelet.run(&Objects::of_list(&list).unwrap(), "runc").unwrap();
    pod.wait_ready().unwrap();
    let shop = Pod::run(&lab, PodSpec::new("shop", "web-0", SHOP)).unwrap();
    let web = shop.start("app", &["/bin/sleep", "1000"]).unwrap();
    assert_eq!(web.exec(&["cat", "/etc/hostname"]).unwrap().code, 0);
    let alert = pod
        .wait_for("the alert", |event| event["rule"] == "Reads a name")
        .unwrap();
    let output = alert["output"].as_str().unwrap();
    assert!(output.contains("cat /etc/hostname in web-0"), "{alert}");
    let ended = pod.stop().unwrap();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let (summary, alerts) = ended.events.split_last().unwrap();
    assert_eq!((&summary["type"], alerts), (&json!("summary"), &[alert][..]));
    shop.remove().unwrap();
}

#[test]
fn generic_by_runc() {
    watches_by(Release::installed().unwrap(), "generic", "runc");
}

#[test]
fn generic_by_crun() {
    watches_by(Release::installed().unwrap(), "generic", "crun");
}

#[test]
fn aks_by_runc() {
    watches_by(Release::installed().unwrap(), "aks", "runc");
}

/// Its Localhost profile of seccomp is in force; of SELinux this kernel has nothing, and containerd passes its words by.
#[test]
fn openshift_by_runc() {
    watches_by(Release::installed().unwrap(), "openshift", "runc");
}

#[test]
#[ignore = "`just test-runtimes` fetches it"]
fn aks_on_containerd_1_7() {
    watches_by(Release::of("trixie").unwrap(), "aks", "runc");
}

#[test]
#[ignore = "`just test-runtimes` fetches it"]
fn aks_on_containerd_2() {
    watches_by(Release::of("sid").unwrap(), "aks", "runc");
}

#[test]
#[ignore = "`just test-runtimes` fetches it"]
fn openshift_on_containerd_2() {
    watches_by(Release::of("sid").unwrap(), "openshift", "runc");
}
