//! Files, and who rotates them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use super::{Node, mark, printed, tells_of, until};
use crate::lab::turn::Turn;

/// The alerts in a file that may be written just now.
fn lines(path: &std::path::Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_file_that_is_moved_is_opened_anew_on_sighup() {
    let _turn = Turn::take().unwrap();
    let node = Node::new("delivery.stdout = false\n[delivery.file]\nenabled = true\npath = \"RUN/alerts.log\"\n");
    let (path, moved) = (node.run("alerts.log"), node.run("moved.log"));
    let agent = node.start();
    mark("first");
    until("the first alert", &agent, || (lines(&path).len() == 1).then_some(()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::rename(&path, &moved).unwrap();
    kill(agent.pid(), Signal::SIGHUP).unwrap();
    until("a new file", &agent, || path.exists().then_some(()));
    mark("second");
    until("the second alert", &agent, || (lines(&path).len() == 1).then_some(()));
    assert!(tells_of(&lines(&moved)[0], "first") && tells_of(&lines(&path)[0], "second"));
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}", stopped.stderr);
    // Off means off.
    assert!(stopped.events.iter().all(|event| event.get("rule").is_none()));
    assert_eq!(stopped.summary().unwrap()["rules"]["Marked"]["matched"], 2);
}

#[test]
fn it_is_rotated_by_size_under_the_filter() {
    let _turn = Turn::take().unwrap();
    let node = Node::new("[delivery.file]\nenabled = true\npath = \"RUN/alerts.log\"\nmax_size = \"4KiB\"\nkeep = 2\n");
    let agent = node.start();
    for number in 0..20 {
        mark(&number.to_string());
        printed(&agent, &number.to_string());
    }
    let stopped = agent.stop().unwrap();
    let told = &stopped.summary().unwrap()["delivery"]["channels"]["file"];
    assert_eq!(told["delivered"], 20, "{told}\n{}", stopped.stderr);
    for name in ["alerts.log", "alerts.log.1", "alerts.log.2"] {
        assert!(!lines(&node.run(name)).is_empty(), "{name}");
        assert!(fs::metadata(node.run(name)).unwrap().len() <= 4096, "{name}");
    }
    assert!(!node.run("alerts.log.3").exists());
    assert!(tells_of(lines(&node.run("alerts.log")).last().unwrap(), "19"));
}

#[test]
fn a_directory_that_is_not_there_is_told_at_the_start() {
    let _turn = Turn::take().unwrap();
    let node = Node::new("[delivery.file]\nenabled = true\npath = \"/nowhere/alerts.log\"\n");
    let left = node.spawn().collect().unwrap();
    assert_eq!(left.status.code(), Some(78), "{}", left.stderr);
    assert!(
        left.stderr.contains("delivery.file") && left.stderr.contains("/nowhere/alerts.log"),
        "{}",
        left.stderr
    );
}

/// Whoever is watched chooses the length and the bytes of a command line, and so does not choose whether an alert comes.
#[test]
fn an_alert_that_is_too_large_is_shortened_and_not_lost() {
    let _turn = Turn::take().unwrap();
    let node = Node::new("[delivery.file]\nenabled = true\npath = \"RUN/alerts.log\"\n");
    let agent = node.start();
    let path = node.run("alerts.log");
    // Each byte becomes six in JSON, and that is put into JSON once more.
    mark(&"\u{1}".repeat(15_000));
    mark("next");
    until("both alerts", &agent, || (lines(&path).len() == 2).then_some(()));
    let alerts = lines(&path);
    assert_eq!(
        alerts[0]["pinhole"]["shortened"],
        serde_json::json!(["output", "proc.cmdline"])
    );
    let cut = alerts[0]["output_fields"]["proc.cmdline"].as_str().unwrap();
    assert!(
        cut.starts_with("true pinhole-mark-\u{1}") && cut.ends_with('…'),
        "{} bytes",
        cut.len()
    );
    assert!(tells_of(&alerts[1], "next") && alerts[1]["pinhole"].get("shortened").is_none());
    let stopped = agent.stop().unwrap();
    let whole = stopped.events.iter().find(|event| event.get("rule").is_some()).unwrap();
    assert!(whole["output_fields"]["proc.cmdline"].as_str().unwrap().len() > 15_000);
    assert_eq!(
        stopped.summary().unwrap()["delivery"]["channels"]["file"]["delivered"],
        2
    );
}
