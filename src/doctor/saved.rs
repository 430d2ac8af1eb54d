//! Reports that were saved earlier, by this version or another one. They come from elsewhere, so they are read strictly where it
//! matters (the schema's version, the form of ids, the words for a status) and within bounds, and only as far as others
//! compare or count them: keys, changes and ids that this version does not know do no harm.

use std::collections::HashSet;

use serde::Deserialize;

use super::render::cleaned;
use super::report::{SCHEMA_VERSION, Status};

/// Longest report that is read, in bytes. One with every check and its evidence has some hundred thousand.
pub const MAX_BYTES: u64 = 4 << 20;
/// Most checks of one report.
const MAX_CHECKS: usize = 1000;
/// Longest name, title or time that is kept, in characters.
const MAX_CHARS: usize = 253;

/// Why it is no report that can be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is too long.
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// It is no JSON, or lacks a key.
    #[error("it is no report of agent doctor --format json: {0}")]
    Json(#[from] serde_json::Error),
    /// It has another shape.
    #[error("its schema_version is {0}; this version of the agent reads {SCHEMA_VERSION}")]
    Version(u64),
    /// It has more checks than there can be.
    #[error("it has {0} checks, more than {MAX_CHECKS}")]
    TooManyChecks(usize),
    /// What stands for a check's id is none.
    #[error("{0:?} is no id of a check")]
    Id(String),
    /// A check is there twice.
    #[error("it has {0} twice")]
    Twice(String),
}

/// What is kept of a report. None of its text drives a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// When the examination began.
    pub time: String,
    /// Version of the agent that examined.
    pub version: String,
    /// The node.
    pub node: Option<String>,
    /// Its checks.
    pub checks: Vec<SavedCheck>,
    /// What it would have mended first, with the points.
    pub fix_first: Vec<(String, u32)>,
}

/// What is kept of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedCheck {
    /// Its id; this version need not know it.
    pub id: String,
    /// What it examines.
    pub title: String,
    /// How it ended.
    pub status: Status,
    /// Somebody accepted it.
    pub suppressed: bool,
}

#[derive(Deserialize)]
struct Version {
    schema_version: u64,
}

#[derive(Deserialize)]
struct File {
    time: String,
    agent: Agent,
    host: Host,
    #[serde(default)]
    fix_first: Vec<Fix>,
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Agent {
    version: String,
}

#[derive(Deserialize)]
struct Host {
    node: Option<String>,
}

#[derive(Deserialize)]
struct Fix {
    id: String,
    points: u32,
}

#[derive(Deserialize)]
struct Check {
    id: String,
    title: String,
    status: Status,
    suppressed: Option<serde::de::IgnoredAny>,
}

impl Saved {
    /// Reads a report.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(Error::TooLong);
        }
        // First of all: what has another shape need not have the keys of this one.
        let Version { schema_version } = serde_json::from_slice(bytes)?;
        if schema_version != u64::from(SCHEMA_VERSION) {
            return Err(Error::Version(schema_version));
        }
        let file: File = serde_json::from_slice(bytes)?;
        if file.checks.len() > MAX_CHECKS {
            return Err(Error::TooManyChecks(file.checks.len()));
        }
        let mut met = HashSet::new();
        for check in &file.checks {
            if !is_id(&check.id) {
                return Err(Error::Id(cut(&check.id)));
            }
            if !met.insert(check.id.as_str()) {
                return Err(Error::Twice(check.id.clone()));
            }
        }
        let known = |fix: &Fix| met.contains(fix.id.as_str());
        Ok(Self {
            fix_first: file
                .fix_first
                .iter()
                .filter(|fix| known(fix))
                .map(|fix| (fix.id.clone(), fix.points))
                .collect(),
            time: cut(&file.time),
            version: cut(&file.agent.version),
            node: file.host.node.as_deref().map(cut).filter(|node| !node.is_empty()),
            checks: file
                .checks
                .iter()
                .map(|check| SavedCheck {
                    id: check.id.clone(),
                    title: cut(&check.title),
                    status: check.status,
                    suppressed: check.suppressed.is_some(),
                })
                .collect(),
        })
    }

    /// The check with this id.
    #[must_use]
    pub fn check(&self, id: &str) -> Option<&SavedCheck> {
        self.checks.iter().find(|check| check.id == id)
    }
}

/// Whether it has the form of a check's id, of whatever version: `PIN-`, an area, three digits.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.strip_prefix("PIN-")
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(area, number)| {
            (2..=8).contains(&area.len())
                && area.bytes().all(|byte| byte.is_ascii_uppercase())
                && number.len() == 3
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

fn cut(text: &str) -> String {
    let text: String = text.chars().take(MAX_CHARS).collect();
    cleaned(&text)
}

#[cfg(test)]
mod tests;
