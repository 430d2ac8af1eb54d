//! Containers of Docker: what its daemon knows, and what the containerd behind it knows.

use std::ffi::OsStr;
use std::path::Path;

use serde_json::{Value, json};

use super::{assert_all_complete, watch, watch_all};
use crate::event::{agent, assert_never_silently_null, is_exec};
use crate::lab::agent::{Agent, Installed};
use crate::lab::docker::Docker;
use crate::lab::image;
use crate::lab::tool;
use crate::lab::turn::Turn;

/// In the environment of every container, to be found nowhere.
const PLANTED: &str = "PASSWORD=not-a-real-password";

/// What a container runs: a word in the arguments tells it from others.
fn command(name: &str) -> [&str; 4] {
    ["/bin/sh", "-c", "sleep 1000", name]
}

/// Starts one, and gives its id and the event of its first program.
fn started(docker: &Docker, agent: &Agent<'_>, name: &str, options: &[&str], image: &str) -> (String, Value) {
    let options = [&["--env", PLANTED], options].concat();
    let id = docker.run(name, &options, image, &command(name)).unwrap();
    let event = agent.wait_for(name, |event| is_exec(event, &command(name))).unwrap();
    assert_eq!(event["container"]["id"], *id, "{event}");
    let members = docker.place().processes_of(&docker.cgroup_of(&id)).unwrap();
    let pid = event["process"]["pid"].as_u64().unwrap();
    assert!(members.contains(&pid), "{event}: {members:?}");
    (id, event)
}

/// With the daemon's socket, and with containerd's before it.
#[test]
#[ignore = "`just test-runtimes` fetches Docker"]
fn its_api_names_them() {
    let _turn = Turn::take().unwrap();
    let docker = Docker::start().unwrap();
    let (socket, containerd) = (docker.socket(), docker.containerd_socket());
    names_them(&docker, &[&socket]);
    names_them(&docker, &[&containerd, &socket]);
}

