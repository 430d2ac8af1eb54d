//! One layer of settings: where it comes from, and its values in the shapes that the settings have.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};
use pinhole_rules::problem::nearest;

use super::{Error, FILE_ORIGIN, MAX_FILE_BYTES};
use crate::config::keys::{self, KEYS, Key};

/// Reads a file as a layer, at most [`MAX_FILE_BYTES`] of it.
pub(super) fn read_file(path: &Path) -> Result<Layer, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    // Without waiting: a FIFO would hold the start up until somebody writes to it.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(Error::NotAFile { path: path.to_owned() });
    }
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Error::TooLarge { path: path.to_owned() });
    }
    let origin = format!("{FILE_ORIGIN}{}", path.display());
    match String::from_utf8(bytes) {
        Ok(text) => Layer::parse(origin, &text),
        Err(error) => Err(Error::Syntax {
            origin,
            message: error.to_string(),
        }),
    }
}

/// Some settings and the name of where they came from.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) origin: String,
    pub(super) dict: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.dict.clone())]))
    }
}

/// What is wrong with TOML text and where. The error's own display quotes the line, in which a secret may stand.
fn syntax(error: &toml::de::Error, text: &str) -> String {
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return error.message().to_owned();
    };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: {}", error.message())
}

impl Layer {
    /// TOML text whose keys are all known.
    pub(super) fn parse(origin: String, text: &str) -> Result<Self, Error> {
        match Toml::from_str::<Dict>(text) {
            Ok(dict) => {
                require_known(&origin, "", &dict)?;
                Ok(Self { origin, dict })
            }
            Err(error) => Err(Error::Syntax {
                origin,
                message: syntax(&error, text),
            }),
        }
    }

    /// One key with values that were given as text.
    pub(super) fn of_key(origin: String, key: &Key, texts: &[String]) -> Self {
        let mut value = typed(key, texts);
        for part in key.name.rsplit('.') {
            value = Value::from(Dict::from([(part.to_owned(), value)]));
        }
        Self {
            origin,
            dict: value.into_dict().unwrap_or_default(),
        }
    }
}

/// The shape of the default decides what text becomes: a list splits at commas, a table at commas and at the first `=`, a number or a truth value is
/// read as one. Text that is neither stays text, so that the merge reports it with the type that was expected.
fn typed(key: &Key, texts: &[String]) -> Value {
    let last = texts.last().map_or("", String::as_str);
    match key.default() {
        serde_json::Value::Array(_) => {
            let items = texts
                .iter()
                .flat_map(|text| text.split(','))
                .map(str::trim)
                .filter(|item| !item.is_empty());
            Value::from(items.map(Value::from).collect::<Vec<_>>())
        }
        serde_json::Value::Object(_) => table(texts),
        serde_json::Value::Number(_) => last
            .trim()
            .parse::<i64>()
            .map_or_else(|_| Value::from(last), Value::from),
        serde_json::Value::Bool(_) => last
            .trim()
            .parse::<bool>()
            .map_or_else(|_| Value::from(last), Value::from),
        _ => Value::from(last),
    }
}

/// `NAME=VALUE` pairs; text that is no such pair stays text, which no table is.
fn table(texts: &[String]) -> Value {
    let items = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
    let mut table = Dict::new();
    for item in items.filter(|item| !item.is_empty()) {
        let Some((name, value)) = item.split_once('=') else {
            return Value::from(item);
        };
        table.insert(name.trim().to_owned(), Value::from(value.trim()));
    }
    Value::from(table)
}

fn require_known(origin: &str, above: &str, dict: &Dict) -> Result<(), Error> {
    for (name, value) in dict {
        let key = if above.is_empty() {
            name.clone()
        } else {
            format!("{above}.{name}")
        };
        if keys::find(&key).is_some() {
            continue;
        }
        let section = format!("{key}.");
        if !KEYS.iter().any(|known| known.name.starts_with(&section)) {
            let nearest = nearest(&key, KEYS.iter().map(|key| key.name)).map(str::to_owned);
            return Err(Error::UnknownKey {
                key,
                origin: origin.to_owned(),
                nearest,
            });
        }
        match value {
            Value::Dict(_, below) => require_known(origin, &key, below)?,
            _ => {
                return Err(Error::NotASection {
                    key,
                    origin: origin.to_owned(),
                });
            }
        }
    }
    Ok(())
}
