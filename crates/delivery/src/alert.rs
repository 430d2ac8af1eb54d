//! An alert as it travels: already worded, with the few facts that channels sort it by. What it means is decided before.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

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

    /// The word in an alert's JSON.
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

/// An alert. Fields that it does not know are passed over: a queue on disk may have been written by a newer version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// How bad.
    pub priority: Priority,
    /// The rule's name.
    pub rule: String,
    /// When, in nanoseconds since 1970, UTC.
    pub time: u64,
    /// The container's id, where it was found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The alert as one line of JSON, in Falco's shape, without a newline.
    #[serde(deserialize_with = "line")]
    pub json: String,
    /// The alert as one line of text, without a newline.
    #[serde(deserialize_with = "line")]
    pub text: String,
}

impl Alert {
    /// How much memory it takes, in bytes: what queues are measured in.
    #[must_use]
    pub fn size(&self) -> usize {
        let container = self.container.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.rule.len() + container + self.json.len() + self.text.len()
    }

    /// The JSON, if it is an object: whoever pastes it into another document relies on that.
    pub(crate) fn object(&self) -> Option<&RawValue> {
        let raw: &RawValue = serde_json::from_str(&self.json).ok()?;
        raw.get().starts_with('{').then_some(raw)
    }
}

/// A text without line ends. They would let an alert pass for two in whatever is read line by line, so they become spaces.
fn line<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(one_line(text))
}

pub(crate) fn one_line(text: String) -> String {
    match text.contains(['\n', '\r', '\0']) {
        true => text.replace(['\n', '\r', '\0'], " "),
        false => text,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An alert to try things with.
    pub(crate) fn alert(number: usize) -> Alert {
        Alert {
            priority: Priority::Warning,
            rule: format!("Rule {number}"),
            time: 1_700_000_000_123_456_789,
            container: Some("0123456789ab".to_owned()),
            json: format!(
                "{{\"hostname\":\"n\",\"output\":\"o {number}\",\"output_fields\":{{\"evt.num\":{number},\"proc.name\":\"sh\",\"fd.name\":null}},\
                 \"priority\":\"Warning\",\"rule\":\"Rule {number}\",\"source\":\"syscall\",\"tags\":[\"t\"],\
                 \"time\":\"2023-11-14T22:13:20.123456789Z\"}}"
            ),
            text: format!("22:13:20.123456789: Warning o {number}"),
        }
    }

    #[test]
    fn words_and_numbers_of_priorities() {
        for (number, priority) in (0..).zip(Priority::ALL) {
            assert_eq!(priority.severity(), number);
            assert_eq!(priority.as_str().to_uppercase().parse(), Ok(priority));
            let word = format!("{:?}", priority.as_str().to_lowercase());
            assert_eq!(serde_json::from_str::<Priority>(&word).unwrap(), priority);
        }
        assert_eq!("info".parse(), Ok(Priority::Informational));
        assert!("fatal".parse::<Priority>().is_err());
        assert!(Priority::Error.reaches(Priority::Warning));
        assert!(Priority::Warning.reaches(Priority::Warning));
        assert!(!Priority::Notice.reaches(Priority::Warning));
    }

    #[test]
    fn an_alert_stays_one_line() {
        let mut alert = alert(1);
        alert.text = "a\nb\rc\0d".to_owned();
        let read: Alert = serde_json::from_str(&serde_json::to_string(&alert).unwrap()).unwrap();
        assert_eq!(read.text, "a b c d");
    }

    #[test]
    fn only_an_object_is_an_object() {
        let mut alert = alert(1);
        assert!(alert.object().is_some());
        for json in ["", "[]", "{}{}", "{", "1"] {
            json.clone_into(&mut alert.json);
            assert!(alert.object().is_none(), "{json}");
        }
    }
}
