//! containerd without CRI, as Docker's packages configure it: containers of its own clients, in their namespaces.

use serde_json::json;

use super::{assert_all_complete, watch};
use crate::event::{agent, is_exec};
use crate::lab::agent::Installed;
use crate::lab::daemon::{Daemon, READY, Serves};
use crate::lab::image;
use crate::lab::runtimes::Release;
use crate::lab::tool;
use crate::lab::turn::Turn;

/// What ctr takes for a name, and the agent for an id: Docker's and nerdctl's names for their containers look so.
fn id(digit: char) -> String {
    String::from_iter([digit; 64])
}

fn tells_namespace_by_namespace(release: Release) {
    let _turn = Turn::take().unwrap();
    let version = release.version().to_owned();
    let daemon = Daemon::start(release, Serves::OwnApi).unwrap();
    tool::poll(
        "containerd's first answer",
        READY,
        || daemon.log(),
        || Ok(daemon.listens().then(|| daemon.ctr(&["version"]).ok()).flatten()),
    )
    .unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = watch(&installed, &daemon.socket()).unwrap();
    let mut ids = Vec::new();
    for (namespace, digit, labels) in [
        ("default", 'a', ["--label", "nerdctl/name=solo"]),
        ("moby", 'b', ["--label", "com.example=1"]),
    ] {
        daemon.import_images(namespace).unwrap();
        let id = id(digit);
        let cgroup = format!("{}/{namespace}/{id}", daemon.place().cgroup_root());
        let command = ["/bin/sh", "-c", "sleep 1000", namespace];
        let run = ["--namespace", namespace, "run", "--detach", "--cgroup", &cgroup];
        let what = [&run[..], &labels, &[image::BUSYBOX, &id], &command].concat();
        daemon.ctr(&what).unwrap();
        let event = agent.wait_for(namespace, |event| is_exec(event, &command)).unwrap();
        assert_eq!(event["metadata"]["source"], "containerd", "{event}");
        assert_eq!(event["container"]["id"], *id, "{event}");
        assert_eq!(event["container"]["runtime"], "containerd", "{event}");
        assert_eq!(event["container"]["image"]["reference"], image::BUSYBOX, "{event}");
        assert_eq!(event["container"]["image"]["tag"], image::BUSYBOX_TAG, "{event}");
        assert_eq!(event["container"]["runtime_namespace"], namespace, "{event}");
        // containerd itself has no names: what nerdctl keeps as a label is one, and an id is none.
        let name = (namespace == "default").then(|| json!("solo"));
        assert_eq!(event["container"].get("name"), name.as_ref(), "{event}");
        assert_eq!(event.get("kubernetes"), None, "no kubelet made it: {event}");
        let members = daemon.place().processes_of(&cgroup).unwrap();
        assert!(
            members.contains(&event["process"]["pid"].as_u64().unwrap()),
            "{event}: {members:?}"
        );
        ids.push(id);
    }
    // A name that is no id is not guessed.
    let cgroup = format!("{}/default/short", daemon.place().cgroup_root());
    let command = ["/bin/sh", "-c", "sleep 1000", "short"];
    let run = [
        "--namespace",
        "default",
        "run",
        "--detach",
        "--cgroup",
        &cgroup,
        image::BUSYBOX,
        "short",
    ];
    daemon.ctr(&[&run[..], &command].concat()).unwrap();
    let event = agent.wait_for("short", |event| is_exec(event, &command)).unwrap();
    assert_eq!(event["metadata"], json!({"status": "host"}), "{event}");

    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_all_complete(&format!("containerd {version} without CRI"), agent, &ids);
}

#[test]
#[ignore = "`just test-runtimes` has all versions"]
fn the_installed_containerd() {
    tells_namespace_by_namespace(Release::installed().unwrap());
}

#[test]
#[ignore = "`just test-runtimes` fetches it"]
fn containerd_1_4() {
    tells_namespace_by_namespace(Release::of("bullseye").unwrap());
}

#[test]
#[ignore = "`just test-runtimes` fetches it"]
fn containerd_1_7() {
    tells_namespace_by_namespace(Release::of("trixie").unwrap());
}

#[test]
#[ignore = "`just test-runtimes` fetches it"]
fn containerd_2() {
    tells_namespace_by_namespace(Release::of("sid").unwrap());
}
