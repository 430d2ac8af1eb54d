//! What comes from elsewhere must not drive a terminal, a browser, an editor or a parser: control characters, characters
//! that turn the direction of writing or cannot be seen, and those that XML does not have.

use super::super::report::Report;
use serde_json::Value;

/// The report with a `?` in the place of each of them; lines stay lines.
pub(super) fn clean(report: &Report) -> Result<Report, serde_json::Error> {
    let mut value = serde_json::to_value(report)?;
    walk(&mut value);
    serde_json::from_value(value)
}

fn walk(value: &mut Value) {
    match value {
        Value::String(text) => {
            if text.contains(harmful) {
                *text = cleaned(text);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(walk),
        Value::Object(map) => {
            if map.keys().any(|key| key.contains(harmful)) {
                *map = std::mem::take(map)
                    .into_iter()
                    .map(|(key, value)| (cleaned(&key), value))
                    .collect();
            }
            map.values_mut().for_each(walk);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Text with a `?` in the place of each of them.
pub(in crate::doctor) fn cleaned(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .map(|c| match c {
            '\t' => ' ',
            c if harmful(c) => '?',
            c => c,
        })
        .collect()
}

/// JSON in which each of them is written as its number: it says the same and does nothing.
pub(super) fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && harmful(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(c);
        }
    }
    text
}

/// A line's end is none.
fn harmful(c: char) -> bool {
    c != '\n' && c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{fffe}'..='\u{ffff}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
pub(super) fn harmless(page: &str) -> bool {
    !page.contains(harmful)
}
