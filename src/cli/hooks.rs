//! `agent hooks`: which hooks of the running agent report, and changing that.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::args::{HooksArgs, ReportFormat};
use super::exit::Exit;
use crate::capture::Hook;
use crate::config::Loaded;
use crate::control::api::GetStatusReply;
use crate::control::client::{Client, Error};

/// For connecting, and for each call: more than the agent gives itself.
const DEADLINE: Duration = Duration::from_secs(6);

/// Makes the change, if one is asked for, and prints how things are.
pub fn run(arguments: &HooksArgs, loaded: &Loaded) -> Exit {
    let status = match ask(arguments, loaded) {
        Ok(status) => status,
        Err(error) => {
            let exit = match error {
                Error::Rejected { .. } => Exit::Usage,
                Error::Denied { .. } | Error::Permission { .. } => Exit::Configuration,
                _ => Exit::Undetermined,
            };
            return super::complain(&error, exit);
        }
    };
    let mut page = Vec::new();
    let written = match arguments.format {
        ReportFormat::Json => crate::output::json::append(&mut page, &as_json(&status)).map_err(Into::into),
        ReportFormat::Text => text(&mut page, &status),
    };
    match written {
        Ok(()) => super::say(&page),
        Err(error) => super::complain(&error, Exit::Internal),
    }
}

fn ask(arguments: &HooksArgs, loaded: &Loaded) -> Result<GetStatusReply, Error> {
    let mut client = Client::connect(&loaded.settings.control.socket, DEADLINE)?;
    if !arguments.on.is_empty() || !arguments.off.is_empty() {
        client.set_reporting(&arguments.on, &arguments.off, DEADLINE)?;
    }
    client.status(DEADLINE)
}

/// What is told of a hook: its class, and whether it reports.
fn about(name: &str, status: &GetStatusReply) -> (&'static str, bool) {
    let class = Hook::all()
        .find(|hook| hook.name() == name)
        .and_then(Hook::call)
        .map_or("-", |call| call.class.as_str());
    let off = status.reporting.as_ref().map_or(&[][..], |reporting| &reporting.off);
    (class, !off.iter().any(|off| off == name))
}

/// The agent's hooks, those of the kernel side's order first: what this program does not know comes last.
fn in_order(status: &GetStatusReply) -> Vec<&String> {
    let mut names: Vec<&String> = status.hooks.keys().collect();
    names.sort_by_key(|name| {
        let place = Hook::all().position(|hook| hook.name() == **name);
        (place.unwrap_or(usize::MAX), *name)
    });
    names
}

fn as_json(status: &GetStatusReply) -> Value {
    let hooks: Map<String, Value> = in_order(status)
        .into_iter()
        .map(|name| {
            let (class, reports) = about(name, status);
            let line = &status.hooks[name];
            let mut told = json!({
                "reports": reports, "seen": line.seen, "filtered": line.filtered, "delivered": line.delivered,
                "dropped": line.dropped,
            });
            if class != "-" {
                told["class"] = json!(class);
            }
            (name.clone(), told)
        })
        .collect();
    json!({ "hooks": hooks })
}

fn text(out: &mut Vec<u8>, status: &GetStatusReply) -> io::Result<()> {
    writeln!(
        out,
        "{:<18} {:<10} {:<8} {:>10} {:>10} {:>10} {:>10}",
        "hook", "class", "reports", "seen", "filtered", "delivered", "dropped"
    )?;
    for name in in_order(status) {
        let (class, reports) = about(name, status);
        let line = &status.hooks[name];
        let reports = if reports { "yes" } else { "no" };
        writeln!(
            out,
            "{name:<18} {class:<10} {reports:<8} {:>10} {:>10} {:>10} {:>10}",
            line.seen, line.filtered, line.delivered, line.dropped
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::api::{HookCounters, Reporting};

    #[test]
    fn what_is_off_is_told_and_the_order_is_the_tables() {
        let hooks = ["openat", "exec", "from-the-future", "connect"];
        let status = GetStatusReply {
            hooks: hooks.map(|name| (name.to_owned(), HookCounters::default())).into(),
            reporting: Some(Reporting {
                off: vec!["openat".to_owned()],
            }),
            ..GetStatusReply::default()
        };
        let mut page = Vec::new();
        text(&mut page, &status).unwrap();
        let page = String::from_utf8(page).unwrap();
        let words: Vec<Vec<&str>> = page
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().take(3).collect())
            .collect();
        assert_eq!(
            words,
            [
                ["exec", "-", "yes"],
                ["openat", "file", "no"],
                ["connect", "network", "yes"],
                ["from-the-future", "-", "yes"]
            ]
        );
        let told = as_json(&status);
        assert_eq!(told["hooks"]["openat"]["reports"], false);
        assert_eq!(told["hooks"]["exec"].get("class"), None);
    }
}
