//! `agent run --print-hooks`: what would be attached, and why.

use std::io::Write;

use serde::Serialize;

use super::exit::Exit;
use super::run::plan;
use crate::capture::{Hook, Plan};
use crate::config::settings::OutputFormat;
use crate::config::{Loaded, Settings};
use crate::rules;

/// Prints the set and ends.
pub fn run(loaded: &Loaded) -> Exit {
    let rules = match rules::loaded::load(&loaded.settings.rules) {
        Ok(rules) => rules,
        Err(error) => return super::complain(&error, Exit::Configuration),
    };
    let plan = plan(&loaded.settings, rules.as_ref());
    let mut page = Vec::new();
    let written = match loaded.settings.output.format {
        OutputFormat::Json => crate::output::json::append(&mut page, &Set::of(&plan)).map_err(Into::into),
        OutputFormat::Auto | OutputFormat::Text | OutputFormat::Count => text(&mut page, &plan),
    };
    match written {
        Ok(()) => super::say(&page),
        Err(error) => super::complain(&error, Exit::Internal),
    }
}

/// The same as a value, for the doctor's bundle.
pub(super) fn value(settings: &Settings) -> serde_json::Result<serde_json::Value> {
    // What is wrong with the rules is told elsewhere.
    let rules = rules::loaded::load(&settings.rules).unwrap_or_default();
    serde_json::to_value(Set::of(&plan(settings, rules.as_ref())))
}

#[derive(Serialize)]
struct Set<'a> {
    hooks: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'static str,
    kind: &'static str,
    /// Absent where it is no system call.
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
    /// The tracepoint that it is attached to.
    #[serde(skip_serializing_if = "Option::is_none")]
    tracepoint: Option<&'static str>,
    /// The system call's number on this architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u16>,
    /// Its numbers for 32-bit programs.
    #[serde(skip_serializing_if = "<[u16]>::is_empty")]
    numbers_32bit: &'static [u16],
    why: Vec<&'a str>,
}

impl<'a> Set<'a> {
    fn of(plan: &'a Plan) -> Self {
        Self {
            hooks: plan.reasons().map(|(hook, why)| line(hook, why)).collect(),
        }
    }
}

fn line(hook: Hook, why: Vec<&str>) -> Line<'_> {
    let tracepoint = hook.tracepoint();
    let call = hook.call();
    Line {
        name: hook.name(),
        kind: match (call, tracepoint) {
            (Some(_), _) => "system call",
            (None, Some(_)) => "tracepoint",
            // Sent by the others, where they meet a process that was not described yet.
            (None, None) => "with others",
        },
        class: call.map(|call| call.class.as_str()),
        tracepoint,
        number: call.and_then(|call| call.number),
        numbers_32bit: if cfg!(target_arch = "x86_64") {
            call.map_or(&[], |call| call.i386)
        } else {
            &[]
        },
        why,
    }
}

fn text(out: &mut Vec<u8>, plan: &Plan) -> std::io::Result<()> {
    writeln!(
        out,
        "{:<18} {:<12} {:<20} {:<8} why",
        "hook", "kind", "tracepoint or number", "32-bit"
    )?;
    for (hook, why) in plan.reasons() {
        let line = line(hook, why);
        let number = line.number.map(|number| number.to_string());
        let numbers: Vec<String> = line.numbers_32bit.iter().map(u16::to_string).collect();
        writeln!(
            out,
            "{:<18} {:<12} {:<20} {:<8} {}",
            line.name,
            line.kind,
            line.tracepoint.or(number.as_deref()).unwrap_or("-"),
            if numbers.is_empty() {
                "-".to_owned()
            } else {
                numbers.join(",")
            },
            line.why.join("; ")
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::capture::HookSet;
    use crate::capture::calls::Class;

    #[test]
    fn each_hook_is_told_with_its_numbers_and_who_wants_it() {
        let mut plan = Plan::default();
        plan.ask(HookSet::of_class(Class::File), "events: file");
        let told = serde_json::to_value(Set::of(&plan)).unwrap();
        let hooks = told["hooks"].as_array().unwrap();
        assert_eq!(hooks.len(), plan.hooks().iter().count());
        let find = |name: &str| -> &Value { hooks.iter().find(|hook| hook["name"] == name).unwrap() };
        assert_eq!(
            find("fork"),
            &json!({"name": "fork", "kind": "tracepoint", "tracepoint": "sched_process_fork",
                    "why": ["the process table, always"]})
        );
        assert_eq!(
            find("openat"),
            &json!({"name": "openat", "kind": "system call", "class": "file", "number": libc::SYS_openat,
                    "numbers_32bit": [295], "why": ["events: file"]})
        );
        let mut page = Vec::new();
        text(&mut page, &plan).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert_eq!(page.lines().count(), 1 + hooks.len());
        let openat: Vec<&str> = page
            .lines()
            .find(|line| line.starts_with("openat "))
            .unwrap()
            .split_whitespace()
            .collect();
        assert_eq!(openat[..2], ["openat", "system"]);
        assert_eq!(openat[4..], ["295", "events:", "file"]);
    }
}
