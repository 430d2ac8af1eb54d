//! The containers that are remembered: those that a runtime has told of, and apart from them ids of which nothing is known.
//!
//! Whoever may make cgroups makes up ids by the thousand, and each that an event asks for has to be remembered for its
//! pauses. Were they kept together, made-up ids would push out the containers that are there.

use std::num::NonZeroUsize;

use lru::LruCache;

use super::entry::ContainerEntry;

/// Of so many containers that may be remembered one more may be an id of which nothing is known.
const UNKNOWN_SHARE: usize = 4;
/// So many of these may be remembered in any case.
const UNKNOWN_LEAST: usize = 16;

/// Two maps, each with its own limit. An id is in one of them.
#[derive(Debug)]
pub(crate) struct Containers {
    told: LruCache<String, ContainerEntry>,
    unknown: LruCache<String, ContainerEntry>,
}

impl Containers {
    /// Room for `size` containers of which something is known, and for a quarter as many other ids.
    pub(crate) fn new(size: NonZeroUsize) -> Self {
        let unknown = NonZeroUsize::new((size.get() / UNKNOWN_SHARE).max(UNKNOWN_LEAST));
        Self {
            told: LruCache::new(size),
            unknown: LruCache::new(unknown.unwrap_or(NonZeroUsize::MIN)),
        }
    }

    /// How many there is room for of which something is known.
    pub(crate) fn room(&self) -> usize {
        self.told.cap().get()
    }

    /// How many ids are remembered.
    pub(crate) fn len(&self) -> usize {
        self.told.len() + self.unknown.len()
    }

    /// What is remembered of an id, which is used thereby.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut ContainerEntry> {
        match self.told.get_mut(id) {
            None => self.unknown.get_mut(id),
            told => told,
        }
    }

    /// What is remembered of an id, which is used no more recently thereby.
    pub(crate) fn peek(&self, id: &str) -> Option<&ContainerEntry> {
        self.told.peek(id).or_else(|| self.unknown.peek(id))
    }

    /// Whether anything is remembered of an id, be it that nothing is known.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.told.contains(id) || self.unknown.contains(id)
    }

    /// Whether a runtime has told of it.
    pub(crate) fn is_told(&self, id: &str) -> bool {
        self.told.contains(id)
    }

    /// All that is remembered, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &ContainerEntry)> {
        self.told.iter().chain(self.unknown.iter())
    }

    /// Remembers, in place of what was remembered of the id.
    pub(crate) fn put(&mut self, id: &str, entry: ContainerEntry) {
        self.pop(id);
        let map = if entry.missing().is_some() {
            &mut self.unknown
        } else {
            &mut self.told
        };
        map.put(id.to_owned(), entry);
    }

    /// Forgets everything.
    #[cfg(test)]
    pub(crate) fn clear(&mut self) {
        self.told.clear();
        self.unknown.clear();
    }

    /// Forgets an id.
    pub(crate) fn pop(&mut self, id: &str) -> Option<ContainerEntry> {
        self.told.pop(id).or_else(|| self.unknown.pop(id))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;
    use crate::container::outcome::Outcome;

    fn entry(id: &str, known: bool) -> ContainerEntry {
        let mut entry = ContainerEntry::pending(id, None, None, Instant::now());
        if known {
            entry.outcome = Arc::new(Outcome::host());
        }
        entry
    }

    #[test]
    fn ids_of_which_nothing_is_known_push_out_only_each_other() {
        let size = NonZeroUsize::new(100).unwrap();
        let mut containers = Containers::new(size);
        for number in 0..100 {
            let id = format!("told-{number}");
            containers.put(&id, entry(&id, true));
        }
        for number in 0..1000 {
            let id = format!("made-up-{number}");
            containers.put(&id, entry(&id, false));
        }
        assert_eq!((containers.len(), containers.room()), (125, 100));
        assert!((0..100).all(|number| containers.is_told(&format!("told-{number}"))));
        assert!(containers.contains("made-up-999") && !containers.is_told("made-up-999"));
        assert!(!containers.contains("made-up-974") && containers.contains("made-up-975"));
        assert_eq!(Containers::new(NonZeroUsize::MIN).unknown.cap().get(), UNKNOWN_LEAST);
    }

    #[test]
    fn an_id_is_remembered_once() {
        let mut containers = Containers::new(NonZeroUsize::MIN);
        containers.put("id", entry("id", false));
        assert!(containers.peek("id").is_some_and(|entry| entry.missing().is_some()));
        containers.put("id", entry("id", true));
        assert_eq!((containers.len(), containers.is_told("id")), (1, true));
        assert!(containers.get_mut("id").is_some_and(|entry| entry.missing().is_none()));
        containers.put("id", entry("id", false));
        assert_eq!((containers.len(), containers.is_told("id")), (1, false));
        assert!(containers.pop("id").is_some());
        assert_eq!((containers.len(), containers.pop("id").is_none()), (0, true));
    }
}
