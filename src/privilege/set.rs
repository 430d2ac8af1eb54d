//! A set of capabilities as the kernel writes it: one bit per capability.

use std::fmt;

use caps::{Capability, CapsHashSet};

/// A set of capabilities. Bits that this build has no name for are kept and shown as `CAP_<number>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(u64);

impl Capabilities {
    /// No capability.
    pub const NONE: Self = Self(0);

    /// The set with exactly the given bits.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits, capability n at position n.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The set of the given capabilities.
    #[must_use]
    pub fn of(capabilities: &[Capability]) -> Self {
        Self(
            capabilities
                .iter()
                .fold(0, |bits, capability| bits | capability.bitmask()),
        )
    }

    /// Whether no capability is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the capability is in the set.
    #[must_use]
    pub fn has(self, capability: Capability) -> bool {
        self.0 & capability.bitmask() != 0
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this one and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The numbers of the capabilities in the set, ascending.
    pub fn numbers(self) -> impl Iterator<Item = u8> {
        (0..64).filter(move |number| self.0 >> number & 1 == 1)
    }

    /// The kernel's names, `CAP_BPF` and so on, ascending by number.
    #[must_use]
    pub fn names(self) -> Vec<String> {
        let known = caps::all();
        self.numbers()
            .map(|number| {
                known
                    .iter()
                    .find(|capability| capability.index() == number)
                    .map_or_else(|| format!("CAP_{number}"), ToString::to_string)
            })
            .collect()
    }

    /// The form that the `caps` crate takes; bits it has no name for are left out.
    pub(super) fn to_hash_set(self) -> CapsHashSet {
        caps::all()
            .into_iter()
            .filter(|capability| self.has(*capability))
            .collect()
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return formatter.write_str("none");
        }
        formatter.write_str(&self.names().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_and_future_capabilities_have_names() {
        let set = Capabilities::from_bits(1 << 39 | 1 << 38 | 1 << 60);
        assert_eq!(set.to_string(), "CAP_PERFMON, CAP_BPF, CAP_60");
        assert_eq!(Capabilities::NONE.to_string(), "none");
    }

    #[test]
    fn set_algebra() {
        let both = Capabilities::of(&[Capability::CAP_BPF, Capability::CAP_PERFMON]);
        let one = Capabilities::of(&[Capability::CAP_BPF]);
        assert_eq!(both.without(one), Capabilities::of(&[Capability::CAP_PERFMON]));
        assert_eq!(both.and(one), one);
        assert_eq!(one.or(Capabilities::of(&[Capability::CAP_PERFMON])), both);
        assert_eq!(both.to_hash_set().len(), 2);
    }
}
