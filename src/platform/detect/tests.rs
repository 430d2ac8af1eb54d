//! Nodes as their platforms and users describe them in public, seen from inside a pod and on the node itself.

use std::path::PathBuf;

use super::*;

const CONTAINERD: &str = "/run/containerd/containerd.sock";
const CRIO: &str = "/run/crio/crio.sock";
const K3S: &str = "/run/k3s/containerd/containerd.sock";

/// A node: what a pod sees of it, and what only the node itself shows.
struct Node {
    name: &'static str,
    profile: &'static str,
    kernel: &'static str,
    socket: &'static str,
    dmi: &'static [(&'static str, &'static str)],
    node_name: &'static str,
    os_release: &'static [(&'static str, &'static str)],
    files: &'static [&'static str],
    label: Option<(&'static str, &'static str)>,
    /// How sure one is in a pod that is told no node name, in one that is, and on the node.
    sure: [Option<Confidence>; 3],
}

const LIKELY: Option<Confidence> = Some(Confidence::Likely);
const CERTAIN: Option<Confidence> = Some(Confidence::Certain);
const AZURE: &[(&str, &str)] = &[
    ("sys_vendor", "Microsoft Corporation"),
    ("product_name", "Virtual Machine"),
    ("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77"),
];
const EC2: &[(&str, &str)] = &[
    ("sys_vendor", "Amazon EC2"),
    ("product_name", "m5.large"),
    ("chassis_asset_tag", "Amazon EC2"),
];
const GCE: &[(&str, &str)] = &[("sys_vendor", "Google"), ("product_name", "Google Compute Engine")];
const QEMU: &[(&str, &str)] = &[
    ("sys_vendor", "QEMU"),
    ("product_name", "Standard PC (Q35 + ICH9, 2009)"),
];

