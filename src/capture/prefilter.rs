//! Conditions of which one must hold for a system call to be told: the second of two declarations, `ebpf/include/prefilter.h`
//! is the first and says how they are tested.
//!
//! Owns the form in memory and the writing of it, while programs read. Which conditions there are is for those who know what
//! is asked for. It refuses to be exact: what finds no room is left out of a condition, which then holds more often.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::hook::{Hook, HookSet, ROOM};
use super::shared::Words;

/// `PREFILTERS`: one is none.
const PREFILTERS: usize = 32;
/// `NAME_SLOTS` and `NAME_PROBES`.
const SLOTS: usize = 1024;
const PROBES: usize = 8;
/// `VALUES`.
const VALUES: usize = 12;
/// `HOST_SLOTS`.
const HOSTS: usize = 256;
/// `FACTS`.
const FACTS: usize = Fact::NONE + 1;
/// Conditions are bits of a word.
const CONDITIONS: usize = 32;
/// Longer than a run of a hook that is not interrupted: who began with what was there before is through.
const RUN: Duration = Duration::from_millis(5);

/// What is told of a call by one number (`enum fact`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// It failed, and not by EINPROGRESS.
    Failed,
    /// It returned EINPROGRESS.
    InProgress,
    /// It returned 0 to 2: the descriptors of a process's standard streams.
    Standard,
    /// It returned more.
    More,
    /// The access mode in the flags of open(2), by its number.
    Access(u8),
    /// The flags have no O_TRUNC.
    Keeps,
    /// The flags have O_TRUNC.
    Truncates,
    /// The descriptor in the first argument is a socket of an internet family.
    Internet,
    /// It is something else.
    Else,
    /// The first argument is this one of the values.
    Value(u8),
    /// It is none of them.
    OtherValue,
    /// The process belongs to no container. Known of those of which the agent said so, see [`Hosts`].
    Host,
}

impl Fact {
    const NONE: usize = 26;

    fn index(self) -> usize {
        match self {
            Self::Failed => 0,
            Self::InProgress => 1,
            Self::Standard => 2,
            Self::More => 3,
            Self::Access(mode) => 4 + usize::from(mode & 3),
            Self::Keeps => 8,
            Self::Truncates => 9,
            Self::Internet => 10,
            Self::Else => 11,
            Self::Value(at) => 12 + usize::from(at).min(VALUES - 1),
            Self::OtherValue => 24,
            Self::Host => 25,
        }
    }
}

/// As much of a name as is compared, with a NUL at its end.
const NAME: usize = 16;

/// What a path is told apart by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// Its first name.
    First(Box<[u8]>),
    /// Its first two names.
    Second(Box<[u8]>, Box<[u8]>),
    /// The end of its last name, of which the last eight bytes count.
    Ending(Box<[u8]>),
}

/// `enum name_kind`, and the words that are compared.
type NameKey = (u32, [u64; 4]);

/// Conditions that ask for a name, a bit each.
#[derive(Debug)]
struct Asking {
    alone: u32,
    /// Together with a second one.
    below: u32,
}

impl Name {
    /// What is looked up.
    fn key(&self) -> NameKey {
        match self {
            Self::First(first) => {
                let [a, b] = words(first);
                (1, [a, b, 0, 0])
            }
            Self::Second(first, second) => {
                let ([a, b], [c, d]) = (words(first), words(second));
                (2, [a, b, c, d])
            }
            Self::Ending(text) => {
                let end = &text[text.len().saturating_sub(size_of::<u64>())..];
                let [word, _] = words(end);
                (3, [word, end.len() as u64, 0, 0])
            }
        }
    }
}

/// A name as the kernel side compares it: cut, and what is left of its room is zero.
fn words(name: &[u8]) -> [u64; 2] {
    let mut room = [0; NAME];
    let kept = name.len().min(NAME - 1);
    room[..kept].copy_from_slice(&name[..kept]);
    let value = u128::from_le_bytes(room);
    [value as u64, (value >> 64) as u64]
}

/// All of this must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// With any of these it does not.
    pub refused_by: BTreeSet<Fact>,
    /// Whether the part must stand in the text.
    pub text: bool,
    /// Any of these must be in the path of the file that was opened; absent where any path will do.
    pub names: Option<BTreeSet<Name>>,
}

/// The conditions for a call; of none, it is never told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefilter {
    /// Any of these must hold.
    pub conditions: Vec<Condition>,
    /// Which of the first three arguments has the flags of open(2), where one has.
    pub flags: Option<u8>,
    /// Which of the first three arguments has the text, and the part that may have to stand in it.
    pub text: Option<(u8, [u8; 3])>,
    /// Values of the first argument that are facts.
    pub values: Vec<u32>,
    /// Whether the first argument is a descriptor, and what is behind it a fact.
    pub family: bool,
}

