//! A share of a whole, as people write it: `0%`, `0.1%`, `100%`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A share of a whole, exact to a millionth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    millionths: u32,
}

impl Share {
    /// So many millionths of a whole; more than the whole is the whole.
    #[must_use]
    pub fn of_millionths(millionths: u32) -> Self {
        Self {
            millionths: millionths.min(1_000_000),
        }
    }

    /// Whether `part` of `whole` is at least this share. Of nothing, nothing is.
    #[must_use]
    pub fn reached(self, part: u64, whole: u64) -> bool {
        whole > 0 && u128::from(part) * 1_000_000 >= u128::from(whole) * u128::from(self.millionths)
    }

    /// This share of a time.
    #[must_use]
    pub fn of(self, whole: Duration) -> Duration {
        let nanos = whole.as_nanos().saturating_mul(u128::from(self.millionths)) / 1_000_000;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.millionths / 10_000, self.millionths % 10_000);
        match rest {
            0 => write!(f, "{whole}%"),
            _ => {
                let decimals = format!("{rest:04}");
                write!(f, "{whole}.{}%", decimals.trim_end_matches('0'))
            }
        }
    }
}

/// What a text that is no share lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no share: write a percentage from 0% to 100% with at most four decimals, for example \"0.1%\"")]
pub struct NotAShare(String);

impl FromStr for Share {
    type Err = NotAShare;

    fn from_str(text: &str) -> Result<Self, NotAShare> {
        let failed = || NotAShare(text.to_owned());
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.trim().strip_suffix('%').ok_or_else(failed)?.trim_end();
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        if !digits(whole) || !digits(decimals) || decimals.len() > 4 {
            return Err(failed());
        }
        let whole: u32 = whole.parse().map_err(|_| failed())?;
        let decimals: u32 = format!("{decimals:0<4}").parse().map_err(|_| failed())?;
        match whole.checked_mul(10_000).and_then(|whole| whole.checked_add(decimals)) {
            Some(millionths @ ..=1_000_000) => Ok(Self { millionths }),
            _ => Err(failed()),
        }
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentages_are_read_and_nothing_else() {
        for (text, millionths) in [
            ("0%", 0),
            ("0.1%", 1000),
            ("0.0001%", 1),
            ("100%", 1_000_000),
            ("12.5 %", 125_000),
        ] {
            assert_eq!(text.parse(), Ok(Share { millionths }), "{text}");
        }
        for text in [
            "",
            "%",
            "1",
            "0.5",
            "100.1%",
            "101%",
            "-1%",
            "0.00001%",
            "1.%",
            ".5%",
            "1e1%",
            "99999999999%",
        ] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_share_is_reached_at_its_edge() {
        let one_percent = Share::of_millionths(10_000);
        assert!(one_percent.reached(1, 100));
        assert!(!one_percent.reached(1, 101));
        assert!(one_percent.reached(u64::MAX, u64::MAX));
        assert!(!Share::default().reached(0, 0));
        assert!(Share::default().reached(1, u64::MAX));
    }

    #[test]
    fn shares_of_times() {
        let hour = Duration::from_secs(3600);
        assert_eq!(Share::of_millionths(250_000).of(hour), Duration::from_secs(900));
        assert_eq!(Share::of_millionths(1_000_000).of(hour), hour);
        assert_eq!(Share::default().of(hour), Duration::ZERO);
        assert_eq!(
            Share::of_millionths(1).of(Duration::from_millis(1)),
            Duration::from_nanos(1)
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(millionths in 0_u32..=1_000_000) {
            let share = Share { millionths };
            prop_assert_eq!(share.to_string().parse(), Ok(share));
        }
    }
}