#[rustfmt::skip]
const NODES: &[Node] = &[
    // AKS: release notes of node images; names as the virtual machine scale sets give them.
    Node { name: "AKS, Ubuntu 22.04", profile: "aks", kernel: "5.15.0-1079-azure", socket: CONTAINERD, dmi: AZURE,
        node_name: "aks-nodepool1-34657354-vmss000000", os_release: &[("ID", "ubuntu"), ("VERSION_ID", "22.04")],
        files: &["/etc/kubernetes/azure.json"], label: Some(("kubernetes.azure.com/cluster", "MC_rg_aks_westeurope")), sure: [LIKELY, CERTAIN, CERTAIN] },
    Node { name: "AKS, Ubuntu 24.04", profile: "aks", kernel: "6.8.0-1021-azure", socket: CONTAINERD, dmi: AZURE,
        node_name: "aks-agentpool-12345678-vmss00000a", os_release: &[("ID", "ubuntu"), ("VERSION_ID", "24.04")],
        files: &["/etc/kubernetes/azure.json"], label: Some(("kubernetes.azure.com/cluster", "c")), sure: [LIKELY, CERTAIN, CERTAIN] },
    Node { name: "AKS, Azure Linux 3", profile: "aks", kernel: "6.6.57.1-7.azl3", socket: CONTAINERD, dmi: AZURE,
        node_name: "aks-azl-27894111-vmss000002", os_release: &[("ID", "azurelinux"), ("VERSION_ID", "3.0")],
        files: &["/etc/kubernetes/azure.json"], label: None, sure: [LIKELY, CERTAIN, CERTAIN] },
    // kubernetes-sigs/blob-csi-driver#2192 has both os-release files in full.
    Node { name: "OpenShift 4.18 on Azure", profile: "openshift", kernel: "5.14.0-427.87.1.el9_4.x86_64", socket: CRIO, dmi: AZURE,
        node_name: "aro-worker-westeurope1-abcde", os_release: &[("ID", "rhcos"), ("VERSION_ID", "4.18"), ("OPENSHIFT_VERSION", "4.18")],
        files: &["/etc/machine-config-daemon", "/etc/kubernetes/azure.json"], label: Some(("node.openshift.io/os_id", "rhcos")), sure: [LIKELY, LIKELY, CERTAIN] },
    Node { name: "OpenShift 4.19 on EC2", profile: "openshift", kernel: "5.14.0-570.49.1.el9_6.x86_64", socket: CRIO, dmi: EC2,
        node_name: "ip-10-0-17-117.us-east-2.compute.internal", os_release: &[("ID", "rhel"), ("VARIANT_ID", "coreos"), ("OPENSHIFT_VERSION", "4.19")],
        files: &["/etc/machine-config-daemon"], label: Some(("node.openshift.io/os_id", "rhel")), sure: [LIKELY, LIKELY, CERTAIN] },
    // red-hat-storage/ocs-ci#3872.
    Node { name: "OpenShift 4.7", profile: "openshift", kernel: "4.18.0-287.el8.x86_64", socket: CRIO, dmi: QEMU,
        node_name: "compute-0", os_release: &[("ID", "rhcos"), ("VERSION_ID", "4.7")], files: &["/etc/machine-config-daemon"],
        label: Some(("node.openshift.io/os_id", "rhcos")), sure: [LIKELY, LIKELY, CERTAIN] },
    // aws/aws-cdk, commit 6a2747c.
    Node { name: "EKS, Amazon Linux 2023", profile: "eks", kernel: "6.1.77-99.164.amzn2023.x86_64", socket: CONTAINERD, dmi: EC2,
        node_name: "ip-172-31-1-222.ec2.internal", os_release: &[("ID", "amzn"), ("VERSION_ID", "2023")], files: &["/etc/eks"],
        label: Some(("eks.amazonaws.com/nodegroup", "ng")), sure: [LIKELY, LIKELY, CERTAIN] },
    // bottlerocket-os/bottlerocket#2790: its kernels bear no mark.
    Node { name: "EKS, Bottlerocket", profile: "eks", kernel: "6.1.134", socket: CONTAINERD, dmi: EC2,
        node_name: "ip-192-168-24-11.us-west-2.compute.internal", os_release: &[("ID", "bottlerocket"), ("VARIANT_ID", "aws-k8s-1.33")], files: &[],
        label: Some(("eks.amazonaws.com/nodegroup", "ng")), sure: [None, LIKELY, CERTAIN] },
    // kubearmor/KubeArmor#2505.
    Node { name: "GKE, Container-Optimized OS", profile: "gke", kernel: "6.12.55+", socket: CONTAINERD, dmi: GCE,
        node_name: "gke-cluster-1-cos-pool-73eeead1-k6s1", os_release: &[("ID", "cos"), ("VERSION", "125")], files: &[],
        label: Some(("cloud.google.com/gke-nodepool", "cos-pool")), sure: [LIKELY, CERTAIN, CERTAIN] },
    Node { name: "GKE, Ubuntu 24.04", profile: "gke", kernel: "6.8.0-1042-gke", socket: CONTAINERD, dmi: GCE,
        node_name: "gke-cluster-1-ubuntu-pool-ec20df67-92hx", os_release: &[("ID", "ubuntu"), ("VERSION_ID", "24.04")], files: &[],
        label: Some(("cloud.google.com/gke-nodepool", "ubuntu-pool")), sure: [CERTAIN, CERTAIN, CERTAIN] },
    Node { name: "k3s, Debian 12", profile: "k3s", kernel: "6.1.0-28-amd64", socket: K3S, dmi: QEMU,
        node_name: "k3s-host-1", os_release: &[("ID", "debian")], files: &["/var/lib/rancher/k3s", "/etc/rancher/k3s"],
        label: Some(("node.kubernetes.io/instance-type", "k3s")), sure: [LIKELY, LIKELY, CERTAIN] },
    // rancher/rke2#2589.
    Node { name: "RKE2 on RHEL 8 in EC2", profile: "k3s", kernel: "4.18.0-348.12.2.el8_5.x86_64", socket: K3S, dmi: EC2,
        node_name: "ip-172-31-15-92.us-east-2.compute.internal", os_release: &[("ID", "rhel"), ("VERSION_ID", "8.5")],
        files: &["/var/lib/rancher/rke2", "/etc/rancher/rke2"], label: None, sure: [LIKELY, LIKELY, CERTAIN] },
    // Nobody's: kubeadm on Debian and on RHEL, CRI-O on Ubuntu in Azure, and a kernel whose release only contains ".kernel".
    Node { name: "kubeadm, Debian 12", profile: "generic", kernel: "6.1.0-28-amd64", socket: CONTAINERD, dmi: QEMU,
        node_name: "worker-1", os_release: &[("ID", "debian")], files: &[], label: None, sure: [None, None, None] },
    Node { name: "kubeadm, RHEL 9", profile: "generic", kernel: "5.14.0-427.13.1.el9_4.x86_64", socket: CONTAINERD, dmi: QEMU,
        node_name: "worker-1", os_release: &[("ID", "rhel")], files: &[], label: None, sure: [None, None, None] },
    Node { name: "CRI-O on Ubuntu in Azure", profile: "generic", kernel: "5.15.0-1079-azure", socket: CRIO, dmi: AZURE,
        node_name: "worker-1", os_release: &[("ID", "ubuntu")], files: &[], label: None, sure: [None, None, None] },
    Node { name: "CRI-O on a kernel of one's own", profile: "generic", kernel: "6.8.0-11.kernel.x86_64", socket: CRIO, dmi: QEMU,
        node_name: "worker-1", os_release: &[("ID", "ubuntu")], files: &[], label: None, sure: [None, None, None] },
];