/// What of which hook is not told.
#[derive(Debug, Clone, Default)]
pub struct Prefilters(pub Vec<(Hook, Prefilter)>);

impl Prefilters {
    /// The hooks of which something is not told.
    #[must_use]
    pub fn hooks(&self) -> HookSet {
        self.0.iter().fold(HookSet::NONE, |set, (hook, _)| set.with(*hook))
    }

    fn table(&self) -> Box<raw::Prefilters> {
        let mut table = Box::new(raw::Prefilters::new_zeroed());
        let mut known: Vec<&Prefilter> = Vec::new();
        for (hook, filter) in &self.0 {
            if filter.conditions.len() > CONDITIONS {
                continue;
            }
            let at = known.iter().position(|other| *other == filter).or_else(|| {
                (known.len() < PREFILTERS - 1).then(|| {
                    known.push(filter);
                    known.len() - 1
                })
            });
            if let Some(number) = at.and_then(|at| u8::try_from(at + 1).ok()) {
                table.of_hook[hook.index()] = number;
            }
        }
        for (filter, number) in known.into_iter().zip(1_u8..) {
            table.each[usize::from(number)] = filter.raw();
            if table.add_names(u32::from(number), filter).is_none() {
                tracing::debug!(
                    filter = number,
                    "too many names in rules: the kernel side does not look at paths for them"
                );
                table.each[usize::from(number)].by_path = 0;
            }
        }
        table
    }
}

impl Prefilter {
    fn raw(&self) -> raw::Prefilter {
        let mut raw = raw::Prefilter::new_zeroed();
        raw.flags = self.flags.unwrap_or(0).into();
        raw.text = self.text.map_or(0, |(at, _)| at.into());
        raw.part = self.text.map_or(0, |(_, [a, b, c])| u32::from_le_bytes([a, b, c, 0]));
        let asks = [
            (self.flags.is_some(), 1),
            (!self.values.is_empty(), 2),
            (self.family, 4),
        ];
        raw.asks = asks.iter().filter(|(ask, _)| *ask).map(|(_, bit)| bit).sum();
        // The rest repeats the last, so that it is the fact whatever place of it the value is found in.
        let last = self.values.last().copied().unwrap_or(0);
        raw.values = std::array::from_fn(|at| self.values.get(at).copied().unwrap_or(last));
        for (at, condition) in self.conditions.iter().enumerate() {
            let bit = 1 << at;
            raw.conditions |= bit;
            if condition.text && self.text.is_some() {
                raw.by_text |= bit;
            }
            if condition.names.is_some() {
                raw.by_path |= bit;
            }
            if condition
                .names
                .iter()
                .flatten()
                .any(|name| matches!(name, Name::Ending(_)))
            {
                raw.by_ending |= bit;
            }
            for fact in &condition.refused_by {
                raw.refusing[fact.index()] |= bit;
            }
        }
        for at in self.values.len()..VALUES {
            let last = self.values.len().saturating_sub(1);
            raw.refusing[Fact::Value(at as u8).index()] = raw.refusing[Fact::Value(last as u8).index()];
        }
        raw
    }

    /// Every name that conditions ask for, and which those are.
    fn names(&self) -> Vec<(NameKey, Asking)> {
        let mut all: Vec<(NameKey, Asking)> = Vec::new();
        let mut add = |key: NameKey, alone: u32, below: u32| match all.iter_mut().find(|(known, _)| *known == key) {
            Some((_, asking)) => {
                asking.alone |= alone;
                asking.below |= below;
            }
            None => all.push((key, Asking { alone, below })),
        };
        for (at, condition) in self.conditions.iter().enumerate() {
            let bit = 1 << at;
            for name in condition.names.iter().flatten() {
                if let Name::Second(first, _) = name {
                    add(Name::First(first.clone()).key(), 0, bit);
                }
                add(name.key(), bit, 0);
            }
        }
        all
    }
}

impl raw::Prefilters {
    /// None where there is no room for all of them.
    fn add_names(&mut self, number: u32, filter: &Prefilter) -> Option<()> {
        for ((kind, names), asking) in filter.names() {
            let of = number | kind << 8;
            let place = place_of(of, names);
            let slots = (0..PROBES).map(|step| (place + step) % SLOTS);
            let free = slots.into_iter().find(|slot| self.names[*slot].of == 0)?;
            self.names[free] = raw::NameSlot {
                names,
                of,
                conditions: asking.alone,
                below: asking.below,
                reserved: 0,
            };
            if kind == 3 {
                self.each[number as usize].endings |= 1 << names[1];
            }
        }
        Some(())
    }
}

