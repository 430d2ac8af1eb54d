//! The settings in force, each as its file would have it: what the running agent tells of itself, and what the doctor compares
//! with that. What is secret is not among them: its type writes `(secret)` in its place.

use super::keys::KEYS;
use super::load::Loaded;

/// What is kept of one value, in bytes: files may be long, the status may not.
pub const MOST: usize = 2048;

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The key in the file.
    pub key: &'static str,
    /// The value as TOML, of [`MOST`] bytes at most; empty where nothing is set and nothing is the default.
    pub value: String,
    /// The layer that it comes from.
    pub origin: String,
}

/// Every setting, in the order of help texts.
#[must_use]
pub fn effective(loaded: &Loaded) -> Vec<Effective> {
    let values = serde_json::to_value(&loaded.settings).unwrap_or_default();
    KEYS.iter()
        .map(|key| Effective {
            key: key.name,
            value: values
                .pointer(&format!("/{}", key.name.replace('.', "/")))
                .filter(|value| !value.is_null())
                .map_or_else(String::new, |value| cut(as_toml(&key.shown(value.clone())))),
            origin: cut(loaded.origins.get(key.name).cloned().unwrap_or_default()),
        })
        .collect()
}

/// Strings, whole numbers, truth values and lists of these look the same in JSON and in TOML; tables do not.
fn as_toml(value: &serde_json::Value) -> String {
    let serde_json::Value::Object(table) = value else {
        return value.to_string();
    };
    let quoted = |name: &str| serde_json::Value::from(name).to_string();
    let pairs: Vec<String> = table
        .iter()
        .map(|(name, value)| format!("{} = {value}", quoted(name)))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MOST));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, Sources, load};

    fn loaded(values: &[(&'static str, &str)]) -> Loaded {
        let overrides = Overrides {
            config: None,
            values: values
                .iter()
                .map(|(key, value)| (*key, vec![(*value).to_owned()]))
                .collect(),
        };
        let sources = Sources {
            root: "/nonexistent".into(),
            ..Sources::default()
        };
        load(&overrides, &sources).unwrap()
    }

    /// What is told is read again as what it was: a file made of it gives the same settings.
    #[test]
    fn a_file_of_what_is_told_gives_the_same_settings() {
        let first = loaded(&[
            ("events", "file,network"),
            ("capture.ring_size", "3 MiB"),
            ("metadata.labels", "say\"hi\",b\\c"),
            ("runtime.prefetch", "false"),
            ("health.stall", "90s"),
        ]);
        let told = effective(&first);
        assert_eq!(told.len(), KEYS.len());
        let of = |key: &str| told.iter().find(|it| it.key == key).unwrap();
        assert_eq!(of("events").value, r#"["file","network"]"#);
        assert_eq!(of("events").origin, "flag --events");
        assert_eq!(of("node.name").value, "", "nobody named it");
        assert_eq!(of("health.loss").origin, "built-in default");
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("agent.toml");
        let set = told.iter().filter(|it| !it.value.is_empty());
        std::fs::write(
            &file,
            set.map(|it| format!("{} = {}\n", it.key, it.value)).collect::<String>(),
        )
        .unwrap();
        let overrides = Overrides {
            config: Some(file),
            ..Overrides::default()
        };
        let again = load(&overrides, &Sources::default()).unwrap();
        assert_eq!(again.settings, first.settings);
    }

    #[test]
    fn a_value_that_is_very_long_is_cut() {
        let long = "é".repeat(100);
        let words: Vec<String> = (0..50).map(|number| format!("{long}{number}")).collect();
        let told = effective(&loaded(&[("metadata.annotations", &words.join(","))]));
        let it = told.iter().find(|it| it.key == "metadata.annotations").unwrap();
        assert!((MOST - 1..=MOST).contains(&it.value.len()), "{}", it.value.len());
    }
}