fn owned(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    pairs
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

impl Node {
    fn pod(&self) -> Facts {
        Facts {
            kernel_release: Some(self.kernel.to_owned()),
            sockets: vec![PathBuf::from(self.socket)],
            dmi: owned(self.dmi),
            kubernetes_service_host: Some("10.0.0.1".to_owned()),
            ..Facts::default()
        }
    }

    fn named_pod(&self) -> Facts {
        Facts {
            node_name: Some(self.node_name.to_owned()),
            ..self.pod()
        }
    }

    fn host(&self) -> Facts {
        Facts {
            kubernetes_service_host: None,
            kubelet: true,
            os_release: owned(self.os_release),
            files: self.files.iter().map(PathBuf::from).collect(),
            ..self.pod()
        }
    }
}

#[test]
fn real_nodes_are_told_apart_in_a_pod_and_on_the_node() {
    let mut wrong = Vec::new();
    for node in NODES {
        for (place, facts, sure) in [
            ("pod", node.pod(), node.sure[0]),
            ("pod with a node name", node.named_pod(), node.sure[1]),
            ("node", node.host(), node.sure[2]),
        ] {
            let found = detect(&facts).unwrap();
            let wanted = sure.map_or(("generic", Confidence::Guess), |sure| (node.profile, sure));
            if (found.profile, found.confidence) != wanted {
                wrong.push(format!("{}, {place}: {wanted:?}, but {found:#?}", node.name));
            }
            assert!(!found.evidence.is_empty());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_label_of_the_node_makes_certain() {
    for node in NODES {
        let Some(label) = node.label else { continue };
        let facts = Facts {
            node_labels: owned(&[label]),
            ..node.pod()
        };
        let found = detect(&facts).unwrap();
        assert_eq!(
            (found.profile, found.confidence),
            (node.profile, Confidence::Certain),
            "{}",
            node.name
        );
    }
}

#[test]
fn outside_kubernetes_no_platform_is_looked_for() {
    for node in NODES {
        let facts = Facts {
            kubernetes_service_host: None,
            ..node.pod()
        };
        let found = detect(&facts).unwrap();
        assert_eq!(
            (found.profile, found.confidence),
            ("standalone", Confidence::Likely),
            "{}",
            node.name
        );
        assert!(found.mismatch("aks").is_some());
    }
    assert_eq!(detect(&Facts::default()).unwrap().profile, "standalone");
}

#[test]
fn one_sign_of_an_api_server_decides_and_a_guess_does_not() {
    let facts = |host: &str, kernel: Option<&str>| Facts {
        kubernetes_service_host: Some(host.to_owned()),
        kernel_release: kernel.map(str::to_owned),
        ..Facts::default()
    };
    let found = detect(&facts("x.hcp.westeurope.azmk8s.io", None)).unwrap();
    assert_eq!((found.profile, found.confidence), ("aks", Confidence::Certain));
    let found = detect(&facts("10.0.0.1", Some("5.15.0-1079-azure"))).unwrap();
    assert_eq!((found.profile, found.confidence), ("generic", Confidence::Guess));
    let aks = &found.candidates[0];
    assert_eq!(
        (aks.profile, aks.points, aks.confidence),
        ("aks", 40, Some(Confidence::Guess))
    );
    assert!(aks.unseen.contains(&"NODE_NAME".to_owned()), "{aks:?}");
}

#[test]
fn what_cannot_be_told_apart_is_left_alone() {
    let facts = Facts {
        kubernetes_service_host: Some("10.0.0.1".to_owned()),
        node_labels: owned(&[
            ("eks.amazonaws.com/nodegroup", "a"),
            ("cloud.google.com/gke-nodepool", "b"),
        ]),
        ..Facts::default()
    };
    let found = detect(&facts).unwrap();
    assert_eq!((found.profile, found.confidence), ("generic", Confidence::Guess));
    assert!(
        found.evidence.iter().any(|line| line.contains("too close")),
        "{:?}",
        found.evidence
    );
}

#[test]
fn every_profile_but_the_fallbacks_is_detected_somewhere() {
    for profile in profile::all().unwrap() {
        let known = NODES.iter().any(|node| node.profile == profile.name);
        assert!(known || profile.name == ANY_HOST, "{}", profile.name);
    }
}

#[test]
fn a_mismatch_takes_more_than_a_guess() {
    let detection = |profile, confidence| Detection {
        profile,
        confidence,
        evidence: vec!["a sign".to_owned()],
        candidates: Vec::new(),
    };
    assert_eq!(
        detection("aks", Confidence::Likely).mismatch("eks").as_deref(),
        Some("the profile is eks, but the platform looks like aks (likely): a sign")
    );
    for (detected, confidence, declared) in [
        ("aks", Confidence::Certain, "aks"),
        ("aks", Confidence::Certain, "generic"),
        ("generic", Confidence::Guess, "aks"),
    ] {
        assert_eq!(detection(detected, confidence).mismatch(declared), None, "{declared}");
    }
    assert!(
        detection("standalone", Confidence::Likely)
            .mismatch("generic")
            .is_some()
    );
}
