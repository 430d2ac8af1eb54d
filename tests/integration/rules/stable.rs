//! The upstream stable file, unchanged: each of its rules alerts for its trigger, once, with all that its message shows, and
//! not for the near miss.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use k8s_cri::v1::{Capability, ContainerConfig, Mount};
use pinhole::rules::reasons;
use serde_json::Value;

use super::scenes::{API_SERVER, MOUNT, SCENES, Scene, Stage};
use crate::event::{agent, assert_nothing_dropped, is_exec};
use crate::lab::agent::{Agent, Installed};
use crate::lab::containerd::Containerd;
use crate::lab::image;
use crate::lab::pod::{Pod, PodSpec};
use crate::lab::tool;
use crate::lab::turn::Turn;

const UID: &str = "7d1f0c8e-5a1b-4c39-9f0a-1b2c3d4e5f60";

/// A container that has the directory of this test program, with these capabilities more than usual.
fn with_deeds(pod: &Pod<'_>, name: &str, capabilities: &[&str]) -> ContainerConfig {
    let mut config = pod.plain(name, &["/bin/sleep", "1000"]);
    config.image = Some(pod.image());
    let program = std::env::current_exe().unwrap();
    config.mounts.push(Mount {
        container_path: MOUNT.to_owned(),
        host_path: program.parent().unwrap().display().to_string(),
        readonly: true,
        ..Mount::default()
    });
    let context = config
        .linux
        .as_mut()
        .and_then(|linux| linux.security_context.as_mut())
        .unwrap();
    context.capabilities = Some(Capability {
        add_capabilities: capabilities.iter().map(|&name| name.to_owned()).collect(),
        ..Capability::default()
    });
    config
}

/// The alerts of a rule since a mark.
fn alerts<'a>(events: &'a [Value], rule: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["rule"] == rule).collect()
}

/// Performs it, and waits until everything that happened has come through: an exec of this machine's own, afterwards, is told.
fn perform(agent: &Agent<'_>, deed: fn(&Stage<'_>), stage: &Stage<'_>, marker: &str) -> Vec<Value> {
    let mark = agent.events().len();
    deed(stage);
    tool::run(Command::new("/bin/true").arg(marker)).unwrap();
    agent
        .explained(
            agent
                .events()
                .wait_from(mark, marker, crate::lab::agent::ARRIVES, |event| {
                    is_exec(event, &["/bin/true", marker])
                }),
        )
        .unwrap();
    agent.events().all().split_off(mark)
}

/// What a message of these rules may show nothing for, and the reason that the alert gives; without one it is certain that there
/// is nothing, and upstream's text for it is `<NA>` too. No rule: all of them. Whatever else is null is a gap of the agent.
const NULLS: &[(&[&str], &str, Option<&str>)] = &[
    // These tell of an exec, which is about no descriptor.
    (
        &["Remove Bulk Data from Disk", "Execution from /dev/shm"],
        "fd.name",
        None,
    ),
    // It has neither ports nor a protocol above IP.
    (&["Packet socket created in container"], "fd.l4proto", None),
    (&["Packet socket created in container"], "fd.lport", None),
    (&["Packet socket created in container"], "fd.rport", None),
    // A dup of a connection that was made before: who is the client is not known of it.
    (
        &["Redirect STDOUT/STDIN to Network Connection in Container"],
        "fd.sip",
        Some(reasons::ROLE_UNKNOWN),
    ),
    // A process has that many ancestors and no more, where this test is run by few.
    (&[], "proc.aname[", None),
    (&[], "proc.aexepath[", None),
    // The leader of the session that this test runs in may have ended before the agent came.
    (
        &["Fileless execution via memfd_create"],
        "proc.sname",
        Some(reasons::LEADER_UNKNOWN),
    ),
];

/// Whether a field of an alert may be null for this reason.
fn may_be_null(scene: &Scene, field: &str, why: Option<&str>) -> bool {
    // Outside of containers there is no container.
    let of_place = field.starts_with("container.") || field.starts_with("k8s.");
    if !scene.contained && of_place && why.is_none() {
        return true;
    }
    NULLS.iter().any(|(rules, name, reason)| {
        let of_rule = rules.is_empty() || rules.contains(&scene.rule);
        let same = if name.ends_with('[') {
            field.starts_with(name)
        } else {
            field == *name
        };
        of_rule && same && why == *reason
    })
}

fn check(scene: &Scene, alert: &Value) {
    let (rule, fields) = (scene.rule, &alert["output_fields"]);
    assert!(alert["pinhole"].get("undecided").is_none(), "{rule}: {alert}");
    let metadata = &alert["pinhole"]["metadata"]["status"];
    let status = if scene.contained { "complete" } else { "host" };
    assert_eq!(metadata, status, "{rule}: {alert}");
    for (field, value) in fields.as_object().unwrap() {
        let why = alert["pinhole"]["missing"].get(field).and_then(Value::as_str);
        assert!(
            !value.is_null() || may_be_null(scene, field, why),
            "{rule}: {field} is null, {why:?}: {alert}"
        );
    }
    if scene.contained {
        assert_eq!(
            fields["container.image.repository"],
            image::BUSYBOX_REPOSITORY,
            "{rule}: {alert}"
        );
        assert_eq!(fields["k8s.pod.name"], "web-7d9c5b", "{rule}: {alert}");
        assert_eq!(fields["k8s.ns.name"], "shop", "{rule}: {alert}");
    }
    for key in ["hostname", "output", "priority", "source", "time"] {
        assert!(alert[key].is_string(), "{rule}: {key}: {alert}");
    }
    assert!(
        alert["tags"].is_array()
            && alert["output"]
                .as_str()
                .unwrap()
                .contains(alert["priority"].as_str().unwrap())
    );
}

