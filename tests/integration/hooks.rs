//! Which hooks there are and which of them report: said before the start, and changed while the agent runs.

use std::collections::BTreeSet;
use std::fs::File;
use std::process::{Command, Output};

use serde_json::Value;

use crate::event::{agent, balanced_hooks, is_call};
use crate::lab::agent::{AGENT_ID, Installed};
use crate::lab::tool;
use crate::lab::turn::Turn;

fn said(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn names(hooks: &Value) -> BTreeSet<String> {
    let hooks = hooks.as_array().unwrap();
    hooks
        .iter()
        .map(|hook| hook["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_is_printed_beforehand_is_what_is_attached() {
    let _turn = Turn::take().unwrap();
    let unprivileged = Installed::with_file_capabilities(agent(), "=").unwrap();
    let plan = |events: &str, prefetch: &str| {
        let arguments = [
            "run",
            "--print-hooks",
            "--output",
            "json",
            "--events",
            events,
            "--runtime-prefetch",
            prefetch,
        ];
        said(&unprivileged.command(arguments).unwrap().output().unwrap())["hooks"].take()
    };
    let life = ["canary", "exec", "exit", "fork", "snapshot"];
    assert_eq!(
        names(&plan("none", "false")),
        life.map(str::to_owned).into(),
        "nothing asked: the life of processes, and the canary"
    );
    let cgroups = ["cgroup_mkdir", "cgroup_rmdir"];
    assert_eq!(
        names(&plan("none", "true")),
        life.into_iter().chain(cgroups).map(str::to_owned).collect(),
        "and what comes before a container's first event"
    );
    let planned = plan("network,module", "true");
    let why = |name: &str| {
        let hooks = planned.as_array().unwrap();
        let hook = hooks.iter().find(|hook| hook["name"] == name);
        hook.unwrap()["why"].clone()
    };
    assert_eq!(why("bind"), serde_json::json!(["events: network"]));
    for hook in cgroups {
        assert!(why(hook)[0].as_str().unwrap().starts_with("runtime.prefetch: "));
    }
    let installed = Installed::new(agent()).unwrap();
    let stopped = installed.run(["--events", "network,module"]).unwrap().stop().unwrap();
    let attached = balanced_hooks(stopped.summary().unwrap());
    assert_eq!(
        names(&planned),
        attached.into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>()
    );
}

/// Says which hooks of a running agent report as a user of that id and the agent's group.
fn hooks(installed: &Installed, uid: u32, arguments: &[&str]) -> Output {
    let ids = [uid.to_string(), AGENT_ID.to_string()];
    Command::new(tool::find("setpriv", "util-linux").unwrap())
        .args(["--reuid", &ids[0], "--regid", &ids[1], "--clear-groups", "--"])
        .arg(installed.dir().join("agent"))
        .args(["hooks", "--format", "json", "--control-socket"])
        .arg(installed.control_socket())
        .args(arguments)
        .current_dir(installed.dir())
        .env_clear()
        .output()
        .unwrap()
}

fn refused(output: &Output, code: i32, words: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(words), "{stderr}");
}

/// The agent has no capability left, and yet what it watches can be changed.
#[test]
fn a_hook_that_is_turned_off_filters_until_it_is_turned_on() {
    const OPENS: u64 = 500;
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process,file"]).unwrap();
    for thread in agent.threads().unwrap() {
        for set in ["CapPrm", "CapEff", "CapInh", "CapAmb"] {
            assert_eq!(thread[set], "0000000000000000");
        }
    }
    let own = |arguments: &[&str]| hooks(&installed, AGENT_ID, arguments);
    let open = |name: &str| {
        assert!(
            File::open(installed.dir().join(name)).is_err(),
            "a name that nothing has"
        );
    };
    open("told-before");
    agent
        .wait_for("an open before", |event| requested(event).ends_with("/told-before"))
        .unwrap();

    let off = said(&own(&["--off", "file"]));
    assert_eq!(off["hooks"]["openat"]["reports"], false, "{off}");
    assert_eq!(off["hooks"]["kill"]["reports"], true, "{off}");
    for _ in 0..OPENS {
        open("not-told");
    }
    let quiet = said(&own(&[]));
    let counted = |told: &Value, key: &str| told["hooks"]["openat"][key].as_u64().unwrap();
    assert!(
        counted(&quiet, "filtered") - counted(&off, "filtered") >= OPENS,
        "{off}\n{quiet}"
    );
    let delivered = |told: &Value| counted(told, "delivered") + counted(told, "dropped");
    assert_eq!(delivered(&quiet), delivered(&off), "{off}\n{quiet}");
    let summary = agent.summary().unwrap();
    let told_off: Vec<&str> = summary["reporting"]["off"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(told_off.contains(&"openat") && !told_off.contains(&"kill"), "{summary}");
    // The life of processes goes on being told.
    let mut child = Command::new("/bin/true").arg("while-off").spawn().unwrap();
    assert!(child.wait().unwrap().success());
    agent
        .wait_for("an exec meanwhile", |event| {
            event["type"] == "process_exec" && event["process"]["args"][1] == "while-off"
        })
        .unwrap();

    let on = said(&own(&["--on", "all", "--off", "open"]));
    assert_eq!(on["hooks"]["openat"]["reports"], true, "{on}");
    assert_eq!(
        on["hooks"]["open"]["reports"], false,
        "the more special word counts: {on}"
    );
    open("told-after");
    agent
        .wait_for("an open after", |event| requested(event).ends_with("/told-after"))
        .unwrap();

    // What cannot be, and who may not. Nothing changes by it.
    refused(&own(&["--off", "network"]), 64, "network is not attached");
    refused(&own(&["--off", "openat,exec"]), 64, "exec cannot be turned off");
    refused(
        &own(&["--off", "cgroup_mkdir"]),
        64,
        "cgroup_mkdir cannot be turned off",
    );
    refused(&own(&["--on", "opnat"]), 64, "opnat");
    let stranger = AGENT_ID + 1;
    refused(
        &hooks(&installed, stranger, &["--off", "openat"]),
        78,
        "only uid 65532 and root",
    );
    let unchanged = said(&hooks(&installed, stranger, &[]));
    assert_eq!(
        unchanged["hooks"]["openat"]["reports"], true,
        "the group may ask: {unchanged}"
    );

    let stopped = agent.stop().unwrap();
    assert!(
        stopped
            .events
            .iter()
            .all(|event| !requested(event).ends_with("/not-told"))
    );
    balanced_hooks(stopped.summary().unwrap());
    assert_eq!(
        stopped.summary().unwrap()["reporting"]["off"],
        serde_json::json!(["open"])
    );
    let logged: Vec<&str> = stopped
        .stderr
        .lines()
        .filter(|line| line.contains("which hooks report"))
        .collect();
    assert_eq!(logged.len(), 2, "one for each change: {logged:?}");
    assert!(
        logged
            .iter()
            .all(|line| line.contains("WARN") && line.contains("65532")),
        "{logged:?}"
    );
}

fn requested(event: &Value) -> &str {
    if is_call(event, "openat") {
        event["file"]["requested_path"].as_str().unwrap_or_default()
    } else {
        ""
    }
}
