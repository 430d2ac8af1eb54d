//! How much memory the kernel side takes: its maps, by the sizes that the object declares and the agent asks for.
//!
//! Computed, nothing is created. From Linux 5.11 on maps count towards the memory limit of the cgroup that creates them,
//! before that against RLIMIT_MEMLOCK. Programs are left out: some hundred KiB, whatever the machine.

use std::collections::BTreeMap;

use aya_obj::generated::bpf_map_type as kind;

use super::error::{Error, Failure};
use super::hook::ROOM;
use super::object::OBJECT;
use super::source::{cpu_ids, ring_bytes};

const PAGE: u64 = 4096;
/// What a map is besides its elements; some 300 bytes in `struct bpf_array` and `struct bpf_htab`.
const HEADER: u64 = 512;
/// `struct bucket` and `struct htab_elem` of `kernel/bpf/hashtab.c`, on 64 bits.
const BUCKET: u64 = 16;
const ELEMENT: u64 = 48;
/// `BPF_F_MMAPABLE`.
const MMAPABLE: u32 = 1 << 10;
/// `RINGBUF_NR_META_PAGES`: one of the kernel's own, the consumer's and the producer's.
const RING_META_PAGES: u64 = 3;
const POINTER: u64 = 8;

/// What the sizes of maps depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// One more than the highest id that a CPU can have.
    pub cpus: usize,
    /// Bytes of the ring, a power of two.
    pub ring: u32,
    /// How many processes the kernel side remembers.
    pub processes: u32,
}

impl Sizes {
    /// The maps that are made in another size than the object says, with their number of entries.
    pub(super) fn entries(self) -> [(&'static str, u32); 3] {
        let lines = u32::try_from(self.cpus.saturating_mul(ROOM)).unwrap_or(u32::MAX);
        [
            ("events", self.ring),
            ("counters", lines),
            ("processes", self.processes),
        ]
    }

    /// How much may be unread in the ring for a system call to be told: an eighth is kept for the life of processes and
    /// of cgroups, and at least the largest record of one.
    #[must_use]
    pub fn share_of_calls(self) -> u64 {
        const LARGEST: u32 = 32 << 10;
        u64::from(self.ring - (self.ring / 8).max(LARGEST.min(self.ring)))
    }
}

/// Memory of the kernel side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate {
    /// One more than the highest id that a CPU can have.
    pub cpus: usize,
    /// Bytes by map.
    pub maps: BTreeMap<String, u64>,
    /// What each further CPU would add, in bytes.
    pub per_cpu: u64,
}

impl Estimate {
    /// With these sizes.
    ///
    /// # Errors
    /// The embedded object cannot be read: a broken build.
    pub fn of(sizes: Sizes) -> Result<Self, Error> {
        let object = aya_obj::Object::parse(OBJECT)
            .map_err(|error| Error::Object(Failure::of_error("read the embedded object".to_owned(), &error)))?;
        let maps = |sizes: Sizes| -> BTreeMap<String, u64> {
            let asked = BTreeMap::from(sizes.entries());
            object
                .maps
                .iter()
                .map(|(name, map)| {
                    let entries = asked.get(name.as_str()).copied().unwrap_or(map.max_entries());
                    (name.clone(), bytes(map, u64::from(entries), sizes.cpus as u64))
                })
                .collect()
        };
        let now = maps(sizes);
        let more = maps(Sizes {
            cpus: sizes.cpus.saturating_add(1),
            ..sizes
        });
        Ok(Self {
            cpus: sizes.cpus,
            per_cpu: more.values().sum::<u64>().saturating_sub(now.values().sum()),
            maps: now,
        })
    }

    /// On a machine of so many CPUs, with these settings.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn on(cpus: usize, ring_size: u64, processes: u32) -> Result<Self, Error> {
        Self::of(Sizes {
            cpus,
            ring: ring_bytes(ring_size),
            processes,
        })
    }

    /// On this machine, with these settings.
    ///
    /// # Errors
    /// The CPUs are unknown, or as [`Self::of`].
    pub fn here(ring_size: u64, processes: u32) -> Result<Self, Error> {
        Self::on(cpu_ids()?, ring_size, processes)
    }

    /// All maps together, in bytes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.maps.values().sum()
    }
}

/// What the kernel allocates for a map: the `map_mem_usage` operations of Linux 6.4 and later, which say what earlier ones
/// allocate as well.
fn bytes(map: &aya_obj::Map, entries: u64, cpus: u64) -> u64 {
    let key = u64::from(map.key_size()).next_multiple_of(8);
    let value = u64::from(map.value_size()).next_multiple_of(8);
    let of = |wanted: kind| map.map_type() == wanted as u32;
    if of(kind::BPF_MAP_TYPE_RINGBUF) {
        // The data is mapped twice and exists once; the array of its pages is as long as the mapping.
        let pages = entries / PAGE;
        HEADER + (RING_META_PAGES + pages) * PAGE + (RING_META_PAGES + 2 * pages) * POINTER
    } else if of(kind::BPF_MAP_TYPE_PERCPU_ARRAY) {
        HEADER + entries * (POINTER + value * cpus)
    } else if of(kind::BPF_MAP_TYPE_LRU_HASH) || of(kind::BPF_MAP_TYPE_HASH) {
        HEADER + entries.next_power_of_two() * BUCKET + entries * (ELEMENT + key + value)
    } else if map.map_flags() & MMAPABLE != 0 {
        PAGE + (entries * value).next_multiple_of(PAGE)
    } else {
        HEADER + entries * value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Sizes = Sizes {
        cpus: 1,
        ring: 4096,
        processes: 256,
    };

    #[test]
    fn every_size_that_can_be_set_counts() {
        let small = Estimate::of(SMALL).unwrap();
        let grown = |sizes: Sizes| Estimate::of(sizes).unwrap().total() - small.total();
        let ring = grown(Sizes { ring: 1 << 20, ..SMALL });
        assert!(((1 << 20) - 4096..(1 << 20) + 8192).contains(&ring), "{ring}");
        assert!(
            grown(Sizes {
                processes: 512,
                ..SMALL
            }) >= 256 * ELEMENT
        );
        let cpus = grown(Sizes { cpus: 65, ..SMALL });
        // Counters are rounded to pages, so that 64 CPUs are not exactly 64 times one.
        assert!(
            cpus.abs_diff(64 * small.per_cpu) <= 64 * PAGE,
            "{cpus} for {}",
            small.per_cpu
        );
        // Each CPU has the scratch of every hook.
        assert!(small.per_cpu >= 64, "{}", small.per_cpu);
    }

    #[test]
    fn the_maps_that_are_resized_exist() {
        let maps = Estimate::of(SMALL).unwrap().maps;
        for (name, _) in SMALL.entries() {
            assert!(maps.contains_key(name), "{name}: {maps:?}");
        }
    }
}
