//! The running agent holds no privilege, and one that cannot start says which one it lacks.

use std::collections::BTreeMap;

use crate::event::{agent, is_exec};
use crate::lab::agent::{AGENT_ID, ENDS, Installed};
use crate::lab::turn::Turn;

const CAP_PERFMON: u64 = 1 << 38;
const CAP_BPF: u64 = 1 << 39;

fn run_marker(marker: &str) {
    let status = std::process::Command::new("/bin/true").arg(marker).status().unwrap();
    assert!(status.success());
}

fn set(thread: &BTreeMap<String, String>, key: &str) -> u64 {
    u64::from_str_radix(&thread[key], 16).unwrap()
}

#[test]
fn no_thread_keeps_a_privilege_while_events_flow() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process"]).unwrap();
    let flows = |marker: &str| {
        run_marker(marker);
        agent
            .wait_for(marker, |event| is_exec(event, &["/bin/true", marker]))
            .unwrap();
    };
    flows("before-the-look");
    let threads = agent.threads().unwrap();
    flows("after-the-look");

    assert!(!threads.is_empty());
    let id = AGENT_ID.to_string();
    for thread in &threads {
        for key in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(set(thread, key), 0, "{key} of {thread:#?}");
        }
        // An unprivileged process may not lower its bounding set; it is what the runtime granted, and no more.
        assert_eq!(set(thread, "CapBnd") & !(CAP_BPF | CAP_PERFMON), 0, "{thread:#?}");
        assert_eq!(thread["NoNewPrivs"], "1", "{thread:#?}");
        assert_eq!(thread["Seccomp"], "2", "{thread:#?}");
        assert!(thread["Uid"].split_whitespace().all(|uid| uid == id), "{thread:#?}");
        assert!(thread["Gid"].split_whitespace().all(|gid| gid == id), "{thread:#?}");
    }
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
}

/// Starts an agent that cannot work, and gives what it said.
fn refused(installed: &Installed) -> String {
    let agent = installed.spawn(["--events", "process"]).unwrap();
    let status = agent.wait_ended(ENDS).unwrap();
    let stopped = agent.collect().unwrap();
    assert_eq!(status.code(), Some(78), "{}", stopped.stderr);
    assert!(stopped.events.is_empty(), "{:?}", stopped.events);
    assert!(!stopped.stderr.contains("panicked"), "{}", stopped.stderr);
    stopped.stderr
}

#[test]
fn without_file_capabilities_it_says_what_is_missing() {
    let _turn = Turn::take().unwrap();
    let said = refused(&Installed::with_file_capabilities(agent(), "=").unwrap());
    assert!(said.contains("CAP_BPF") && said.contains("CAP_PERFMON"), "{said}");
}

#[test]
fn with_one_capability_only_the_other_is_named() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap().with_bounding_set("-all,+bpf");
    let said = refused(&installed);
    assert!(said.contains("CAP_PERFMON"), "{said}");
}