const PLAY: &str = "rules::stable::play";

/// Rules ask for ancestors, of whom eight are told of a process that is older than the agent. Who runs this test may have
/// more: what plays has lost its parents.
#[test]
fn each_rule_of_the_stable_file_alerts_once_and_a_near_miss_does_not() {
    if super::stable().is_none() {
        return;
    }
    let mut orphan = Command::new("setsid");
    orphan
        .args(["--fork".as_ref(), std::env::current_exe().unwrap().as_os_str()])
        .args([PLAY, "--exact", "--ignored", "--nocapture"]);
    // It ends when nobody writes any more.
    let played = tool::run(&mut orphan).unwrap();
    let [said, complaints] = [&played.stdout, &played.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(said.contains("\ntest result: ok. 1 passed"), "{said}\n{complaints}");
    println!("{said}");
}

#[test]
#[ignore = "what the test above starts"]
fn play() {
    let Some(rules) = super::stable() else { return };
    let _turn = Turn::take().unwrap();
    let lab = Containerd::start().unwrap();
    let pod = Pod::run(&lab, PodSpec::new("shop", "web-7d9c5b", UID).privileged()).unwrap();
    let plain = pod.create_as(with_deeds(&pod, "plain", &[])).unwrap();
    plain.start().unwrap();
    let capable = pod
        .create_as(with_deeds(&pod, "capable", &["SYS_ADMIN", "SYS_MODULE"]))
        .unwrap();
    capable.start().unwrap();

    let installed = Installed::new(agent()).unwrap();
    // The file is wherever it is; the agent reads a copy that its user may read.
    let copy = installed.dir().join("falco_rules.yaml");
    std::fs::copy(rules, &copy).unwrap();
    let words = [
        "run",
        "--output",
        "json",
        "--rules-matching",
        "all",
        "--events",
        "process",
        // This is about what is told, not about how fast a busy machine's runtime answers.
        "--runtime-call-timeout",
        "20s",
        "--runtime-lookup-budget",
        "20s",
        "--runtime-wait-share",
        "100%",
        "--rules",
    ]
    .map(AsRef::as_ref);
    let socket = lab.socket();
    // The accounts are this machine's, though the agent is told of an API server as in a pod.
    let more = [
        copy.as_os_str(),
        "--runtime-host-prefix".as_ref(),
        "/".as_ref(),
        "--runtime-socket".as_ref(),
        socket.as_os_str(),
    ];
    let mut command = installed.command(words.into_iter().chain(more)).unwrap();
    command
        .env("KUBERNETES_SERVICE_HOST", API_SERVER)
        .env("PINHOLE_PROFILE", "standalone");
    let agent = installed.start(&mut command).unwrap();
    agent.wait_ready().unwrap();

    let with_terminal = |program: &str| {
        let name = format!("terminal-{}", program.trim_start_matches("/bin/"));
        let mut config = pod.plain(&name, &[program]);
        config.image = Some(pod.image());
        (config.tty, config.stdin) = (true, false);
        let container = pod.create_as(config).unwrap();
        let mark = agent.events().len();
        container.start().unwrap();
        // On a busy machine the lookup may come later, and what is removed the runtime does not know any more.
        let started = agent
            .events()
            .wait_from(mark, program, crate::lab::agent::ARRIVES, |event| {
                is_exec(event, &[program])
            });
        agent.explained(started).unwrap();
        // A shell whose terminal nobody reads from waits; true ends by itself.
        container.remove().unwrap();
    };
    let privileged = |program: &Path| {
        let mut config = pod.plain(
            &format!("privileged-{}", program.file_name().unwrap().display()),
            &["/bin/true"],
        );
        config.image = Some(pod.image());
        config
            .linux
            .as_mut()
            .and_then(|linux| linux.security_context.as_mut())
            .unwrap()
            .privileged = true;
        let container = pod.create_as(config).unwrap();
        lab.run_in_cgroup(&pod.cgroup_of(&container), program).unwrap();
    };
    let dir = installed.dir().join("stage");
    std::fs::create_dir(&dir).unwrap();
    let stage = Stage {
        dir,
        capable: &capable,
        plain: &plain,
        with_terminal: &with_terminal,
        privileged: &privileged,
    };

    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (number, scene) in SCENES.iter().enumerate() {
        let missed = perform(&agent, scene.near_miss, &stage, &format!("after-near-miss-{number}"));
        let raised = alerts(&missed, scene.rule);
        assert!(raised.is_empty(), "the near miss of {}: {raised:?}", scene.rule);
        let met = perform(&agent, scene.trigger, &stage, &format!("after-trigger-{number}"));
        let raised = alerts(&met, scene.rule);
        assert_eq!(raised.len(), 1, "{}: {raised:?}", scene.rule);
        check(scene, raised[0]);
        *counts.entry(scene.rule).or_default() += 1;
        println!("{}", raised[0]["output"].as_str().unwrap());
    }
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
    assert_nothing_dropped(&stopped);
    let told = &stopped.summary().unwrap()["rules"];
    for scene in &SCENES {
        assert!(
            told[scene.rule]["matched"].as_u64().unwrap() >= 1,
            "{}: {told}",
            scene.rule
        );
    }
    pod.remove().unwrap();
}
