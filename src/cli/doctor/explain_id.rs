//! `agent doctor explain`: the page of a check, and the list of all of them, from what is part of the binary.

use std::fmt::Write as _;

use pinhole_rules::problem::nearest;

use super::look::look;
use super::say;
use crate::cli::args::{ExplainArgs, PageFormat};
use crate::cli::exit::Exit;
use crate::doctor::registry::{RETIRED, checks, find};
use crate::doctor::{markdown, pages};

/// How many ids are suggested.
const SUGGESTED: usize = 3;

/// Prints; an id that there is not is wrong usage.
pub(super) fn run(arguments: &ExplainArgs) -> Exit {
    let page = match &arguments.id {
        None => match arguments.format {
            PageFormat::Text => list(),
            PageFormat::Markdown => pages::index(),
        },
        Some(id) => match explained(id, RETIRED) {
            Ok(page) => match arguments.format {
                PageFormat::Text => markdown::text(&page, look()),
                PageFormat::Markdown => page,
            },
            Err(message) => return super::super::complain(&Unknown(message), Exit::Usage),
        },
    };
    say(page.as_bytes())
}

/// There is no such check.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unknown(String);

/// The page of a check, or what can be said of an id that is none, or none any more.
fn explained(id: &str, retired: &[&str]) -> Result<String, String> {
    let id = id.trim().to_ascii_uppercase();
    if let Some(definition) = find(&id) {
        return Ok(pages::page(definition));
    }
    if retired.contains(&id.as_str()) {
        return Ok(format!(
            "# {id}\n\nThis check no longer exists. Its id is never given to another one.\n"
        ));
    }
    let known: Vec<&str> = suggestions(&id);
    let hint = match known.as_slice() {
        [] => "agent doctor explain lists all checks".to_owned(),
        some => format!("did you mean {}?", some.join(", ")),
    };
    // What was typed comes from anywhere.
    let shown: String = id
        .chars()
        .take(64)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    Err(format!("there is no check {shown}; {hint}"))
}

/// Ids that were probably meant: the nearest one, then others of its area.
fn suggestions(id: &str) -> Vec<&'static str> {
    let ids = || checks().map(|definition| definition.id);
    // `RUN-001` and `run` are said often enough.
    let area = id
        .strip_prefix("PIN-")
        .unwrap_or(id)
        .split('-')
        .next()
        .unwrap_or_default();
    let of_area = format!("PIN-{area}-");
    let whole = format!("PIN-{}", id.strip_prefix("PIN-").unwrap_or(id));
    let nearest = ids().find(|id| *id == whole).or_else(|| nearest(&whole, ids()));
    let mut found: Vec<&'static str> = nearest.into_iter().collect();
    found.extend(ids().filter(|id| id.starts_with(&of_area) && Some(*id) != nearest));
    found.truncate(SUGGESTED);
    found
}

/// Every check by area.
fn list() -> String {
    let mut page = String::new();
    let mut area = "";
    for definition in checks() {
        // Areas come in the order of the report, where one may come twice.
        if definition.area != area {
            area = definition.area;
            let _ = writeln!(page, "{}{area}", if page.is_empty() { "" } else { "\n" });
        }
        let _ = writeln!(page, "  {:<12}  {}", definition.id, definition.title);
    }
    page + "\nagent doctor explain ID says more of one.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_its_page() {
        for definition in checks() {
            let page = explained(&definition.id.to_lowercase(), &[]).unwrap();
            assert!(page.starts_with(&format!("# {}: {}\n", definition.id, definition.title)));
        }
    }

    #[test]
    fn the_list_has_every_check_once() {
        let list = list();
        for definition in checks() {
            let line = format!("  {:<12}  {}\n", definition.id, definition.title);
            assert_eq!(list.matches(&line).count(), 1, "{list}");
        }
        assert!(list.starts_with("configuration\n  PIN-CFG-001 "), "{list}");
    }

    #[test]
    fn what_was_probably_meant_is_said() {
        for (wrong, part) in [
            ("PIN-RUN-0001", "did you mean PIN-RUN-001"),
            ("RUN-001", "did you mean PIN-RUN-001"),
            ("PIN-RUNN-001", "did you mean PIN-RUN-001"),
            ("PIN-RUN-999", "did you mean PIN-RUN-"),
            ("run", "PIN-RUN-001, PIN-RUN-002"),
            ("moon", "agent doctor explain lists all checks"),
            ("", "lists all checks"),
        ] {
            let message = explained(wrong, &[]).unwrap_err();
            assert!(message.contains(part), "{wrong}: {message}");
        }
        assert!(!explained("\u{1b}[2J", &[]).unwrap_err().contains('\u{1b}'));
    }

    #[test]
    fn an_id_that_is_retired_says_so() {
        let page = explained("PIN-OLD-001", &["PIN-OLD-001"]).unwrap();
        assert!(page.contains("no longer exists"), "{page}");
    }
}