/// Where a name belongs: `place_of_name`.
fn place_of(of: u32, names: [u64; 4]) -> usize {
    const FACTORS: [u64; 4] = [
        0x9e37_79b9_7f4a_7c15,
        0xbf58_476d_1ce4_e5b9,
        0x94d0_49bb_1331_11eb,
        0xd6e8_feb8_6659_fd93,
    ];
    let [first, more @ ..] = names;
    let words = [first ^ u64::from(of), more[0], more[1], more[2]];
    let products = words
        .iter()
        .zip(FACTORS)
        .map(|(word, factor)| word.wrapping_mul(factor));
    let sum = products.fold(0, u64::wrapping_add);
    (sum >> (u64::BITS - SLOTS.ilog2())) as usize
}

/// The table that the kernel side reads.
#[derive(Debug)]
pub(super) struct Table(Words);

impl Table {
    pub(super) fn map(fd: impl std::os::fd::AsFd) -> std::io::Result<Self> {
        Words::map(fd, size_of::<raw::Prefilters>()).map(Self)
    }

    /// What is known of cgroups.
    pub(super) fn hosts(self: &Arc<Self>) -> Hosts {
        Hosts(Arc::clone(self))
    }

    /// Replaces what is there. Meanwhile everything is told.
    pub(super) fn write(&self, prefilters: &Prefilters) {
        let table = prefilters.table();
        let mut to = self.0.get().iter();
        let Some(generation) = to.next() else { return };
        let writing = generation.load(Ordering::Relaxed) | 1;
        generation.store(writing, Ordering::SeqCst);
        std::thread::sleep(RUN);
        // What is known of cgroups holds for any rules.
        let from = table.as_bytes()[..HOSTS_AT].chunks_exact(size_of::<u64>()).skip(1);
        for (to, from) in to.zip(from) {
            let word = from.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
            to.store(word, Ordering::Relaxed);
        }
        // The next even number: whoever began before reads another one at the end, and tells.
        generation.store(writing.wrapping_add(1), Ordering::SeqCst);
    }
}

const HOSTS_AT: usize = std::mem::offset_of!(raw::Prefilters, hosts);

/// Which cgroups are known to be no container's.
#[derive(Debug, Clone)]
pub struct Hosts(Arc<Table>);

impl Hosts {
    /// Says that a cgroup is no container's. Where there is no room for all, the last one is known.
    pub fn add(&self, cgroup: u64) {
        let words = &self.0.0.get()[HOSTS_AT / size_of::<u64>()..];
        if let Some(slot) = words.get(cgroup as usize % HOSTS)
            && slot.load(Ordering::Relaxed) != cgroup
        {
            slot.store(cgroup, Ordering::Relaxed);
        }
    }
}

/// The layout.
mod raw {
    use super::{FACTS, FromBytes, HOSTS, Immutable, IntoBytes, KnownLayout, PREFILTERS, ROOM, SLOTS, VALUES};

    /// `struct prefilter`.
    #[derive(Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
    #[repr(C)]
    pub(super) struct Prefilter {
        pub(super) conditions: u32,
        pub(super) by_text: u32,
        pub(super) by_path: u32,
        pub(super) by_ending: u32,
        pub(super) asks: u32,
        pub(super) flags: u32,
        pub(super) text: u32,
        pub(super) part: u32,
        pub(super) endings: u32,
        pub(super) refusing: [u32; FACTS],
        pub(super) values: [u32; VALUES],
    }

    /// `struct name_slot`.
    #[derive(Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
    #[repr(C)]
    pub(super) struct NameSlot {
        pub(super) names: [u64; 4],
        pub(super) of: u32,
        pub(super) conditions: u32,
        pub(super) below: u32,
        pub(super) reserved: u32,
    }

    /// `struct prefilters`.
    #[derive(Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
    #[repr(C)]
    pub(super) struct Prefilters {
        pub(super) generation: u64,
        pub(super) of_hook: [u8; ROOM],
        pub(super) each: [Prefilter; PREFILTERS],
        pub(super) names: [NameSlot; SLOTS],
        pub(super) hosts: [u64; HOSTS],
    }
}

/// As [`super::wire::layouts`].
#[cfg(test)]
pub(super) fn layouts() -> Vec<super::wire::Layout> {
    macro_rules! layout {
        ($name:ident, $c:literal, $($field:ident),*) => {
            ($c, size_of::<raw::$name>(), vec![$((stringify!($field), std::mem::offset_of!(raw::$name, $field)),)*])
        };
    }
    vec![
        layout!(
            Prefilter,
            "prefilter",
            conditions,
            by_text,
            by_path,
            by_ending,
            asks,
            flags,
            text,
            part,
            endings,
            refusing,
            values
        ),
        layout!(NameSlot, "name_slot", names, of, conditions, below, reserved),
        layout!(Prefilters, "prefilters", generation, of_hook, each, names, hosts),
    ]
}

#[cfg(test)]
#[path = "prefilter_tests.rs"]
mod tests;
