//! Programs that read alerts, and what they may do.

use std::fs;

use super::{Node, mark, printed, until};
use crate::lab::turn::Turn;

fn text(path: &std::path::Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn one_program_reads_all_and_ends_with_the_agent() {
    let _turn = Turn::take().unwrap();
    let node = Node::new(
        "[delivery.program]\nenabled = true\ncommand = [\"/bin/sh\", \"-c\", \"while read -r line; do echo \\\"$line\\\" >> RUN/got; done; \
         echo over >> RUN/got\"]\n",
    );
    let agent = node.start();
    for word in ["one", "two"] {
        mark(word);
    }
    let alerts = ["one", "two"].map(|word| printed(&agent, word));
    until("both alerts", &agent, || {
        (text(&node.run("got")).matches('\n').count() == 2).then_some(())
    });
    let got: Vec<serde_json::Value> = text(&node.run("got"))
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(got, alerts);
    assert!(agent.stop().unwrap().status.success());
    assert!(text(&node.run("got")).ends_with("over\n"));
}

#[test]
fn one_for_each_alert_has_no_privilege_and_writes_only_where_it_may() {
    let _turn = Turn::take().unwrap();
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    std::os::unix::fs::chown(place.path(), Some(crate::lab::agent::AGENT_ID), None).unwrap();
    let elsewhere = place.path().join("elsewhere");
    let script = format!(
        "cat > /dev/null; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status > RUN/status; (: > {}); echo $? >> RUN/status; \
         unshare --user true; echo $? >> RUN/status; /bin/true",
        elsewhere.display()
    );
    let node = Node::new(&format!(
        "[delivery.program]\nenabled = true\nkeep_alive = false\ncommand = [\"/bin/sh\", \"-c\", {script:?}]\n"
    ));
    let agent = node.start();
    mark("once");
    node.account(&agent, "program", |program| program.delivered == 1);
    let status = text(&node.run("status"));
    for line in [
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(status.lines().any(|told| told == line), "{line}: {status}");
    }
    let codes: Vec<&str> = status.lines().rev().take(2).collect();
    assert!(
        codes.iter().all(|code| *code != "0"),
        "a namespace, a file elsewhere: {status}"
    );
    assert!(!elsewhere.exists());
    assert!(agent.stop().unwrap().status.success());
}
