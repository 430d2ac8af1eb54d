//! The cgroup hierarchy by which containers are named.

use serde_json::json;

use super::super::change::Change;
use super::super::facts::{Facts, Place};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::agent;
use crate::container::cgroup;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[Definition {
    id: "PIN-MNT-006",
    area: "mounts",
    title: "The cgroup hierarchy is one that names containers",
    weight: Weight::Major,
    needs: &[Need::Kernel, Need::Process, Need::Agent],
    depends_on: &[Edge::Needs("PIN-MNT-004")],
    judge: Some(hierarchy),
    offline: None,
    page: include_str!("../pages/PIN-MNT-006.md"),
}];

const FIELDS: &[&str] = &["container", "kubernetes"];

/// PIN-MNT-006.
fn hierarchy(facts: &Facts) -> Finding {
    let cgroup = match &facts.mounts.value {
        Ok(mounts) => &mounts.cgroup,
        Err(gap) => return Finding::gap(gap),
    };
    let named = |path: &str| cgroup::identify(path).container_id.is_some();
    let chosen = cgroup.paths.get(&cgroup.controller);
    let elsewhere: Vec<&str> = cgroup
        .paths
        .iter()
        .filter(|(_, path)| named(path))
        .map(|(controller, _)| match controller.as_str() {
            "" => "cgroup v2",
            controller => controller,
        })
        .collect();
    let complete = agent(facts).is_some_and(|agent| agent.second.canary_status.as_deref() == Some("complete"));
    let in_chosen = chosen.is_some_and(|path| named(path));
    let finding = if complete {
        Finding::ok(format!(
            "{}: the running agent names its own container",
            cgroup.hierarchy
        ))
    } else if !cgroup.listed && !cgroup.mounted.is_empty() {
        astray(
            facts,
            format!(
                "/proc/cgroups cannot be read, so that the agent goes by cgroup v2 although {} is mounted as v1",
                cgroup.mounted.join(", ")
            ),
        )
    } else if !in_chosen && !elsewhere.is_empty() {
        astray(
            facts,
            format!(
                "the agent goes by {}, and this container's id stands in {} only",
                cgroup.hierarchy,
                elsewhere.join(", ")
            ),
        )
    } else {
        Finding::ok(cgroup.hierarchy.clone())
    };
    let observed = json!({
        "hierarchy": cgroup.hierarchy, "names_this_container": in_chosen, "named_in": elsewhere, "v1_mounted": cgroup.mounted,
    });
    finding
        .observed(observed)
        .expected(json!({ "hierarchy": "one in which the runtime puts containers" }))
        .evidence(&facts.mounts, "/proc/cgroups, /proc/self/cgroup", json!(cgroup.paths))
}

fn astray(facts: &Facts, said: String) -> Finding {
    Finding::fail(said)
        .impact("Events of containers look like events of the host.", &["metadata"], FIELDS)
        .remedy(
            "Run the node on cgroup v2 alone, which kubelets and runtimes want by now; where that cannot be, let the runtime put \
             containers into the hierarchy of the pids controller.",
            match facts.place {
                Place::Kubernetes | Place::Container => &["cat /proc/cgroups /proc/self/cgroup"],
                Place::Host => &[
                    "cat /proc/cgroups /proc/self/cgroup",
                    "grubby --update-kernel ALL --args systemd.unified_cgroup_hierarchy=1",
                ],
            },
        )
        .change(Change::node(
            "kernel command line systemd.unified_cgroup_hierarchy",
            1,
        ))
}
