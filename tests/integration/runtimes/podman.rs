//! Containers of podman: no kubelet, no daemon, another low-level runtime.

use serde_json::Value;

use super::{assert_all_complete, watch};
use crate::event::{agent, assert_never_silently_null, is_exec};
use crate::lab::agent::Installed;
use crate::lab::image;
use crate::lab::podman::{Podman, Starter};
use crate::lab::turn::Turn;

#[test]
#[ignore = "`just test-runtimes` installs podman"]
fn containers_are_recognised_whoever_starts_them() {
    let _turn = Turn::take().unwrap();
    let lab = Podman::start().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = watch(&installed, &lab.socket()).unwrap();
    let mut ids = Vec::new();
    for (name, starter, network) in [
        ("by-crun", Starter::Crun, "none"),
        ("by-runc", Starter::Runc, "none"),
        ("in-the-hosts-network", Starter::Crun, "host"),
    ] {
        let command = ["/bin/sh", "-c", "sleep 1000", name];
        let id = lab.run(name, starter, &["--network", network], &command).unwrap();
        let event = agent.wait_for(name, |event| is_exec(event, &command)).unwrap();
        assert_eq!(event["container"]["id"], *id, "{event}");
        assert_eq!(event.get("kubernetes"), None, "no kubelet made it: {event}");
        let members = lab.place().processes_of(&lab.cgroup_of(&id)).unwrap();
        assert!(
            members.contains(&event["process"]["pid"].as_u64().unwrap()),
            "{event}: {members:?}"
        );

        // What is done in it later is of the same container; conmon, which watches it, is not.
        lab.podman(&["exec", name, "/bin/true", name]).unwrap();
        let later = agent
            .wait_for(name, |event| is_exec(event, &["/bin/true", name]))
            .unwrap();
        assert_eq!(later["container"]["id"], *id, "{later}");
        ids.push(id);
    }
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
    assert_never_silently_null(&stopped.events);
    let of_conmon = |event: &&Value| event["type"] == "process_exec" && event["process"]["name"] == "conmon";
    let monitors: Vec<&Value> = stopped.events.iter().filter(of_conmon).collect();
    assert!(
        monitors.len() >= ids.len(),
        "one conmon per container: {}",
        monitors.len()
    );
    for monitor in &monitors {
        assert_eq!(monitor["metadata"]["status"], "host", "{monitor}");
    }
    println!(
        "podman: {} containers recognised, {} monitors told as the host's; lookups {}",
        ids.len(),
        monitors.len(),
        stopped.summary().expect("the last line is the summary")["lookups"]
    );
}

/// As podman itself says.
#[test]
#[ignore = "`just test-runtimes` installs podman"]
fn its_api_names_them() {
    let _turn = Turn::take().unwrap();
    let lab = Podman::start().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = watch(&installed, &lab.socket()).unwrap();
    let mut ids = Vec::new();
    for (name, starter) in [("by-crun", Starter::Crun), ("by-runc", Starter::Runc)] {
        let command = ["/bin/sh", "-c", "sleep 1000", name];
        let id = lab.run(name, starter, &["--network", "none"], &command).unwrap();
        let event = agent.wait_for(name, |event| is_exec(event, &command)).unwrap();
        let format = ["inspect", "--format", "{{.Id}} {{.Name}} {{.ImageName}}", name];
        let said = lab.podman(&format).unwrap();
        assert_eq!(said.trim(), format!("{id} {name} {}", image::BUSYBOX));
        assert_eq!(event["metadata"]["status"], "complete", "{event}");
        assert_eq!(event["metadata"]["source"], "podman", "{event}");
        assert_eq!(event["container"]["id"], *id, "{event}");
        assert_eq!(event["container"]["name"], name, "{event}");
        assert_eq!(event["container"]["runtime"], "podman", "{event}");
        assert_eq!(event["container"]["image"]["reference"], image::BUSYBOX, "{event}");
        assert_eq!(
            event["container"]["image"]["repository"],
            image::BUSYBOX_REPOSITORY,
            "{event}"
        );
        assert_eq!(event["container"]["image"]["tag"], image::BUSYBOX_TAG, "{event}");
        ids.push(id);
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_all_complete("podman", agent, &ids);
}
