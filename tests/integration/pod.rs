//! What a pod does is told with everything that Kubernetes knows about it.

use std::fs;

use serde_json::{Value, json};

use crate::event::{agent, assert_never_silently_null, balanced_hooks, is_call, is_exec};
use crate::lab::agent::Installed;
use crate::lab::containerd::Containerd;
use crate::lab::image;
use crate::lab::pod::{Pod, PodSpec};
use crate::lab::turn::Turn;

const UID: &str = "5b0f1c9a-8a3e-4a57-b8a3-90a5f1f0c001";

fn shop() -> PodSpec {
    PodSpec::new("shop", "web-7d9c5b", UID)
}

/// Everything that the events of one container must say about where they happened.
fn assert_whereabouts(event: &Value, id: &str, name: &str) {
    let container = &event["container"];
    assert_eq!(event["metadata"]["status"], "complete", "{event}");
    assert!(event["metadata"].get("reason").is_none(), "{event}");
    assert_eq!(container["id"], id, "{event}");
    assert_eq!(container["name"], name, "{event}");
    assert_eq!(container["runtime"], "containerd", "{event}");
    assert_eq!(container["image"]["reference"], image::BUSYBOX, "{event}");
    assert_eq!(container["image"]["repository"], image::BUSYBOX_REPOSITORY, "{event}");
    assert_eq!(container["image"]["tag"], image::BUSYBOX_TAG, "{event}");
    let kubernetes = &event["kubernetes"];
    assert_eq!(kubernetes["namespace"], "shop", "{event}");
    assert_eq!(kubernetes["container"], name, "{event}");
    assert_eq!(kubernetes["qos"], "burstable", "{event}");
    assert_eq!(kubernetes["pod"]["name"], "web-7d9c5b", "{event}");
    assert_eq!(kubernetes["pod"]["uid"], UID, "{event}");
    assert_eq!(kubernetes["pod"]["labels"], json!({"app": "web"}), "{event}");
}

#[test]
fn a_command_in_a_named_container_is_fully_known() {
    let _turn = Turn::take().unwrap();
    let lab = Containerd::start().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed
        .run(["--runtime-socket".as_ref(), lab.socket().as_os_str()])
        .unwrap();
    let pod = Pod::run(&lab, shop()).unwrap();
    let container = pod.start("app", &["/bin/sleep", "1000"]).unwrap();
    let said = container.exec(&["cat", "/etc/hostname"]).unwrap();
    assert_eq!(said.code, 0, "{said:?}");

    let command = ["cat", "/etc/hostname"];
    let event = agent
        .wait_for("the exec of cat", |event| is_exec(event, &command))
        .unwrap();
    assert_whereabouts(&event, container.id(), "app");
    let process = &event["process"];
    assert_eq!(process["exe"], "/bin/cat", "{event}");
    assert_eq!(process["name"], "cat", "{event}");
    assert_eq!(process["cwd"], "/", "{event}");
    assert_eq!((&process["uid"], &process["gid"]), (&json!(0), &json!(0)), "{event}");

    // The parent is runc, which the agent saw start: it can be found among the events by its exec id.
    let parent = agent
        .wait_for("the parent's exec", |other| {
            other["process"]["exec_id"] == process["parent_exec_id"]
        })
        .unwrap();
    assert_eq!(parent["process"]["pid"], process["ppid"], "{event}\n{parent}");
    let ancestors = process["ancestors"].as_array().unwrap();
    assert_eq!(ancestors[0]["pid"], process["ppid"], "{event}");

    // What the command then did.
    let opened = agent
        .wait_for("the open of /etc/hostname", |other| {
            is_call(other, "openat")
                && other["process"]["exec_id"] == process["exec_id"]
                && other["file"]["requested_path"] == "/etc/hostname"
        })
        .unwrap();
    assert_whereabouts(&opened, container.id(), "app");
    assert!(opened["syscall"]["ret"].as_i64().unwrap() >= 0, "{opened}");
    assert_eq!(opened["file"]["path"], "/etc/hostname", "{opened}");

    // The container's first process, by the pid that the kernel gives for its cgroup.
    let started = agent
        .wait_for("the container's own exec", |event| {
            is_exec(event, &["/bin/sleep", "1000"])
        })
        .unwrap();
    assert_whereabouts(&started, container.id(), "app");
    let members = lab.processes_of(&pod.cgroup_of(&container)).unwrap();
    let pid = started["process"]["pid"].as_u64().unwrap();
    assert!(members.contains(&pid), "{pid} is not among {members:?}");

    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
    assert_never_silently_null(&stopped.events);
    let summary = stopped.summary().expect("the last line is the summary");
    balanced_hooks(summary);
    assert!(summary["lookups"]["count"].as_u64().unwrap() >= 1, "{summary}");
    pod.remove().unwrap();
}

