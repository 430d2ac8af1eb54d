//! A descriptor that another thread closes or replaces while the call that made it returns.

use std::collections::BTreeMap;
use std::fs;

use pinhole::control::client::Client;

use crate::actor::{self, OPENS, Role};
use crate::event::{agent, is_call};
use crate::lab::agent::{Installed, READY};
use crate::lab::turn::Turn;

/// Threads take each other's descriptors away. What an open tells is the file that it opened, or that this is not known.
#[test]
fn a_replaced_descriptor_never_gives_another_files_path_for_certain() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let agent = installed.run(["--events", "process,file"]).unwrap();
    // The descriptors are taken away by dup2, a million times: events of that would crowd out the opens.
    let mut admin = Client::connect(&installed.control_socket(), READY).unwrap();
    let off = admin.set_reporting(&[], &["dup2".to_owned()], READY).unwrap();
    assert_eq!(off.off, ["dup2"]);
    let place = installed.dir();
    for name in ["left", "right"] {
        fs::write(place.join(name), "").unwrap();
    }
    let mut actor = actor::command(Role::Replace, place).spawn().unwrap();
    let pid = actor.id();
    let ended = actor.wait().unwrap();
    assert!(ended.success(), "{ended}");
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}", stopped.stderr);

    // By what was asked for and what was told.
    let mut told: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for event in &stopped.events {
        let asked = event["file"]["requested_path"].as_str().unwrap_or_default();
        let Some(name) = asked.strip_prefix(place.to_str().unwrap()) else {
            continue;
        };
        if !is_call(event, "openat") || event["process"]["pid"] != pid || event["syscall"]["ret"].as_i64() < Some(100) {
            continue;
        }
        let notes = event["file"]["notes"].as_array();
        let what = match event["file"]["path"].as_str() {
            Some(path) if path == asked => "itself",
            Some(_) if notes.is_some() => "another file, flagged",
            None if notes.is_some() => "nothing, flagged",
            _ => {
                wrong.push(event);
                "another file or nothing, and no word of it"
            }
        };
        *told.entry((name.to_owned(), what.to_owned())).or_default() += 1;
    }
    let opens: usize = told.values().sum();
    assert!(opens > OPENS, "the contest took place: {told:?}");
    let flagged: usize = told
        .iter()
        .filter(|((_, what), _)| what.ends_with("flagged"))
        .map(|(_, count)| count)
        .sum();
    assert!(flagged > 0, "descriptors were lost: {told:?}");
    println!("{told:?}");
    assert!(wrong.is_empty(), "{told:?}; the first: {}", wrong[0]);
}
