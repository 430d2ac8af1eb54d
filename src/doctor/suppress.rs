//! Findings that somebody accepts for a time, from a file of TOML. An accepted finding stays in the report, marked with the
//! reason, and does not count; what waits for it goes on waiting. Nothing is accepted without a reason and an end.
//!
//! The clock is handed in: the report's own time decides which of them are over.

use jiff::civil::Date;
use serde::Deserialize;

use super::facts::suppressions::{SuppressionFact, SuppressionFacts};
use super::report::{Report, Status, Suppressed};
use super::saved::is_id;

/// Longest file that is read, in bytes.
pub const MAX_BYTES: u64 = 256 * 1024;
/// Most entries of one file.
const MAX_ENTRIES: usize = 1000;
/// The check that tells which entries are over: it cannot be accepted itself.
pub const OWN_CHECK: &str = "PIN-CFG-005";

/// Why a file of suppressions cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no text.
    #[error("{file} is not valid UTF-8")]
    NotText {
        /// The file.
        file: String,
    },
    /// It is no TOML, lacks a key, or has one that means nothing.
    #[error(
        "{file} cannot be used: {message}\nan entry is [[suppress]] with id, reason, until = \"YYYY-MM-DD\" and, where it is for some nodes only, node = \"NAME*\""
    )]
    Syntax {
        /// The file.
        file: String,
        /// What the parser says, with line and column.
        message: String,
    },
    /// It has more entries than anybody reads.
    #[error("{file} has {count} entries, more than {MAX_ENTRIES}")]
    TooMany {
        /// The file.
        file: String,
        /// How many.
        count: usize,
    },
    /// An entry says nothing usable.
    #[error("{file}: entry {number} ({id}): {problem}")]
    Entry {
        /// The file.
        file: String,
        /// Its number, from 1.
        number: usize,
        /// Its id.
        id: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// A file of suppressions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppressions {
    file: String,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    id: String,
    reason: String,
    until: Date,
    /// Of the nodes, those whose name fits; all of them where nothing is said.
    node: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    suppress: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    id: String,
    reason: String,
    until: String,
    node: Option<String>,
}

impl Suppressions {
    /// Reads a file's content.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        let file = file.to_owned();
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Err(Error::NotText { file });
        };
        let raw: File = match toml::from_str(text) {
            Ok(raw) => raw,
            Err(error) => {
                let message = error.to_string().trim_end().to_owned();
                return Err(Error::Syntax { file, message });
            }
        };
        if raw.suppress.len() > MAX_ENTRIES {
            let count = raw.suppress.len();
            return Err(Error::TooMany { file, count });
        }
        let mut entries = Vec::new();
        for (index, raw) in raw.suppress.into_iter().enumerate() {
            let problem = |problem| Error::Entry {
                file: file.clone(),
                number: index + 1,
                id: raw.id.clone(),
                problem,
            };
            entries.push(entry(&raw).map_err(problem)?);
        }
        Ok(Self { file, entries })
    }

    /// What of them is in force at this time (RFC 3339), for the check that tells it.
    #[must_use]
    pub fn facts(&self, time: &str) -> SuppressionFacts {
        let today = day(time);
        SuppressionFacts {
            file: self.file.clone(),
            entries: self
                .entries
                .iter()
                .map(|entry| SuppressionFact {
                    id: entry.id.clone(),
                    until: entry.until.to_string(),
                    expired: entry.is_over(today),
                })
                .collect(),
        }
    }

    /// Marks what is accepted at the report's own time and on its node, and counts anew.
    pub fn apply(&self, report: &mut Report) {
        let today = day(&report.time);
        let node = report.host.node.clone().unwrap_or_default();
        for check in &mut report.checks {
            if !matches!(check.status, Status::Warn | Status::Fail | Status::Unknown) {
                continue;
            }
            let accepted = self.entries.iter().find(|entry| {
                entry.id == check.id
                    && !entry.is_over(today)
                    && entry.node.as_deref().is_none_or(|pattern| fits(pattern, &node))
            });
            check.suppressed = accepted.map(|entry| Suppressed {
                reason: entry.reason.clone(),
                until: entry.until.to_string(),
            });
        }
        report.recount();
    }
}

impl Entry {
    /// It holds on its last day, too. Where the day is not known nothing is accepted.
    fn is_over(&self, today: Option<Date>) -> bool {
        today.is_none_or(|today| today > self.until)
    }
}

fn entry(raw: &Raw) -> Result<Entry, &'static str> {
    if !is_id(&raw.id) {
        return Err("id must be that of a check, such as PIN-RUN-001");
    }
    if raw.id == OWN_CHECK {
        return Err("this check tells which suppressions are over and cannot be suppressed");
    }
    let reason = raw.reason.trim();
    if reason.is_empty() {
        return Err("reason must say why the finding is accepted");
    }
    if raw.node.as_deref().is_some_and(|node| node.trim().is_empty()) {
        return Err("node must be a node's name, with * and ? for what may differ");
    }
    Ok(Entry {
        id: raw.id.clone(),
        reason: reason.to_owned(),
        until: raw
            .until
            .parse()
            .ok()
            .filter(|_| raw.until.len() == "2027-03-01".len())
            .ok_or("until must be a day that there is, as \"2027-03-01\"")?,
        node: raw.node.clone(),
    })
}

/// The day of a time in RFC 3339.
fn day(time: &str) -> Option<Date> {
    time.get(..10)?.parse().ok()
}

/// Whether a name fits a pattern, in which `*` stands for any characters and `?` for one.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut of) = (0, 0);
    // Where the last star stood, and where in the name it was tried to end.
    let mut star: Option<(usize, usize)> = None;
    while of < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, of));
                at += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == name[of] => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((stood, ended)) = star else { return false };
                star = Some((stood, ended + 1));
                at = stood + 1;
                of = ended + 1;
            }
        }
    }
    pattern[at..].iter().all(|&left| left == '*')
}

#[cfg(test)]
mod tests;
