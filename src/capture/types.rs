//! Type information as the kernel publishes it (`Documentation/bpf/btf.rst`): walking it, and whether the types that the
//! programs are fitted to stand in it exactly once.
//!
//! aya resolves each access to a field by itself among all types of that name (aya#1727). Where a kernel has two
//! of them with the fields in different places, a program could be fitted to a mixture of both, load, and read nonsense.

use std::collections::{BTreeMap, BTreeSet};

use object::{Object as _, ObjectSection as _};

use super::object::OBJECT;

/// Kinds of types.
pub(super) const FUNC: u32 = 12;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const ENUM64: u32 = 19;
const TYPEDEF: u32 = 8;
/// Typedef, volatile, const, restrict, type tag: they stand for another type.
const STAND_INS: [u32; 5] = [TYPEDEF, 9, 10, 11, 18];
/// How deep stand-ins and anonymous structures are followed; a chain in the kernel has less than ten.
const DEPTH: usize = 32;

/// The types and the names of one blob.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section<'a> {
    types: &'a [u8],
    strings: &'a [u8],
}

/// One type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Type<'a> {
    pub(super) kind: u32,
    /// The type that it is about, or its size.
    pub(super) of: u32,
    flag: bool,
    members: usize,
    rest: &'a [u8],
    /// From its name on.
    names: &'a [u8],
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

impl<'a> Section<'a> {
    /// Reads the header: a blob of another form has no section.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let section = |offset: usize, length: usize| {
            let start = word(bytes, 4)?.checked_add(word(bytes, offset)?)? as usize;
            bytes.get(start..start.checked_add(word(bytes, length)? as usize)?)
        };
        Some(Self {
            types: section(8, 12)?,
            strings: section(16, 20)?,
        })
    }

    /// Every type, the first of which has the id 1. What does not fit the format ends the walk.
    pub(super) fn iter(self) -> impl Iterator<Item = Type<'a>> {
        let mut types = self.types;
        std::iter::from_fn(move || {
            let (name, info, of) = (word(types, 0)?, word(types, 4)?, word(types, 8)?);
            let (kind, members) = ((info >> 24) & 0x1f, (info & 0xffff) as usize);
            let more = match kind {
                // INT, VAR, DECL_TAG
                1 | 14 | 17 => 4,
                // ARRAY
                3 => 12,
                // DATASEC
                STRUCT | UNION | 15 | ENUM64 => 12 * members,
                // FUNC_PROTO
                ENUM | 13 => 8 * members,
                _ => 0,
            };
            let rest = types.get(12..12 + more)?;
            types = &types[12 + more..];
            Some(Type {
                kind,
                of,
                flag: info >> 31 == 1,
                members,
                rest,
                names: self.strings.get(name as usize..).unwrap_or_default(),
            })
        })
    }

    fn text(self, offset: u32) -> &'a [u8] {
        until_nul(self.strings.get(offset as usize..).unwrap_or_default())
    }
}

impl<'a> Type<'a> {
    /// Whether its name begins with one of these: cheaper than the name, whose end must be looked for.
    pub(super) fn named_with(&self, prefixes: &[&[u8]]) -> bool {
        prefixes.iter().any(|prefix| self.names.starts_with(prefix))
    }

    /// Its name; empty where it has none.
    pub(super) fn name(&self) -> &'a [u8] {
        until_nul(self.names)
    }

    /// Name, type and place in bits of each field of a structure, each enumerator's name and value likewise.
    fn fields(self, section: Section<'a>) -> impl Iterator<Item = (&'a [u8], u32, u64)> {
        let size = if self.kind == ENUM { 8 } else { 12 };
        let has_fields = [STRUCT, UNION, ENUM, ENUM64].contains(&self.kind);
        (0..if has_fields { self.members } else { 0 }).filter_map(move |index| {
            let at = |offset: usize| word(self.rest, index * size + offset);
            let (name, second) = (section.text(at(0)?), at(4)?);
            Some(match self.kind {
                ENUM => (name, 0, u64::from(second)),
                ENUM64 => (name, 0, u64::from(second) | u64::from(at(8)?) << 32),
                // The upper byte is the size of a bit field where the structure has such.
                _ if self.flag => (name, second, u64::from(at(8)? & 0x00ff_ffff)),
                _ => (name, second, u64::from(at(8)?)),
            })
        })
    }
}

