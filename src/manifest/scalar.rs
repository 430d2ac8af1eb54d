//! How a string is written in YAML so that every parser reads the same string back.

/// Words that some parser takes for something else than a string: YAML 1.1 (`on`, `y`) is what Kubernetes' tools read.
const WORDS: [&str; 11] = [
    "true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf",
];

/// The string as a plain scalar where that is the same to every parser, else in double quotes.
#[must_use]
pub(super) fn scalar(text: &str) -> String {
    let begins = |letter: char| letter.is_ascii_alphabetic() || letter == '/';
    let goes_on = |letter: char| letter.is_ascii_alphanumeric() || "._/-@:".contains(letter);
    let plain = text.starts_with(begins)
        && text.chars().all(goes_on)
        && !text.ends_with(':')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain {
        text.to_owned()
    } else {
        // A JSON string is a double-quoted scalar of YAML.
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_parser_could_take_for_something_else_is_quoted() {
        for plain in [
            "pinhole",
            "a.example/pinhole-agent:0.1.0",
            "/run/crio",
            "system-node-critical",
        ] {
            assert_eq!(scalar(plain), plain);
        }
        for quoted in [
            "", "1234", "1e3", "true", "No", "null", "50m", "a: b", "a #b", "a:", "-", "*a", "\n",
        ] {
            let written = scalar(quoted);
            assert!(written.starts_with('"'), "{quoted:?}");
            assert_eq!(serde_saphyr::from_str::<String>(&written).unwrap(), quoted);
        }
    }
}
