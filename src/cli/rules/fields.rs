//! `agent rules fields`: the fields that rules may use.

use crate::cli::exit::Exit;
use crate::cli::{complain, say};
use crate::rules::catalogue;

/// A beginning that no field has.
#[derive(Debug, thiserror::Error)]
#[error("no field's name begins with `{0}`")]
struct Unknown(String);

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
    if page.is_empty() {
        return complain(&Unknown(prefix.to_owned()), Exit::Usage);
    }
    say(page.as_bytes())
}
