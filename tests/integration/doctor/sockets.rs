//! Runtimes' sockets that are wrong in one way, seen from the agent's pod: the doctor names the way, and is content once it
//! is mended. The container runs on a real containerd; what stands between it and the pod fails on demand.

use std::os::unix::fs::chown;
use std::time::Duration;

use serde_json::json;

use super::manifest::Manifest;
use super::node;
use super::table::Verdict;
use crate::lab::containerd::Containerd;
use crate::lab::pod::{Pod, PodSpec};
use crate::lab::proxy::{Mode, Proxy};
use crate::lab::turn::Turn;

const SHOP: &str = "8d2f1c9a-8a3e-4a57-b8a3-90a5f1f0c0e0";
/// Where the pod sees the socket.
const SOCKET: &str = "/run/containerd/proxy.sock";

/// A way to be wrong.
struct Wrong {
    name: &'static str,
    begin: fn(&mut Proxy),
    /// What the node's administrator does about it.
    end: fn(&mut Proxy),
    roots: &'static [(&'static str, &'static str)],
}

fn pass(proxy: &mut Proxy) {
    proxy.switch(Mode::Pass);
}

const WRONG: &[Wrong] = &[
    Wrong {
        name: "nobody listens",
        begin: |proxy| proxy.abandon(),
        end: |proxy| proxy.remove().and_then(|()| proxy.listen()).unwrap(),
        roots: &[("PIN-RUN-001", "fail")],
    },
    Wrong {
        name: "root's alone",
        begin: |proxy| proxy.permit(0o600).unwrap(),
        end: |proxy| proxy.permit(0o660).unwrap(),
        roots: &[("PIN-RUN-001", "fail")],
    },
    Wrong {
        name: "everybody's",
        begin: |proxy| proxy.permit(0o666).unwrap(),
        end: |proxy| proxy.permit(0o660).unwrap(),
        roots: &[("PIN-RUN-009", "warn")],
    },
    Wrong {
        name: "hung",
        begin: |proxy| proxy.switch(Mode::Hang),
        end: pass,
        roots: &[("PIN-RUN-001", "fail")],
    },
    Wrong {
        name: "garbage",
        begin: |proxy| proxy.switch(Mode::Garbage),
        end: pass,
        roots: &[("PIN-RUN-001", "fail")],
    },
    Wrong {
        name: "slow",
        begin: |proxy| proxy.switch(Mode::Slow(Duration::from_millis(700))),
        end: pass,
        roots: &[("PIN-RUN-008", "warn")],
    },
    Wrong {
        name: "a runtime that has nothing",
        begin: |proxy| proxy.switch(Mode::Empty),
        end: pass,
        roots: &[("PIN-RUN-007", "fail")],
    },
];

/// The agent's pod, which sees the proxy's directory in the place of the runtime's.
fn through(proxy: &Proxy) -> Manifest {
    let mut manifest = Manifest::of("generic");
    let directory = proxy.socket().parent().unwrap().to_owned();
    manifest.volume("runtime")["hostPath"]["path"] = json!(directory);
    manifest.set("PINHOLE_RUNTIME_SOCKET", SOCKET);
    manifest
}

#[test]
fn that_are_wrong_are_told_apart() {
    let _turn = Turn::take().unwrap();
    let lab = node::start();
    let kubelet = node::kubelet(&lab);
    let mut proxy = Proxy::start(&lab.socket()).unwrap();
    let manifest = through(&proxy);
    let mut verdict = Verdict::default();
    verdict.expect("through the proxy", &node::cold(&kubelet, &manifest, "runc"), &[]);
    for wrong in WRONG {
        (wrong.begin)(&mut proxy);
        let report = node::cold(&kubelet, &manifest, "runc");
        verdict.expect(wrong.name, &report, wrong.roots);
        (wrong.end)(&mut proxy);
        let mended = node::cold(&kubelet, &manifest, "runc");
        verdict.expect(&format!("{}, mended", wrong.name), &mended, &[]);
    }
    verdict.end();
}

/// The group is whatever the distribution chose, and the report names it as the manifest has to.
#[test]
fn of_another_owner_want_that_owners_group() {
    let _turn = Turn::take().unwrap();
    let lab = node::start();
    let kubelet = node::kubelet(&lab);
    let proxy = Proxy::start(&lab.socket()).unwrap();
    chown(proxy.socket(), Some(0), Some(998)).unwrap();
    let mut manifest = through(&proxy);
    let mut verdict = Verdict::default();
    let report = node::cold(&kubelet, &manifest, "runc");
    if verdict.expect("of group 998", &report, &[("PIN-RUN-001", "fail")]) {
        assert!(!report.changes().is_empty(), "{}", report.findings());
        for change in report.changes() {
            assert!(manifest.apply(change), "{change}");
        }
        let mended = node::cold(&kubelet, &manifest, "runc");
        verdict.expect("of group 998, mended", &mended, &[]);
    }
    verdict.end();
}

