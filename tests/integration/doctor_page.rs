//! The doctor's page in a real browser: that both pictures are there and can be read in every light and width, and that
//! the page runs nothing and asks for nothing.

use std::time::Duration;

use serde_json::{Value, json};

use pinhole::doctor::render::{Format, Look, render};
use pinhole::doctor::{FailOn, Report};

use crate::event::agent;
use crate::lab::agent::Installed;
use crate::lab::browser::{self, Seen};
use crate::lab::tool;
use crate::lab::turn::Turn;

/// A page that shows the doctor's in a wide frame and in a narrow one, and looks at both.
const LOOK: &str = include_str!("doctor_page.html");
const LOSSY: &str = include_str!("../../src/doctor/render/samples/lossy.json");

/// Text is to stand out from what is behind it so much (WCAG 2, level AA).
const CONTRAST: f64 = 4.5;

fn page(report: &str) -> String {
    let report: Report = serde_json::from_str(report).unwrap();
    let look = Look {
        color: false,
        unicode: true,
        width: 100,
    };
    render(&report, Format::Html, FailOn::Fail, look).unwrap()
}

fn open(page: &str, dark: bool) -> Seen {
    browser::open(&[("/", LOOK.to_owned()), ("/page", page.to_owned())], dark).unwrap()
}

/// Nothing went wrong, nothing was run, nothing was asked for.
fn is_quiet(seen: &Seen) {
    assert_eq!(seen.console, Vec::<String>::new(), "{seen:#?}");
    let ours = |path: &String| ["/", "/page", "/favicon.ico"].contains(&path.as_str());
    assert!(seen.asked.iter().all(ours), "{seen:#?}");
    for frame in frames(seen) {
        assert_eq!(frame["resources"], json!([]), "{seen:#?}");
    }
}

fn frames(seen: &Seen) -> &[Value] {
    let frames = seen.found.as_array().map_or(&[][..], Vec::as_slice);
    assert_eq!(frames.len(), 2, "a wide frame and a narrow one: {seen:#?}");
    frames
}

/// The width and height of each box.
fn boxes(frame: &Value, key: &str) -> Vec<(f64, f64)> {
    let boxes = frame[key].as_array().unwrap();
    boxes
        .iter()
        .map(|pair| (pair[0].as_f64().unwrap(), pair[1].as_f64().unwrap()))
        .collect()
}

#[test]
fn both_pictures_can_be_seen_in_every_light_and_width() {
    for dark in [false, true] {
        let seen = open(&page(LOSSY), dark);
        is_quiet(&seen);
        for frame in frames(&seen) {
            assert_eq!(frame["dark"], dark, "{frame:#}");
            // Losses: two plots for the hour and two for the minute. Fields: a bar for each.
            for (plots, count, least) in [("loss", 4, (150.0, 60.0)), ("metadata", 16, (100.0, 10.0))] {
                let boxes = boxes(frame, plots);
                assert_eq!(boxes.len(), count, "{plots}: {frame:#}");
                assert!(
                    boxes
                        .iter()
                        .all(|(width, height)| *width >= least.0 && *height >= least.1),
                    "{plots}: {frame:#}"
                );
            }
            // Each minute and each second has a bar that can be seen.
            let bars = boxes(frame, "bars");
            assert!(bars.len() >= 2 * 60, "{frame:#}");
            assert!(
                bars.iter().all(|(width, height)| *width > 0.5 && *height > 1.0),
                "{frame:#}"
            );
            assert_eq!(frame["overflow"], 0, "the page is wider than its frame: {frame:#}");
            let contrast = frame["contrast"]["least"].as_f64().unwrap();
            assert!(contrast >= CONTRAST, "{frame:#}");
            assert!(frame["titles"].as_u64().unwrap() >= 20, "{frame:#}");
        }
        let shades = frames(&seen).iter().map(|frame| frame["background"].as_str().unwrap());
        let is_dark = |shade: &str| shade == "rgb(18, 22, 28)";
        assert!(shades.into_iter().all(|shade| is_dark(shade) == dark), "{seen:#?}");
    }
}

#[test]
fn a_running_agents_page_has_its_own_losses_and_that_of_a_cold_host_says_that_there_are_none() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let doctor = || {
        let output = installed
            .command(["doctor", "--format", "html"])
            .unwrap()
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let cold = doctor();
    let seen = open(&cold, false);
    is_quiet(&seen);
    assert!(cold.contains("No running agent took part"), "{cold}");
    assert_eq!(boxes(&frames(&seen)[0], "loss"), []);

    let running = installed.run::<&str>([]).unwrap();
    let live = tool::poll(
        "a page with losses over time",
        Duration::from_secs(60),
        String::new,
        || {
            let page = doctor();
            Ok(page.contains("id=\"rate-minute\"").then_some(page))
        },
    )
    .unwrap();
    let seen = open(&live, false);
    drop(running);
    is_quiet(&seen);
    for frame in frames(&seen) {
        let boxes = boxes(frame, "loss");
        assert!(boxes.len() >= 2, "{frame:#}");
        assert!(
            boxes.iter().all(|(width, height)| *width > 100.0 && *height > 60.0),
            "{frame:#}"
        );
    }
}
