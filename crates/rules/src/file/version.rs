//! Versions: `major.minor.patch`.

use std::fmt;

/// A version of the rule language or of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Changed where files of before are not taken any more.
    pub major: u32,
    /// Changed where files of now were not taken before.
    pub minor: u32,
    /// Changed where neither is so.
    pub patch: u32,
}

impl Version {
    /// Reads `1.2.3`; a suffix for a release that is not final yet is left out.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let numbers = text.split_once(['-', '+']).map_or(text, |(numbers, _)| numbers);
        let mut parts = numbers.split('.').map(|part| {
            let plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| part.parse().ok()).flatten()
        });
        let version = Self {
            major: parts.next()??,
            minor: parts.next()??,
            patch: parts.next()??,
        };
        parts.next().is_none().then_some(version)
    }

    /// The same, or a single number as engines were counted first: `8` is `0.8.0`.
    #[must_use]
    pub fn parse_engine(text: &str) -> Option<Self> {
        match text.parse() {
            Ok(minor) => Some(Self {
                major: 0,
                minor,
                patch: 0,
            }),
            Err(_) => Self::parse(text),
        }
    }

    /// Whether what is asked for is had in this one.
    #[must_use]
    pub fn serves(self, asked: Self) -> bool {
        self.major == asked.major && self >= asked
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}
