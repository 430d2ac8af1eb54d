//! What rules ask about beyond the event: names of accounts and of the cluster's API server, read once at the start.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::accounts::{Accounts, LARGEST};
use super::subject::Host;
use crate::config::Loaded;
use crate::container::Selection;

/// The names that a pod's resolver finds the API server by (Kubernetes, "DNS for Services and Pods"), with the usual domain
/// of a cluster.
const API_SERVER: [&str; 3] = [
    "kubernetes.default.svc.cluster.local",
    "kubernetes.default.svc",
    "kubernetes.default",
];

impl Host {
    /// What can be found out here, where nothing is an error.
    #[must_use]
    pub fn look(loaded: &Loaded, node: String) -> Self {
        let facts = &loaded.facts;
        let address: Option<IpAddr> = facts
            .kubernetes_service_host
            .as_ref()
            .and_then(|text| text.parse().ok());
        let names = address.map(|address| API_SERVER.map(|name| (name.to_owned(), address)));
        Self {
            node,
            accounts: root(loaded).map(|root| accounts(&root)).unwrap_or_default(),
            selection: Selection::new(&loaded.settings.metadata),
            names: names.into_iter().flatten().collect(),
        }
    }
}

/// The host's root directory, where it can be seen: that of a pod is its image's.
fn root(loaded: &Loaded) -> Option<PathBuf> {
    let prefix = &loaded.settings.runtime.host_prefix;
    let facts = &loaded.facts;
    if !prefix.as_os_str().is_empty() {
        return Some(prefix.clone());
    }
    let in_pod = facts.kubernetes_service_host.is_some() && !facts.kubelet;
    (!in_pod).then(|| PathBuf::from("/"))
}

fn accounts(root: &Path) -> Accounts {
    let read = |name: &str| {
        let mut text = Vec::new();
        let file = File::open(root.join(name)).ok()?;
        file.take(LARGEST as u64).read_to_end(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text).into_owned())
    };
    Accounts::parse(
        &read("etc/passwd").unwrap_or_default(),
        &read("etc/group").unwrap_or_default(),
    )
}