/// A running agent sees its runtime hang, and sees it come back.
#[test]
fn that_hang_later_are_seen_beside_the_agent() {
    let _turn = Turn::take().unwrap();
    let lab = node::start();
    let kubelet = node::kubelet(&lab);
    let proxy = Proxy::start(&lab.socket()).unwrap();
    let mut verdict = Verdict::default();
    let pod = node::run(&kubelet, &through(&proxy), "runc");
    pod.wait_ready().unwrap();
    verdict.expect("through the proxy, live", &node::beside(&pod), &[]);
    proxy.switch(Mode::Hang);
    verdict.expect_soon("hangs later", || node::beside(&pod), &[("PIN-RUN-001", "fail")]);
    proxy.switch(Mode::Pass);
    verdict.expect_soon("answers again", || node::beside(&pod), &[]);
    node::stop(&kubelet, pod);
    verdict.end();
}

/// The socket itself is mounted: well until the runtime makes another one.
#[test]
fn mounted_alone_are_lost_with_the_runtimes_restart() {
    let _turn = Turn::take().unwrap();
    let lab = node::start();
    let kubelet = node::kubelet(&lab);
    let mut proxy = Proxy::start(&lab.socket()).unwrap();
    let mut manifest = through(&proxy);
    let wanted = manifest.clone();
    manifest.volume("runtime")["hostPath"] = json!({"path": proxy.socket(), "type": "Socket"});
    for mount in manifest.container()["volumeMounts"].as_array_mut().unwrap() {
        if mount["name"] == "runtime" {
            mount["mountPath"] = json!(SOCKET);
        }
    }
    let mut verdict = Verdict::default();
    let report = node::cold(&kubelet, &manifest, "runc");
    verdict.expect("mounted alone, cold", &report, &[("PIN-RUN-004", "warn")]);
    let pod = node::run(&kubelet, &manifest, "runc");
    pod.wait_ready().unwrap();
    verdict.expect("mounted alone, live", &node::beside(&pod), &[("PIN-RUN-004", "warn")]);
    proxy.remove().unwrap();
    proxy.listen().unwrap();
    let stale = &[("PIN-RUN-001", "fail")];
    verdict.expect_soon("mounted alone, stale", || node::beside(&pod), stale);
    node::stop(&kubelet, pod);
    let report = node::cold(&kubelet, &wanted, "runc");
    verdict.expect("its directory mounted", &report, &[]);
    verdict.end();
}

/// Two containerds on one node: the kubelet's is the one that knows the agent's own container.
#[test]
fn of_several_runtimes_the_kubelets_is_known() {
    let _turn = Turn::take().unwrap();
    let lab = node::start();
    let other = Containerd::start().unwrap();
    let elsewhere = Pod::run(&other, PodSpec::new("elsewhere", "web-0", SHOP).in_own_network()).unwrap();
    elsewhere.start("app", &["/bin/sleep", "1000"]).unwrap();
    let kubelet = node::kubelet(&lab);
    let mut manifest = Manifest::of("generic");
    let directory = other.socket().parent().unwrap().to_owned();
    manifest.mount("other", json!({"hostPath": {"path": directory}}), "/run/k3s/containerd");
    let mut verdict = Verdict::default();
    let report = node::cold(&kubelet, &manifest, "runc");
    verdict.expect("both are there", &report, &[]);

    let mut wrong = Manifest::of("generic");
    wrong.volume("runtime")["hostPath"]["path"] = json!(directory);
    let report = node::cold(&kubelet, &wrong, "runc");
    verdict.expect("the wrong one alone", &report, &[("PIN-RUN-003", "fail")]);

    let mut half = Manifest::of("generic");
    half.set(
        "PINHOLE_RUNTIME_SOCKET",
        "/run/containerd/containerd.sock,/run/crio/crio.sock",
    );
    let report = node::cold(&kubelet, &half, "runc");
    verdict.expect("one that is named is not there", &report, &[("PIN-RUN-005", "warn")]);
    elsewhere.remove().unwrap();
    verdict.end();
}