fn names_them(docker: &Docker, sockets: &[&Path]) {
    let images = docker.images();
    let installed = Installed::new(agent()).unwrap();
    let agent = watch_all(&installed, sockets).unwrap();
    let name = |what: &str| format!("{what}-{}", sockets.len());
    assert_the_doctor_knows(&installed, sockets);
    let mut ids = Vec::new();

    let by_tag = name("by-tag");
    let options = ["--label", "team=shop", "--label", "tier=front"];
    let (id, event) = started(docker, &agent, &by_tag, &options, &images.busybox);
    let (repository, tag) = images.busybox.rsplit_once(':').unwrap();
    let record = docker.docker(&["inspect", "--format", "{{.Image}}", &id]).unwrap();
    let expected = json!({
        "id": id,
        "name": by_tag,
        "runtime": "docker",
        "image": {
            "reference": images.busybox,
            "repository": repository,
            "tag": tag,
            "digest": images.busybox_digest,
            "id": record.trim(),
        },
        "privileged": false,
        "labels": {"team": "shop", "tier": "front"},
    });
    assert_eq!(event["container"], expected, "{event}");
    assert_eq!(tag, image::BUSYBOX_TAG);
    ids.push(id);

    let by_digest = name("by-digest");
    let (id, event) = started(docker, &agent, &by_digest, &[], &images.sidecar);
    assert_eq!(event["container"]["name"], *by_digest, "{event}");
    assert_eq!(event["container"]["image"]["reference"], *images.sidecar, "{event}");
    assert_eq!(event["container"]["image"]["digest"], *images.sidecar_digest, "{event}");
    assert_eq!(event["container"]["image"].get("tag"), None, "{event}");
    assert_eq!(event["container"].get("labels"), None, "{event}");
    ids.push(id);

    // Docker starts a privileged container with every capability there is, which not every machine has to give. So the
    // daemon only makes it, and a process is put where it would be.
    let privileged = name("privileged");
    let create = ["create", "--privileged", "--name", &privileged, "--env", PLANTED];
    let id = docker
        .docker(&[&create[..], &[&images.busybox, "/bin/sh"]].concat())
        .unwrap();
    let id = id.trim().to_owned();
    let event = in_cgroup_of(docker, &agent, &id, &privileged);
    assert_eq!(event["container"]["name"], *privileged, "{event}");
    assert_eq!(event["container"]["privileged"], true, "{event}");
    ids.push(id);

    for event in agent.events().all() {
        if event["container"]["id"]
            .as_str()
            .is_some_and(|id| ids.iter().any(|ours| ours == id))
        {
            assert_eq!(event["metadata"]["source"], "docker", "{event}");
            assert_eq!(event.get("kubernetes"), None, "no kubelet made it: {event}");
        }
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let what = format!("Docker {} by {} sockets", docker.version(), sockets.len());
    let stopped = assert_all_complete(&what, agent, &ids);
    let (_, secret) = PLANTED.split_once('=').unwrap();
    assert!(!stopped.stderr.contains(secret), "{}", stopped.stderr);
    for event in &stopped.events {
        // Docker's own command line has it, and so has who runs it.
        if event["metadata"]["status"] != "host" {
            assert!(!event.to_string().contains(secret), "{event}");
        }
    }
}

/// What the running agent says of its runtimes is what the doctor tells: Docker, and in what it is asked.
fn assert_the_doctor_knows(installed: &Installed, sockets: &[&Path]) {
    let sockets = sockets
        .iter()
        .flat_map(|socket| ["--runtime-socket".as_ref(), socket.as_os_str()]);
    let words = ["doctor", "--format", "json"].map(AsRef::<OsStr>::as_ref);
    let mut command = installed.command(words.into_iter().chain(sockets)).unwrap();
    // Whatever else it finds on this machine decides its exit status.
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let check = |id: &str| checks.iter().find(|check| check["id"] == id).unwrap();
    for (id, expected) in [("PIN-RUN-001", "docker at "), ("PIN-RUN-002", ", Docker Engine API")] {
        let check = check(id);
        assert_eq!(check["status"], "ok", "{check}");
        assert!(check["summary"].as_str().unwrap().contains(expected), "{check}");
        let source = check["evidence"][0]["source"].as_str().unwrap();
        assert!(source.starts_with("GetStatus"), "{check}");
    }
}

/// Runs a program in the cgroup where Docker would put this container's, and gives its event.
fn in_cgroup_of(docker: &Docker, agent: &Agent<'_>, id: &str, name: &str) -> Value {
    let lists = docker.place().make_cgroup(id).unwrap();
    let join: String = lists
        .iter()
        .map(|list| format!("echo $$ >'{}'; ", list.display()))
        .collect();
    let busybox = tool::find("busybox", "busybox-static").unwrap();
    let program = busybox.to_string_lossy();
    let command = [&*program, "true", name];
    let script = format!("{join}exec '{program}' true '{name}'");
    tool::run(std::process::Command::new("/bin/sh").args(["-ec", &script])).unwrap();
    agent.wait_for(name, |event| is_exec(event, &command)).unwrap()
}

/// containerd has Docker's containers in a namespace of Docker's, without a name and without an image.
#[test]
#[ignore = "`just test-runtimes` fetches Docker"]
fn the_containerd_behind_it_tells_what_it_knows_and_what_it_does_not() {
    let _turn = Turn::take().unwrap();
    let docker = Docker::start().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = watch(&installed, &docker.containerd_socket()).unwrap();
    let (id, event) = started(
        &docker,
        &agent,
        "web",
        &["--label", "team=shop"],
        &docker.images().busybox,
    );
    let expected = json!({"id": id, "runtime": "containerd", "runtime_namespace": "moby"});
    assert_eq!(event["container"], expected, "{event}");
    assert_eq!(event["metadata"]["status"], "partial", "{event}");
    assert_eq!(event["metadata"]["reason"], "image_name_unknown", "{event}");
    assert_eq!(event["metadata"]["source"], "containerd", "{event}");
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
    assert_never_silently_null(&stopped.events);
    println!(
        "Docker {} by containerd's socket alone: partial, image_name_unknown",
        docker.version()
    );
}
