//! The deeds on this kernel, with the backend that it allows.

use std::fs;

use crate::event::agent;
use crate::lab::agent::Installed;
use crate::lab::place::Place;
use crate::lab::strace;
use crate::lab::turn::Turn;

use super::account::Deed;
use super::judge::{Circumstances, judge, left_undone};
use super::program;

fn watched(flows: &str) {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let place = Place::new().unwrap();
    let agent = installed.run(["--events", "all", "--capture-flows", flows]).unwrap();
    let env = format!("{}={}", program::PLACE, place.path().display());
    let this = std::env::current_exe().unwrap();
    let words = ["/usr/bin/env", &env, this.to_str().unwrap()];
    let words: Vec<&str> = words.into_iter().chain(program::WORDS).collect();
    let trace = installed.dir().join("strace");
    let (_, output) = strace::trace("all", &trace, &words).unwrap();
    let account = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let last = place.path().join(program::LAST);
    agent
        .wait_for("the last deed", |event| {
            event["file"]["requested_path"] == *last.to_str().unwrap()
        })
        .unwrap();
    let stopped = agent.stop().unwrap();

    let deeds = Deed::read(&account);
    let circumstances = Circumstances {
        all_flows: flows == "all",
        attached: stopped.summary().unwrap()["backend"] == "trampoline",
    };
    let undone = left_undone(&deeds, account.contains(program::NATIVE_ONLY), false);
    let verdict = judge(
        &deeds,
        &fs::read_to_string(&trace).unwrap(),
        &stopped.events,
        circumstances,
    );
    assert!(undone.is_empty(), "not done:\n{}", undone.join("\n"));
    verdict.accept(stopped.summary().unwrap(), deeds.len());
    crate::event::balanced_hooks(stopped.summary().unwrap());
}

#[test]
fn every_call_is_told_as_strace_and_its_maker_do() {
    watched("first");
}

#[test]
fn every_message_is_told_when_all_are_asked_for() {
    watched("all");
}
