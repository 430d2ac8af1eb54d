//! Which profile fits: the facts that speak for each platform, weighed and told. First certain signs, then a
//! combination of weak ones; where none fits, `generic` in Kubernetes and `standalone` outside.

use std::path::Path;

use super::Facts;

/// Azure writes this asset tag into every virtual machine's DMI table.
const AZURE_ASSET_TAG: &str = "7783-7084-3265-9085-8269-3286-77";

/// The profile that was chosen, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// Name of the profile.
    pub profile: &'static str,
    /// What was observed that speaks for it; never empty.
    pub evidence: Vec<String>,
    /// What the other platforms would have shown and did not.
    pub rejected: Vec<String>,
}

/// Chooses the profile that fits the facts.
#[must_use]
pub fn detect(facts: &Facts) -> Detection {
    let kubernetes = kubernetes(facts);
    if kubernetes.is_empty() {
        return Detection {
            profile: "standalone",
            evidence: vec!["KUBERNETES_SERVICE_HOST is not set and /var/lib/kubelet does not exist".to_owned()],
            rejected: vec!["aks, openshift, generic: no sign of Kubernetes".to_owned()],
        };
    }
    let chosen = |profile, evidence: Vec<String>, rejected| Detection {
        profile,
        evidence: kubernetes.iter().cloned().chain(evidence).collect(),
        rejected,
    };
    // OpenShift before AKS: OpenShift on Azure shows Azure's signs too.
    if let Some(evidence) = openshift(facts) {
        return chosen("openshift", evidence, Vec::new());
    }
    let no_openshift = "openshift: no RHEL CoreOS in os-release, and no CRI-O socket beside a RHEL kernel".to_owned();
    if let Some(evidence) = aks(facts) {
        return chosen("aks", evidence, vec![no_openshift]);
    }
    let no_aks = "aks: no azmk8s.io API server, no /etc/kubernetes/azure.json, and no Azure machine with a containerd \
        socket"
        .to_owned();
    chosen("generic", Vec::new(), vec![no_openshift, no_aks])
}

fn kubernetes(facts: &Facts) -> Vec<String> {
    let mut evidence = Vec::new();
    if let Some(host) = &facts.kubernetes_service_host {
        evidence.push(format!("KUBERNETES_SERVICE_HOST={host}: this is a pod"));
    }
    if facts.kubelet {
        evidence.push("/var/lib/kubelet exists: this is a node".to_owned());
    }
    evidence
}

fn openshift(facts: &Facts) -> Option<Vec<String>> {
    let os = |key: &str| facts.os_release.get(key);
    if let Some(version) = os("OPENSHIFT_VERSION") {
        return Some(vec![format!("os-release: OPENSHIFT_VERSION={version}")]);
    }
    if os("ID").is_some_and(|id| id == "rhcos") {
        return Some(vec!["os-release: ID=rhcos".to_owned()]);
    }
    // In a pod os-release is the image's. The kernel's release and the mounted socket are the host's.
    let release = facts
        .kernel_release
        .as_deref()
        .filter(|release| is_rhel_kernel(release))?;
    has_socket(facts, "/run/crio/crio.sock").then(|| {
        vec![
            format!("kernel {release} is built for RHEL"),
            "CRI-O's socket /run/crio/crio.sock exists".to_owned(),
        ]
    })
}

/// RHEL and RHEL CoreOS name their kernels `5.14.0-427.13.1.el9_4.x86_64`.
fn is_rhel_kernel(release: &str) -> bool {
    release
        .split('.')
        .filter_map(|part| part.strip_prefix("el"))
        .any(|version| version.starts_with(|first: char| first.is_ascii_digit()))
}

