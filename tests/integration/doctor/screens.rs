//! The screens that the documentation shows: what somebody sees first who runs the doctor in three pods that lack one thing
//! each. `PINHOLE_BLESS=1` writes them anew.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::manifest::Manifest;
use super::node;
use crate::lab::agent_image::project;
use crate::lab::turn::Turn;

const PAGE: &str = "docs/first-look.md";

/// A heading of the page, and what its pod lacks.
const SCREENS: [(&str, fn(&mut Manifest)); 3] = [
    ("## The runtime's socket is refused", |manifest| {
        manifest.pod()["securityContext"]["supplementalGroups"] = json!([]);
    }),
    ("## A capability is missing", |manifest| {
        manifest.security()["capabilities"]["add"] = json!(["BPF"]);
    }),
    ("## The ring does not fit", |manifest| {
        manifest.set("PINHOLE_CAPTURE_RING_SIZE", "128MiB");
    }),
];

/// The findings: from the first one to the first line about what is well.
fn findings(screen: &str) -> String {
    let lines = screen.lines().skip_while(|line| !line.starts_with("[fail]"));
    let shown: Vec<&str> = lines.take_while(|line| !line.starts_with("[ ok ]")).collect();
    shown.join("\n").trim_end().to_owned()
}

#[test]
fn the_screens_in_the_documentation_are_those_that_the_doctor_prints() {
    let _turn = Turn::take().unwrap();
    let lab = node::start();
    let kubelet = node::kubelet(&lab);
    let page = project().join(PAGE);
    let mut text = fs::read_to_string(&page).unwrap();
    for (heading, harm) in SCREENS {
        let mut manifest = Manifest::of("generic");
        harm(&mut manifest);
        let printed = findings(&node::screen(&kubelet, &manifest));
        assert!(!printed.is_empty(), "{heading}");
        let (before, rest) = text.split_once(heading).unwrap();
        let (said, rest) = rest.split_once("```text\n").unwrap();
        let (shown, after) = rest.split_once("\n```").unwrap();
        if std::env::var_os("PINHOLE_BLESS").is_some() {
            text = format!("{before}{heading}{said}```text\n{printed}\n```{after}");
        } else {
            assert_eq!(shown, printed, "{heading}");
        }
    }
    write_if_blessed(&page, &text);
}

fn write_if_blessed(page: &Path, text: &str) {
    if std::env::var_os("PINHOLE_BLESS").is_some() {
        fs::write(page, text).unwrap();
    }
}