/// Types by id.
struct Ids<'a> {
    section: Section<'a>,
    types: Vec<Type<'a>>,
}

impl<'a> Ids<'a> {
    fn of(section: Section<'a>) -> Self {
        Self {
            section,
            types: section.iter().collect(),
        }
    }

    fn get(&self, id: u32) -> Option<Type<'a>> {
        self.types.get(usize::try_from(id).ok()?.checked_sub(1)?).copied()
    }

    /// What a stand-in stands for.
    fn resolve(&self, mut found: Type<'a>) -> Option<Type<'a>> {
        for _ in 0..DEPTH {
            if !STAND_INS.contains(&found.kind) {
                return Some(found);
            }
            found = self.get(found.of)?;
        }
        None
    }

    /// Where the field is, in bits, also within anonymous structures.
    fn place(&self, of: Type<'a>, field: &[u8], depth: usize) -> Option<u64> {
        let within = self.resolve(of)?;
        within.fields(self.section).find_map(|(name, kind, place)| {
            if name == field {
                return Some(place);
            }
            let nested = name.is_empty() && depth > 0;
            let inner = nested.then(|| self.get(kind)).flatten()?;
            Some(place + self.place(inner, field, depth - 1)?)
        })
    }
}

/// A type that the programs are fitted to.
type Name = (u32, Vec<u8>);

/// Variants of one type differ by what follows three underscores, which no loader looks at.
fn without_variant(name: &[u8]) -> &[u8] {
    name.windows(3)
        .position(|three| three == b"___")
        .map_or(name, |at| &name[..at])
}

/// The types that the programs are fitted to, each with the fields that are used of it.
fn used() -> Option<BTreeMap<Name, BTreeSet<Vec<u8>>>> {
    /// From here on a relocation is about a type as a whole, until enumerators.
    const WHOLE: std::ops::Range<u32> = 6..10;
    let file = object::File::parse(OBJECT).ok()?;
    let data = |name: &str| file.section_by_name(name)?.data().ok();
    let own = Ids::of(Section::parse(data(".BTF")?)?);
    let extended = data(".BTF.ext")?;
    // `struct btf_ext_header`: after magic, version and its own size stand three pairs of offset and length.
    let start = word(extended, 4)?.checked_add(word(extended, 24)?)? as usize;
    let mut records = extended.get(start..start.checked_add(word(extended, 28)? as usize)?)?;
    let size = word(records, 0)? as usize;
    records = &records[4..];
    let mut used: BTreeMap<Name, BTreeSet<Vec<u8>>> = BTreeMap::new();
    while let Some(count) = word(records, 4) {
        records = &records[8..];
        for _ in 0..count {
            let (id, access, kind) = (word(records, 4)?, word(records, 8)?, word(records, 12)?);
            records = records.get(size..)?;
            let root = own.get(id)?;
            let fields = used
                .entry((root.kind, without_variant(root.name()).to_vec()))
                .or_default();
            let access = str::from_utf8(own.section.text(access)).ok()?;
            let of = own.resolve(root)?;
            // The first number of an access to a field is an index as of an array.
            let index = access.split(':').nth(usize::from(![ENUM, ENUM64].contains(&of.kind)));
            if !WHOLE.contains(&kind)
                && let Some(index) = index
                && let Some((name, ..)) = of.fields(own.section).nth(index.parse().ok()?)
            {
                fields.insert(without_variant(name).to_vec());
            }
        }
    }
    used.remove(&(0, Vec::new()));
    Some(used)
}

/// How the kernel's types fit the programs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fit {
    /// How many types the programs are fitted to.
    pub roots: usize,
    /// Those of which the kernel has none with a field that is used.
    pub missing: Vec<String>,
    /// Those that it has several times, with used fields in different places.
    pub ambiguous: Vec<String>,
}