fn aks(facts: &Facts) -> Option<Vec<String>> {
    if let Some(host) = facts
        .kubernetes_service_host
        .as_deref()
        .filter(|host| host.ends_with(".azmk8s.io"))
    {
        return Some(vec![format!("the API server {host} is an AKS one")]);
    }
    if facts.azure_json {
        return Some(vec!["/etc/kubernetes/azure.json exists".to_owned()]);
    }
    let mut evidence = Vec::new();
    if facts.dmi_asset_tag.as_deref() == Some(AZURE_ASSET_TAG) {
        evidence.push(format!("DMI chassis asset tag is Azure's ({AZURE_ASSET_TAG})"));
    }
    // Ubuntu's Azure kernels end in -azure, Azure Linux's in .azl3 or .cm2. Microsoft as DMI vendor alone says only Hyper-V.
    if let Some(release) = facts
        .kernel_release
        .as_deref()
        .filter(|release| is_azure_kernel(release))
    {
        evidence.push(format!("kernel {release} is built for Azure"));
    }
    if evidence.is_empty() || !has_socket(facts, "/run/containerd/containerd.sock") {
        return None;
    }
    evidence.push("containerd's socket /run/containerd/containerd.sock exists".to_owned());
    evidence.push("a self-managed cluster on Azure looks the same; its settings would not differ".to_owned());
    Some(evidence)
}

fn is_azure_kernel(release: &str) -> bool {
    release.ends_with("-azure") || [".azl", ".cm2"].iter().any(|mark| release.contains(mark))
}

fn has_socket(facts: &Facts, path: &str) -> bool {
    facts.sockets.iter().any(|socket| socket == Path::new(path))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn pod(kernel: &str, socket: &str) -> Facts {
        Facts {
            kernel_release: Some(kernel.to_owned()),
            sockets: vec![PathBuf::from(socket)],
            kubernetes_service_host: Some("10.0.0.1".to_owned()),
            ..Facts::default()
        }
    }

    const CONTAINERD: &str = "/run/containerd/containerd.sock";
    const CRIO: &str = "/run/crio/crio.sock";

    #[test]
    fn platforms_are_told_apart() {
        let azure = |facts| Facts {
            dmi_asset_tag: Some(AZURE_ASSET_TAG.to_owned()),
            ..facts
        };
        let os_release = [("ID".to_owned(), "rhcos".to_owned())].into();
        for (profile, facts) in [
            ("aks", pod("5.15.0-1079-azure", CONTAINERD)),
            ("aks", pod("6.6.57.1-7.azl3", CONTAINERD)),
            ("aks", azure(pod("6.8.0-31-generic", CONTAINERD))),
            (
                "aks",
                Facts {
                    kubernetes_service_host: Some("x.hcp.westeurope.azmk8s.io".to_owned()),
                    ..Facts::default()
                },
            ),
            (
                "aks",
                Facts {
                    kubelet: true,
                    azure_json: true,
                    ..Facts::default()
                },
            ),
            ("generic", pod("5.15.0-1079-azure", CRIO)),
            ("generic", pod("6.1.0-18-cloud-amd64", CONTAINERD)),
            ("generic", pod("5.14.0-427.13.1.el9_4.x86_64", CONTAINERD)),
            ("generic", pod("6.8.0-11.kernel.x86_64", CRIO)),
            ("openshift", pod("5.14.0-427.13.1.el9_4.x86_64", CRIO)),
            ("openshift", azure(pod("5.14.0-427.13.1.el9_4.x86_64", CRIO))),
            (
                "openshift",
                Facts {
                    kubelet: true,
                    os_release,
                    ..Facts::default()
                },
            ),
            (
                "standalone",
                Facts {
                    kubernetes_service_host: None,
                    ..azure(pod("5.15.0-1079-azure", CONTAINERD))
                },
            ),
            ("standalone", Facts::default()),
        ] {
            let detection = detect(&facts);
            assert_eq!(detection.profile, profile, "{facts:?}\n{detection:?}");
            assert!(!detection.evidence.is_empty());
        }
    }

    #[test]
    fn the_choice_is_explained() {
        let detection = detect(&pod("5.15.0-1079-azure", CONTAINERD));
        for part in [
            "KUBERNETES_SERVICE_HOST=10.0.0.1",
            "kernel 5.15.0-1079-azure",
            CONTAINERD,
        ] {
            assert!(
                detection.evidence.iter().any(|line| line.contains(part)),
                "{part}: {detection:?}"
            );
        }
        assert_eq!(detection.rejected.len(), 1);
    }
}
