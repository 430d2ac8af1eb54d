//! On this kernel: an agent for each group of conditions, and one without prefilters for all of them.

use std::fs;

use super::wander::furnish;
use super::{GROUPS, alerts, of_calls, rules, wanted};
use crate::event::agent;
use crate::lab::agent::{Installed, Stopped};
use crate::lab::tool;
use crate::lab::turn::Turn;
use crate::rules::deeds;

#[test]
fn no_alert_is_missing() {
    let _turn = Turn::take().unwrap();
    let places: Vec<Installed> = (0..=GROUPS.len()).map(|_| Installed::new(agent()).unwrap()).collect();
    let home = tempfile::tempdir().unwrap();
    furnish(home.path());
    let all = GROUPS.concat();
    let started: Vec<_> = places
        .iter()
        .zip(GROUPS.iter().copied().chain([&*all]))
        .map(|(place, conditions)| {
            let file = place.dir().join("rules.yaml");
            fs::write(&file, rules(conditions, home.path())).unwrap();
            let prefilter = if conditions.len() == all.len() { "false" } else { "true" };
            let file = file.to_str().unwrap();
            let words = [
                "--rules",
                file,
                "--rules-matching",
                "all",
                "--rules-prefilter",
                prefilter,
            ];
            place.run(words).unwrap()
        })
        .collect();
    tool::run(&mut deeds::here("wander", home.path().to_str().unwrap())).unwrap();
    let mut stopped: Vec<Stopped> = started.into_iter().map(|agent| agent.stop().unwrap()).collect();
    let without = stopped.pop().unwrap();
    for agent in stopped.iter().chain([&without]) {
        assert_eq!(of_calls(agent.summary().unwrap(), "dropped"), 0);
    }
    let all = alerts(&without.events);
    for (group, stopped) in GROUPS.iter().zip(&stopped) {
        let summary = stopped.summary().unwrap();
        let (seen, told) = (of_calls(summary, "seen"), of_calls(summary, "delivered"));
        println!("{told} of {seen} calls crossed: {}", group.join(" | "));
        assert_eq!(
            alerts(&stopped.events),
            wanted(&all, group),
            "{group:?}\n{}",
            stopped.stderr
        );
        assert!(told < seen, "nothing was kept back: {group:?}");
    }
}
