//! An alert as it travels: already worded, with the few facts that channels sort it by. What it means is decided before.

use pinhole_priority::Priority;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::frame;

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
    #[serde(deserialize_with = "json")]
    pub json: String,
    /// The alert as one line of text, without a newline.
    #[serde(deserialize_with = "text")]
    pub text: String,
}

impl Alert {
    /// How much memory it takes, in bytes: what queues are measured in.
    #[must_use]
    pub fn size(&self) -> usize {
        let container = self.container.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.rule.len() + container + self.json.len() + self.text.len()
    }

    /// Whether a frame surely has room for it, whatever its texts are escaped to: JSON in JSON at most doubles, and a byte of
    /// any other text becomes six at most.
    #[must_use]
    pub fn fits(&self) -> bool {
        let texts = self.rule.len() + self.container.as_ref().map_or(0, String::len) + self.text.len();
        // The keys, the time and the priority.
        256 + 2 * self.json.len() + 6 * texts <= frame::LIMIT
    }

    /// The JSON, if it is an object: whoever pastes it into another document relies on that.
    pub(crate) fn object(&self) -> Option<&RawValue> {
        let raw: &RawValue = serde_json::from_str(&self.json).ok()?;
        raw.get().starts_with('{').then_some(raw)
    }
}

/// JSON without line ends. They would let an alert pass for two in whatever is read line by line, so they become spaces, which mean
/// the same between tokens.
fn json<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let json = String::deserialize(deserializer)?;
    Ok(match json.contains(['\n', '\r', '\0']) {
        true => json.replace(['\n', '\r', '\0'], " "),
        false => json,
    })
}

fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(one_line(text))
}

/// A text that stays one line and is shown as it was written: what would end the line, steer a terminal or turn the direction of
/// reading is escaped. A process may have chosen it.
pub(crate) fn one_line(text: String) -> String {
    if !text.contains(is_hostile) {
        return text;
    }
    let mut line = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match is_hostile(letter) {
            true => line.extend(letter.escape_default()),
            false => line.push(letter),
        }
    }
    line
}

/// Control characters, and those that override the direction of reading, which are none.
pub(crate) fn is_hostile(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::frame::Message;

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

    fn again(alert: &Alert) -> Alert {
        serde_json::from_str(&serde_json::to_string(alert).unwrap()).unwrap()
    }

    #[test]
    fn what_fits_has_a_frame_whatever_it_consists_of() {
        for byte in ['\u{1}', '"', 'a'] {
            let mut large = alert(1);
            let mut sizes = (0..frame::LIMIT).step_by(997);
            let sized = |size: usize, alert: &mut Alert| {
                alert.text = byte.to_string().repeat(size);
                alert.json = serde_json::to_string(&serde_json::json!({ "output": alert.text })).unwrap();
            };
            let last = sizes.find(|size| {
                sized(*size, &mut large);
                !large.fits()
            });
            assert!(last.is_some_and(|size| size > 10_000), "{byte:?}: {last:?}");
            sized(last.unwrap() - 997, &mut large);
            Message::Alert(Box::new(large.clone())).encode().unwrap();
        }
    }

    #[test]
    fn an_alert_stays_one_line() {
        let mut alert = alert(1);
        alert.text = "a\nb\rc\0d".to_owned();
        alert.json = "{\n\r\0}".to_owned();
        let read = again(&alert);
        assert_eq!((read.text.as_str(), read.json.as_str()), (r"a\nb\rc\u{0}d", "{   }"));
    }

    #[test]
    fn a_text_neither_steers_a_terminal_nor_reads_backwards() {
        let mut alert = alert(1);
        alert.text = "\x1b[2J\u{9b}1m\x7f\u{202e}gpj\u{2066}.ä\\".to_owned();
        let read = again(&alert);
        assert_eq!(read.text, r"\u{1b}[2J\u{9b}1m\u{7f}\u{202e}gpj\u{2066}.ä\");
        assert_eq!(again(&read), read, "once is enough");
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
