//! How urgent an alert is.
//!
//! Rules state it, settings ask for the least, channels pass it on in the words and numbers of their own protocols: all of them
//! by this one type.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How bad it is, in Falco's words and syslog's order (falcosecurity/falco, falco_common.h; RFC 5424, section 6.2.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Priority {
    /// 0.
    Emergency,
    /// 1.
    Alert,
    /// 2.
    Critical,
    /// 3.
    Error,
    /// 4.
    Warning,
    /// 5.
    Notice,
    /// 6. Falco writes `Informational` and reads `info` as well.
    #[serde(alias = "info")]
    Informational,
    /// 7.
    #[default]
    Debug,
}

impl Priority {
    /// All, the worst first.
    pub const ALL: [Self; 8] = [
        Self::Emergency,
        Self::Alert,
        Self::Critical,
        Self::Error,
        Self::Warning,
        Self::Notice,
        Self::Informational,
        Self::Debug,
    ];

    /// The number that syslog and journald give it: 0 is the worst.
    #[must_use]
    pub const fn severity(self) -> u8 {
        self as u8
    }

    /// The word in an alert's JSON. Settings write it in lower case, and rule files in any.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Emergency => "Emergency",
            Self::Alert => "Alert",
            Self::Critical => "Critical",
            Self::Error => "Error",
            Self::Warning => "Warning",
            Self::Notice => "Notice",
            Self::Informational => "Informational",
            Self::Debug => "Debug",
        }
    }

    /// Whether this is at least as bad as `threshold`.
    #[must_use]
    pub fn reaches(self, threshold: Self) -> bool {
        self <= threshold
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no priority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no priority: emergency, alert, critical, error, warning, notice, informational or debug")]
pub struct NotAPriority(String);

impl FromStr for Priority {
    type Err = NotAPriority;

    fn from_str(text: &str) -> Result<Self, NotAPriority> {
        if text.eq_ignore_ascii_case("info") {
            return Ok(Self::Informational);
        }
        Self::ALL
            .into_iter()
            .find(|priority| priority.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| NotAPriority(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_are_those_of_falco_and_syslog() {
        for (number, priority) in (0..).zip(Priority::ALL) {
            assert_eq!(priority.severity(), number);
            let word = serde_json::to_string(&priority).unwrap();
            assert_eq!(word.trim_matches('"'), priority.as_str().to_lowercase());
            assert_eq!(serde_json::from_str::<Priority>(&word).unwrap(), priority);
            assert_eq!(priority.as_str().parse(), Ok(priority));
        }
        assert_eq!("info".parse(), Ok(Priority::Informational));
        assert_eq!("WARNING".parse(), Ok(Priority::Warning));
        assert!("fatal".parse::<Priority>().is_err());
        assert!(Priority::Error.reaches(Priority::Warning));
        assert!(Priority::Warning.reaches(Priority::Warning));
        assert!(!Priority::Notice.reaches(Priority::Warning));
    }
}