/// Compares the kernel's types with those that the programs are fitted to; `None` where either cannot be understood.
#[must_use]
pub fn fit(kernel_types: &[u8]) -> Option<Fit> {
    let used = used()?;
    let kernel = Ids::of(Section::parse(kernel_types)?);
    let names: BTreeSet<&[u8]> = used.keys().map(|(_, name)| name.as_slice()).collect();
    let mut found: BTreeMap<Name, BTreeSet<Vec<Option<u64>>>> = BTreeMap::new();
    for candidate in &kernel.types {
        let name = without_variant(candidate.name());
        if name.is_empty() || !names.contains(name) {
            continue;
        }
        let key = (candidate.kind, name.to_vec());
        let Some(fields) = used.get(&key) else { continue };
        let places: Vec<Option<u64>> = fields
            .iter()
            .map(|field| kernel.place(*candidate, field, DEPTH))
            .collect();
        // A namesake without any of the fields is never taken.
        if fields.is_empty() || places.iter().any(Option::is_some) {
            found.entry(key).or_default().insert(places);
        }
    }
    let named = |wanted: &dyn Fn(usize) -> bool| {
        used.keys()
            .filter(|key| wanted(found.get(*key).map_or(0, BTreeSet::len)))
            .map(|(_, name)| String::from_utf8_lossy(name).into_owned())
            .collect()
    };
    Some(Fit {
        roots: used.len(),
        missing: named(&|count| count == 0),
        ambiguous: named(&|count| count > 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Named<'a> = (&'a str, u32, &'a [(&'a str, u32)]);

    /// A blob with these types (name, kind, fields with their places in bits).
    fn blob(types: &[Named<'_>]) -> Vec<u8> {
        let (mut section, mut strings) = (Vec::new(), vec![0_u8]);
        let mut text = |name: &str| {
            let at = u32::try_from(strings.len()).unwrap();
            strings.extend(name.bytes().chain([0]));
            at
        };
        for (name, kind, fields) in types {
            for number in [text(name), kind << 24 | u32::try_from(fields.len()).unwrap(), 64] {
                section.extend(number.to_ne_bytes());
            }
            for (field, place) in *fields {
                for number in [text(field), 0, *place] {
                    section.extend(number.to_ne_bytes());
                }
            }
        }
        let (types, names) = (
            u32::try_from(section.len()).unwrap(),
            u32::try_from(strings.len()).unwrap(),
        );
        let mut blob = vec![0x9f, 0xeb, 1, 0];
        for number in [24, 0, types, types, names] {
            blob.extend(u32::to_ne_bytes(number));
        }
        blob.extend(section);
        blob.extend(strings);
        blob
    }

    #[test]
    fn the_programs_name_the_types_and_fields_that_they_read() {
        let used = used().unwrap();
        let fields = |kind: u32, name: &str| {
            let fields = &used[&(kind, name.as_bytes().to_vec())];
            fields
                .iter()
                .map(|name| String::from_utf8_lossy(name))
                .collect::<Vec<_>>()
        };
        assert!(fields(STRUCT, "task_struct").iter().any(|field| field == "real_parent"));
        // Both variants of a type are one.
        let node = fields(STRUCT, "kernfs_node");
        assert!(node.iter().any(|field| field == "parent") && node.iter().any(|field| field == "__parent"));
        assert!(
            fields(ENUM, "cgroup_subsys_id")
                .iter()
                .any(|name| name == "pids_cgrp_id")
        );
    }

    #[test]
    fn this_kernel_has_each_type_once() {
        let fit = fit(&std::fs::read("/sys/kernel/btf/vmlinux").unwrap()).unwrap();
        assert!(fit.roots > 20, "{fit:?}");
        assert_eq!((fit.missing, fit.ambiguous), (Vec::new(), Vec::new()));
    }

    #[test]
    fn namesakes_count_only_where_a_used_field_is_elsewhere() {
        let ambiguous = |types: &[Named<'_>]| fit(&blob(types)).unwrap().ambiguous;
        let inode = ("inode", STRUCT, &[("i_mode", 0), ("i_ino", 64)][..]);
        assert!(ambiguous(&[inode, inode]).is_empty());
        assert!(ambiguous(&[inode, ("inode", STRUCT, &[("other", 0)])]).is_empty());
        assert!(ambiguous(&[inode, ("inode", UNION, &[("i_ino", 0)])]).is_empty());
        assert_eq!(ambiguous(&[inode, ("inode", STRUCT, &[("i_ino", 0)])]), ["inode"]);
        assert!(
            fit(&blob(&[inode]))
                .unwrap()
                .missing
                .contains(&"task_struct".to_owned())
        );
        assert_eq!(fit(b"no types"), None);
    }
}