#[test]
fn a_program_that_was_not_in_the_image_is_one_of_the_upper_layer() {
    let _turn = Turn::take().unwrap();
    let lab = Containerd::start().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed
        .run(["--runtime-socket".as_ref(), lab.socket().as_os_str()])
        .unwrap();
    let pod = Pod::run(&lab, shop()).unwrap();
    let container = pod.start("app", &["/bin/sleep", "1000"]).unwrap();
    let deed =
        "grep ' / ' /proc/mounts; cp /bin/busybox /written; /written true of-container; /bin/busybox true of-image";
    let said = container.exec(&["sh", "-c", deed]).unwrap();
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stdout.starts_with("overlay / overlay "), "{said:?}");
    for (program, token, notes) in [
        ("/written", "of-container", json!(["upper_layer"])),
        ("/bin/busybox", "of-image", Value::Null),
    ] {
        let event = agent
            .wait_for(token, |event| is_exec(event, &[program, "true", token]))
            .unwrap();
        assert_whereabouts(&event, container.id(), "app");
        assert_eq!(event["process"]["exe"], program, "{event}");
        assert_eq!(event["process"]["exe_notes"], notes, "{event}");
    }
}

#[test]
fn the_sandbox_and_the_host_are_told_apart() {
    let _turn = Turn::take().unwrap();
    let lab = Containerd::start().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed
        .run(["--runtime-socket".as_ref(), lab.socket().as_os_str()])
        .unwrap();
    let pod = Pod::run(&lab, shop()).unwrap();
    let pause = agent
        .wait_for("the pause container's exec", |event| {
            is_exec(event, &image::PAUSE_COMMAND)
        })
        .unwrap();
    assert_eq!(pause["container"]["id"], pod.id(), "{pause}");
    assert_eq!(pause["container"]["sandbox"], true, "{pause}");
    assert_eq!(pause["kubernetes"]["pod"]["name"], "web-7d9c5b", "{pause}");
    assert_eq!(pause["kubernetes"]["namespace"], "shop", "{pause}");

    let path = fs::canonicalize("/bin/true").unwrap();
    let marker = "pinhole-host-marker";
    assert!(
        std::process::Command::new(&path)
            .arg(marker)
            .status()
            .unwrap()
            .success()
    );
    let host = agent
        .wait_for("a host process", |event| {
            event["type"] == "process_exec" && event["process"]["args"][1] == marker
        })
        .unwrap();
    assert_eq!(host["metadata"], json!({"status": "host"}), "{host}");
    assert_eq!(host["process"]["exe"], Value::from(path.to_string_lossy()), "{host}");
    assert_eq!(host["process"]["ppid"], std::process::id(), "{host}");
    assert_never_silently_null(&agent.stop().unwrap().events);
}

#[test]
fn a_container_older_than_the_agent_is_known_too() {
    let _turn = Turn::take().unwrap();
    let lab = Containerd::start().unwrap();
    let pod = Pod::run(&lab, shop()).unwrap();
    let tick = "while true; do cat /etc/hostname >/dev/null; sleep 0.2; done";
    let container = pod.start("old", &["/bin/sh", "-c", tick]).unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed
        .run(["--runtime-socket".as_ref(), lab.socket().as_os_str()])
        .unwrap();
    let event = agent
        .wait_for("a process of the older shell", |event| {
            event["container"]["id"] == container.id() && is_exec(event, &["cat", "/etc/hostname"])
        })
        .unwrap();
    assert_whereabouts(&event, container.id(), "old");
    // The shell was there before: what is known of it comes from the kernel's own structures at its next event.
    let shell = &event["process"]["ancestors"][0];
    assert_eq!(shell["pid"], event["process"]["ppid"], "{event}");
    assert_eq!(shell["exe"], "/bin/sh", "{event}");
    assert_never_silently_null(&agent.stop().unwrap().events);
}

#[test]
fn a_connection_from_a_container_is_fully_known() {
    let _turn = Turn::take().unwrap();
    let lab = Containerd::start().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed
        .run(["--runtime-socket".as_ref(), lab.socket().as_os_str()])
        .unwrap();
    let pod = Pod::run(&lab, shop()).unwrap();
    let container = pod.start("app", &["/bin/sleep", "1000"]).unwrap();
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    // busybox's nc ends when its peer does.
    let acceptor = std::thread::spawn(move || listener.accept().map(|(_, peer)| peer));
    let said = container
        .exec(&["sh", "-c", &format!("echo | nc 127.0.0.1 {port}")])
        .unwrap();
    // Were there no connection, this one would end the wait, and the assertions below tell.
    drop(std::net::TcpStream::connect(("127.0.0.1", port)));
    let peer = acceptor.join().unwrap().unwrap();
    assert!(said.code >= 0, "{said:?}");
    let event = agent
        .wait_for("the connection", |event| {
            is_call(event, "connect") && event["network"]["destination"]["port"] == port
        })
        .unwrap();
    assert_whereabouts(&event, container.id(), "app");
    assert_eq!(event["network"]["family"], "AF_INET", "{event}");
    assert_eq!(event["network"]["protocol"], "tcp", "{event}");
    assert_eq!(event["network"]["destination"]["address"], "127.0.0.1", "{event}");
    assert_eq!(
        event["network"]["source"],
        json!({"address": "127.0.0.1", "port": peer.port()}),
        "{event}"
    );
    assert_never_silently_null(&agent.stop().unwrap().events);
}
