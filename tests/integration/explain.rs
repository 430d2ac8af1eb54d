//! `agent doctor --explain` beside a running agent: a real pod by its name, a container by the beginning of its id.

use std::process::Output;

use serde_json::{Value, json};

use crate::event::{agent, is_exec};
use crate::lab::agent::{AGENT_ID, Installed};
use crate::lab::containerd::Containerd;
use crate::lab::pod::{Pod, PodSpec};
use crate::lab::turn::Turn;

const UID: &str = "5b0f1c9a-8a3e-4a57-b8a3-90a5f1f0e001";

/// As the agent's own user, with the settings of the agent.
fn explain(installed: &Installed, lab: &Containerd, target: &str, more: &[&str]) -> Output {
    let mut command = installed.command(["doctor", "--explain", target]).unwrap();
    command.arg("--runtime-socket").arg(lab.socket()).args(more);
    command.output().unwrap()
}

fn explained(installed: &Installed, lab: &Containerd, target: &str) -> (Option<i32>, Value) {
    let output = explain(installed, lab, target, &["--format", "json"]);
    let said = serde_json::from_slice(&output.stdout);
    let said = said.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), said)
}

fn step<'a>(container: &'a Value, name: &str) -> &'a Value {
    let steps = container["steps"].as_array().unwrap();
    steps.iter().find(|step| step["step"] == name).unwrap()
}

#[test]
fn a_real_pod_is_explained_by_its_name_and_by_a_part_of_its_id() {
    let _turn = Turn::take().unwrap();
    let lab = Containerd::start().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed
        .run(["--runtime-socket".as_ref(), lab.socket().as_os_str()])
        .unwrap();
    let pod = Pod::run(&lab, PodSpec::new("shop", "web-7d9c5b", UID)).unwrap();
    let container = pod.start("app", &["/bin/sleep", "1000"]).unwrap();
    agent
        .wait_for("the container's own exec", |event| {
            is_exec(event, &["/bin/sleep", "1000"])
        })
        .unwrap();

    let (code, said) = explained(&installed, &lab, "shop/web-7d9c5b");
    assert_eq!(code, Some(0), "{said:#}");
    assert_eq!(said["verdict"], "complete", "{said:#}");
    let ids: Vec<&str> = said["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|container| container["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [pod.id(), container.id()], "the sandbox first");
    let app = &said["containers"][1];
    assert_eq!(app["decided_by"], "agent", "{said:#}");
    assert_eq!(app["event"]["container"]["id"], container.id(), "{app:#}");
    assert_eq!(app["event"]["kubernetes"]["pod"]["uid"], UID, "{app:#}");
    for name in [
        "order", "calls", "answers", "id", "verbose", "pod", "sandbox", "image", "cgroup", "metadata", "agent",
    ] {
        assert_eq!(step(app, name)["outcome"], "ok", "{app:#}");
    }
    let held = &step(app, "agent")["evidence"][0];
    assert_eq!(held["answer"]["metadata"]["status"], "complete", "{app:#}");
    assert_eq!(held["answer"]["container"]["id"], container.id(), "{app:#}");
    assert!(
        ["event", "prefetch"].contains(&held["cause"].as_str().unwrap()),
        "{app:#}"
    );
    assert_eq!(held["told"], json!(true), "{app:#}");
    assert!(held["age_us"].as_u64().unwrap() > 0, "{app:#}");

    let (code, said) = explained(&installed, &lab, &container.id()[..10]);
    assert_eq!(code, Some(0), "{said:#}");
    assert_eq!(said["containers"].as_array().unwrap().len(), 1, "{said:#}");
    assert_eq!(said["containers"][0]["id"], container.id());

    // For people, and of what is not there.
    let text = explain(&installed, &lab, "shop/web-7d9c5b/app", &[]);
    let page = String::from_utf8_lossy(&text.stdout);
    assert!(
        page.contains("[ ok ] agent") && page.ends_with("exit 0: everything is known\n"),
        "{page}"
    );
    let (code, said) = explained(&installed, &lab, "shop/nothing");
    assert_eq!((code, &said["verdict"]), (Some(2), &json!("missing")), "{said:#}");
    let wrong = explain(&installed, &lab, "a/b/c/d", &[]);
    assert_eq!(wrong.status.code(), Some(64));

    // Whoever may not use the runtime's socket is told so, and what the agent knows.
    let barred = Installed::new(crate::event::agent()).unwrap().without_group();
    let mut command = barred
        .command(["doctor", "--format", "json", "--explain", "shop/web-7d9c5b/app"])
        .unwrap();
    command.arg("--runtime-socket").arg(lab.socket());
    command.arg("--control-socket").arg(installed.control_socket());
    let output = command.output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let app = &said["containers"][0];
    assert_eq!(app["id"], container.id(), "{said:#}");
    assert_eq!(app["event"]["metadata"]["reason"], "socket_permission", "{said:#}");
    let differs = step(app, "agent")["said"].as_str().unwrap();
    assert!(
        differs.contains(&format!("uid {AGENT_ID}")) && differs.contains("other groups"),
        "{differs}"
    );

    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
    pod.remove().unwrap();
}
