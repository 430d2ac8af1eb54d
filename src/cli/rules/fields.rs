//! `agent rules fields`: the fields that rules may use.

use crate::cli::exit::Exit;
use crate::cli::say;
use crate::rules::catalogue;

/// Prints those whose names begin so.
pub(super) fn run(prefix: &str) -> Exit {
    let mut page = String::new();
    for row in catalogue::rows().filter(|row| row.definition.name.starts_with(prefix)) {
        let what = match row.definition.never {
            None => row.from.to_owned(),
            Some(why) => format!("never known: {why}"),
        };
        page.push_str(&format!("{:<34} {:<8} {what}\n", row.name(), row.kind()));
    }
    say(page.as_bytes())
}
