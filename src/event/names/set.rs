//! Numbers with names, and flags that are joined by `|`.

use std::fmt;

/// Names and their numbers.
pub type Names = &'static [(&'static str, u64)];

/// Constants of libc under their own names.
macro_rules! of_libc {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), libc::$name as u32 as u64)),*] };
}
pub(super) use of_libc;

/// The name of a number.
#[must_use]
pub fn name_of(names: Names, number: u64) -> Option<&'static str> {
    names
        .iter()
        .find_map(|(name, value)| (*value == number).then_some(*name))
}

/// A family of flags.
#[derive(Debug, PartialEq, Eq)]
pub struct FlagSet {
    /// Bits that are one number rather than flags, and the names of that number. A number without a name stays with the
    /// flags.
    pub choice: Option<(u64, Names)>,
    /// The flags in the order of their telling. One that holds another stands before it.
    pub flags: Names,
    /// A number in the highest bits: by how much it is shifted, and what that shift is called.
    pub shifted: Option<(u32, u64, &'static str)>,
    /// Whole values that are frequent, so that they need no putting together.
    pub frequent: Names,
}

impl FlagSet {
    /// Flags and nothing else.
    pub(super) const fn of(flags: Names) -> Self {
        Self {
            choice: None,
            flags,
            shifted: None,
            frequent: &[],
        }
    }
}

/// Flags of a family; told by name, unknown ones in hexadecimal, none as `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags {
    /// The family.
    pub set: &'static FlagSet,
    /// The flags.
    pub bits: u64,
}

impl Flags {
    /// The words in one piece, where they are known to be frequent.
    #[must_use]
    pub fn frequent(&self) -> Option<&'static str> {
        name_of(self.set.frequent, self.bits)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(words) = self.frequent() {
            return f.write_str(words);
        }
        let mut rest = self.bits;
        let mut separator = "";
        let mut word = |f: &mut fmt::Formatter<'_>, word: &str| {
            f.write_str(std::mem::replace(&mut separator, "|"))?;
            f.write_str(word)
        };
        if let Some((mask, names)) = self.set.choice
            && let Some(name) = name_of(names, rest & mask)
        {
            word(f, name)?;
            rest &= !mask;
        }
        let mut shifted = None;
        if let Some((shift, mask, name)) = self.set.shifted {
            let number = rest >> shift & mask;
            rest &= !(mask << shift);
            shifted = (number != 0).then_some((number, name));
        }
        for (name, bits) in self.set.flags {
            if *bits != 0 && rest & bits == *bits {
                word(f, name)?;
                rest &= !bits;
            }
        }
        if rest != 0 {
            word(f, "")?;
            write!(f, "{rest:#x}")?;
        }
        if let Some((number, name)) = shifted {
            word(f, "")?;
            write!(f, "{number}<<{name}")?;
        }
        // Nothing was written.
        if separator.is_empty() { f.write_str("0") } else { Ok(()) }
    }
}
