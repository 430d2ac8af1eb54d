//! Each thing that the agent's pod is granted, taken away: what happens is what docs/grants.md says, by its own table.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::daemonset::{manifest, node};
use crate::event::{agent, is_exec};
use crate::lab::containerd::Containerd;
use crate::lab::error::LabError;
use crate::lab::image;
use crate::lab::kubelet::Kubelet;
use crate::lab::kubelet::spec::{Objects, Profile, ProfileKind};
use crate::lab::pod::{Pod, PodSpec};
use crate::lab::runtimes::Release;
use crate::lab::turn::Turn;

const SHOP: &str = "8d2f1c9a-8a3e-4a57-b8a3-90a5f1f0c0bb";
/// What the agent says when it has started.
const WATCHING: &str = "without any capability";

/// A row of the table.
struct Row {
    grant: String,
    outcome: String,
    words: Vec<String>,
}

fn rows() -> Vec<Row> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/grants.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [grant, _, outcome, words] = cells[..] else {
            panic!("four cells: {line}");
        };
        Row {
            grant: grant.trim_matches('`').to_owned(),
            outcome: outcome.to_owned(),
            words: words.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
        }
    })
    .collect()
}

/// Drops a volume and its mount.
fn unmount(objects: &mut Objects, name: &str) {
    let pod = objects.pod();
    let before = pod.volumes.len();
    pod.volumes.retain(|volume| volume.name != name);
    assert_eq!(pod.volumes.len(), before - 1, "{name}");
    objects
        .container()
        .unwrap()
        .volume_mounts
        .retain(|mount| mount.name != name);
}

/// The name of the volume for which this holds.
fn volume(objects: &mut Objects, is_it: impl Fn(&crate::lab::kubelet::spec::Volume) -> bool) -> String {
    let found = objects.pod().volumes.iter().find(|volume| is_it(volume));
    found.unwrap().name.clone()
}

/// Drops a capability.
fn withhold(objects: &mut Objects, capability: &str) {
    let added = &mut objects.container().unwrap().security_context.capabilities.add;
    let before = added.len();
    added.retain(|name| name != capability);
    assert_eq!(added.len(), before - 1, "{capability}");
}

/// The pod without this grant.
fn without(grant: &str, lab: &Containerd, kubelet: &Kubelet<'_>) -> Objects {
    let mut objects = manifest("generic");
    let of = &mut objects;
    match grant {
        "capabilities.add: BPF" => withhold(of, "BPF"),
        "capabilities.add: PERFMON" => withhold(of, "PERFMON"),
        "file capabilities of /agent" => {
            let archive = lab.daemon().place().path().join("without-capabilities.tar");
            let name = image::write_agent_without_capabilities(&archive, agent()).unwrap();
            lab.import_archive(&archive, name).unwrap();
            let container = of.container().unwrap();
            container.image = name.to_owned();
            // That image has no entry point.
            container.command = vec!["/agent".to_owned()];
        }
        "seccompProfile that allows bpf" => {
            let mut profile: Value = serde_json::from_str(include_str!("../../seccomp/agent-setup.json")).unwrap();
            let mut removed = 0;
            for rule in profile["syscalls"].as_array_mut().unwrap() {
                let names = rule["names"].as_array_mut().unwrap();
                let before = names.len();
                names.retain(|name| name != "bpf");
                removed += before - names.len();
            }
            assert_eq!(removed, 1);
            kubelet
                .install_seccomp("without-bpf.json", &profile.to_string())
                .unwrap();
            of.pod().security_context.seccomp_profile = None;
            of.container().unwrap().security_context.seccomp_profile = Some(Profile {
                kind: ProfileKind::Localhost,
                localhost_profile: Some("without-bpf.json".to_owned()),
            });
        }
        "supplementalGroups: [0]" => of.pod().security_context.supplemental_groups.clear(),
        "hostPath of the runtime" => {
            let name = volume(of, |volume| volume.host_path.is_some());
            unmount(of, &name);
        }
        "hostPath that is there" => {
            let volumes = &mut of.pod().volumes;
            let path = volumes.iter_mut().find_map(|volume| volume.host_path.as_mut());
            path.unwrap().path = "/run/of-another-runtime".to_owned();
        }
        "ConfigMap" => of.config_maps.clear(),
        "configMap volume" => {
            let name = volume(of, |volume| volume.config_map.is_some());
            unmount(of, &name);
        }
        "emptyDir" => {
            let name = volume(of, |volume| volume.empty_dir.is_some());
            unmount(of, &name);
        }
        "resources.limits.memory" => {
            let limits = serde_json::from_str(r#"{"limits": {"memory": "16Mi"}}"#).unwrap();
            of.container().unwrap().resources = limits;
        }
        other => panic!("docs/grants.md has a grant that nobody knows how to remove: {other}"),
    }
    objects
}

/// What happened, in the table's words, and all that was said.
fn seen(lab: &Containerd, kubelet: &Kubelet<'_>, objects: &Objects) -> (String, String) {
    let pod = match kubelet.run(objects, "runc") {
        Ok(pod) => pod,
        Err(error @ (LabError::Pod { .. } | LabError::Call { .. })) => {
            return ("not started".to_owned(), error.to_string());
        }
        Err(error) => panic!("{error}"),
    };
    if !pod.says(WATCHING, Duration::from_secs(30)).unwrap() {
        let ended = pod.collect().unwrap();
        assert!(ended.events.is_empty(), "{:?}", ended.events);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        return (
            format!("exit {}", ended.code),
            format!("{}\n{}", ended.reason, ended.stderr),
        );
    }
    let shop = Pod::run(lab, PodSpec::new("shop", "web-0", SHOP)).unwrap();
    let web = shop.start("app", &["/bin/sleep", "1000"]).unwrap();
    let said = web.exec(&["cat", "/etc/hostname"]).unwrap();
    assert_eq!(said.code, 0, "{said:?}");
    let event = pod
        .wait_for("the exec of cat", |event| is_exec(event, &["cat", "/etc/hostname"]))
        .unwrap();
    shop.remove().unwrap();
    let ended = pod.stop().unwrap();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let metadata = &event["metadata"];
    let outcome = match metadata["status"].as_str().unwrap() {
        "complete" => "runs",
        "partial" | "missing" => "no metadata",
        other => panic!("{other}: {event}"),
    };
    (outcome.to_owned(), format!("{event}\n{}", ended.stderr))
}

#[test]
fn without_each_grant_happens_what_the_page_says() {
    let _turn = Turn::take().unwrap();
    let rows = rows();
    assert!(rows.len() >= 11, "the table is read: {}", rows.len());
    let lab = node(Release::installed().unwrap());
    let kubelet = Kubelet::on(&lab).unwrap();
    let mut wrong = Vec::new();
    for row in &rows {
        let objects = without(&row.grant, &lab, &kubelet);
        let (outcome, said) = seen(&lab, &kubelet, &objects);
        let absent: Vec<&String> = row.words.iter().filter(|words| !said.contains(&***words)).collect();
        if outcome != row.outcome || !absent.is_empty() || row.words.is_empty() {
            wrong.push(format!(
                "{}: {outcome}, and the page says {}; not said: {absent:?}\n{said}\n",
                row.grant, row.outcome
            ));
        }
        kubelet.forget_pods().unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
