//! Recorded answers, with the processes and the cgroups that they are about made here.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{assert_all_complete, watch};
use crate::event::{agent, is_exec};
use crate::lab::agent::Installed;
use crate::lab::replay::{Recording, Replay};
use crate::lab::turn::Turn;

/// A pod of the scenario, as it was asked for.
struct Pod {
    name: &'static str,
    /// Namespace, name, uid, class.
    is: [&'static str; 4],
}

const PODS: [Pod; 7] = [
    Pod {
        name: "web",
        is: ["shop", "web", "11111111-2222-3333-4444-555555555555", "burstable"],
    },
    Pod {
        name: "coredns",
        is: [
            "kube-system",
            "coredns-x",
            "22222222-aaaa-4bbb-8ccc-000000000002",
            "burstable",
        ],
    },
    Pod {
        name: "agent",
        is: [
            "monitoring",
            "node-agent-7k2lp",
            "33333333-aaaa-4bbb-8ccc-000000000003",
            "besteffort",
        ],
    },
    Pod {
        name: "db",
        is: ["shop", "db-0", "44444444-aaaa-4bbb-8ccc-000000000004", "guaranteed"],
    },
    Pod {
        name: "etcd",
        is: [
            "kube-system",
            "etcd-node1",
            "5f0a1c9be2d34c6f8a7b6c5d4e3f2a10",
            "burstable",
        ],
    },
    Pod {
        name: "edge",
        is: [
            "shop",
            "edge-6d4cf56db6-abcde",
            "66666666-aaaa-4bbb-8ccc-000000000006",
            "burstable",
        ],
    },
    Pod {
        name: "job",
        is: [
            "batch",
            "report-28900000-q2w3e",
            "77777777-aaaa-4bbb-8ccc-000000000007",
            "besteffort",
        ],
    },
];

/// Container, and the image that its spec named. The digest ends what was asked for by digest.
const IMAGES: [(&str, &str); 15] = [
    ("web.init", "registry.example/shop/migrate:2.7.1"),
    ("web.app", "registry.example/shop/web:2.7.1"),
    (
        "web.sidecar",
        "registry.example/shop/envoy@sha256:5815b2b8d679a48cf55e56dfe02209eb8c3497da1dfb257640499d2e1279f9b0",
    ),
    (
        "coredns.coredns",
        "registry.example/coredns/coredns:v1.11.3@sha256:88c3c570644aa603db8b1c03bc51f0d163a64cb6c1e0252a31d4faa62ad32815",
    ),
    ("agent.agent", "registry.example/ops/agent:7.50.0"),
    ("agent.tools", "busybox:1.36"),
    ("db.db", "busybox:1.36"),
    ("etcd.etcd", "registry.example/ops/agent:7.50.0"),
    ("edge.crash.0", "busybox:1.36"),
    ("edge.crash.1", "busybox:1.36"),
    ("edge.created", "busybox:1.36"),
    ("edge.badcmd", "busybox:1.36"),
    ("edge.report", "registry.example/shop/report:latest"),
    ("edge.gone", "registry.example/shop/gone:1.0"),
    ("job.job", "busybox:1.36"),
];

/// Where the kernel has a container: as recorded, or as another container of its pod with the id exchanged.
fn cgroup(recording: &Recording, name: &str, id: &str) -> Option<String> {
    let (pod, _) = name.split_once('.')?;
    let of_pod = |other: &&str| other.split('.').next() == Some(pod);
    let others = recording.containers().map(|(other, _)| other).filter(of_pod);
    let mut names = std::iter::once(name).chain(others);
    let path = names.find_map(|name| recording.cgroup(name))?;
    let is_id = |part: &&str| part.len() == id.len();
    let recorded = path.split(|byte: char| !byte.is_ascii_hexdigit()).find(is_id)?;
    Some(path.replace(recorded, id))
}

fn assert_pod(event: &Value, pod: &str) {
    let [namespace, name, uid, qos] = PODS.iter().find(|known| known.name == pod).unwrap().is;
    let kubernetes = &event["kubernetes"];
    assert_eq!(kubernetes["namespace"], namespace, "{event}");
    assert_eq!(kubernetes["pod"]["name"], name, "{event}");
    assert_eq!(kubernetes["pod"]["uid"], uid, "{event}");
    assert_eq!(kubernetes["qos"], qos, "{event}");
}

/// The image as its spec named it. Runtimes complete a short name, and before containerd 2 and in CRI-O the digest beats
/// the tag where both were given.
fn assert_image(event: &Value, asked: &str) {
    let image = &event["container"]["image"];
    let (name, digest) = asked
        .split_once('@')
        .map_or((asked, None), |(name, digest)| (name, Some(digest)));
    let (repository, tag) = name
        .rsplit_once(':')
        .map_or((name, None), |(name, tag)| (name, Some(tag)));
    let completed = format!("docker.io/library/{repository}");
    let told = image["repository"].as_str().unwrap_or_default();
    assert!(told == repository || told == completed, "{asked}: {event}");
    let reference = image["reference"].as_str().unwrap_or_default();
    assert!(reference.starts_with(told), "{event}");
    match (tag, digest) {
        (_, Some(digest)) => assert!(
            reference.ends_with(digest) && image["digest"] == digest,
            "{asked}: {event}"
        ),
        (tag, None) => assert_eq!(image["tag"], json!(tag), "{asked}: {event}"),
    }
}

/// Every container of a recording and every pause process, each in its cgroup, is told with its recorded names.
fn tells_what_was_recorded(folder: &str) {
    let _turn = Turn::take().unwrap();
    let recording = Arc::new(Recording::read(folder).unwrap());
    let replay = Replay::start(Arc::clone(&recording)).unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = watch(&installed, &replay.socket()).unwrap();
    let runtime = &recording.version().runtime_name;
    let (mut ran, mut partial) = (Vec::new(), 0);
    for (name, id) in recording.containers() {
        let Some(path) = cgroup(&recording, name, id) else {
            println!("{folder}: nothing tells where {name} was");
            continue;
        };
        let command = ["/bin/true", &format!("{folder} {name}")];
        let pid = replay.run_in(&path, &command).unwrap();
        let event = agent.wait_for(name, |event| is_exec(event, &command)).unwrap();
        assert_eq!(event["process"]["pid"], pid, "{event}");
        assert_eq!(event["metadata"]["source"], "cri", "{event}");
        let (pod, container) = name.split_once('.').unwrap();
        // Behind the name: which start of it.
        let container = container.split('.').next().unwrap();
        assert_eq!(event["container"]["id"], id, "{event}");
        assert_eq!(event["container"]["name"], container, "{event}");
        assert_eq!(event["container"]["runtime"], **runtime, "{event}");
        assert_eq!(event["container"]["privileged"], false, "{event}");
        assert_eq!(event["kubernetes"]["container"], container, "{event}");
        assert_pod(&event, pod);
        let asked = IMAGES.iter().find(|(known, _)| *known == name);
        assert_image(
            &event,
            asked.unwrap_or_else(|| panic!("{name} is not of the scenario")).1,
        );
        // Not of every pod was the sandbox recorded; the runtime then denies that it has one.
        if let Some((_, sandbox)) = recording.sandboxes().find(|(known, _)| *known == pod) {
            assert_eq!(event["container"]["pod_sandbox_id"], sandbox, "{event}");
            assert_eq!(event["metadata"]["status"], "complete", "{event}");
            ran.push(id);
        } else {
            assert_eq!(event["metadata"]["status"], "partial", "{event}");
            assert_eq!(event["metadata"]["reason"], "sandbox_unknown", "{event}");
            partial += 1;
        }
    }
    for (pod, id) in recording.sandboxes() {
        let Some(path) = recording.cgroup(&format!("{pod}.sandbox")) else {
            continue;
        };
        let command = ["/bin/true", &format!("{folder} {pod} sandbox")];
        replay.run_in(&path, &command).unwrap();
        let event = agent.wait_for(pod, |event| is_exec(event, &command)).unwrap();
        assert_eq!(event["metadata"]["status"], "complete", "{event}");
        assert_eq!(event["container"]["id"], id, "{event}");
        assert_eq!(event["container"]["sandbox"], true, "{event}");
        assert_pod(&event, pod);
        ran.push(id);
    }
    assert!(ran.len() + partial > 0, "{folder} has no container");
    println!("{folder}: {partial} containers whose sandbox was not recorded are told as partial");
    assert_all_complete(folder, agent, &ran);
}

#[test]
fn the_oldest_cri_o() {
    tells_what_was_recorded("cri-o-1.24.6");
}

#[test]
fn the_newest_cri_o() {
    tells_what_was_recorded("cri-o-1.36.3");
}

macro_rules! recorded {
    ($($name:ident: $folder:literal;)*) => {$(
        #[test]
        #[ignore = "`just test-runtimes` replays every recording"]
        fn $name() {
            tells_what_was_recorded($folder);
        }
    )*};
}

recorded! {
    containerd_1_4: "containerd-1.4.13";
    containerd_1_6: "containerd-1.6.20";
    containerd_1_7: "containerd-1.7.24";
    containerd_2_1: "containerd-2.1.9";
    containerd_2_1_driver_mismatch: "containerd-2.1.9-driver-mismatch";
    containerd_2_1_systemd: "containerd-2.1.9-systemd-cgroup";
    cri_o_1_24_v1alpha2: "cri-o-1.24.6-v1alpha2";
    cri_o_1_28: "cri-o-1.28.11";
    cri_o_1_32: "cri-o-1.32.13";
    cri_o_1_36_systemd: "cri-o-1.36.3-systemd-cgroup";
    cri_o_1_36_crun_systemd: "cri-o-1.36.3-crun-systemd-cgroup";
}
