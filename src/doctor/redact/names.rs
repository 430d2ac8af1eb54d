//! Stand-ins: what a name is called in the redacted report, the same wherever it occurs.

use std::collections::BTreeMap;

/// What something is, as far as its place tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Node,
    Namespace,
    Pod,
    Container,
    Image,
    Address,
    Mac,
    Path,
    Name,
}

impl Kind {
    pub(super) const ALL: [Self; 9] = [
        Self::Node,
        Self::Namespace,
        Self::Pod,
        Self::Container,
        Self::Image,
        Self::Address,
        Self::Mac,
        Self::Path,
        Self::Name,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Namespace => "namespace",
            Self::Pod => "pod",
            Self::Container => "container",
            Self::Image => "image",
            Self::Address => "ip",
            Self::Mac => "mac",
            Self::Path => "path",
            Self::Name => "name",
        }
    }
}

/// Digits of an id that are shown.
const SHOWN: usize = 4;
/// Fewest digits by which an id is taken for the beginning of another.
const SHORTENED: usize = 12;

/// The stand-ins that were given.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: BTreeMap<String, String>,
    given: BTreeMap<Kind, usize>,
    ids: BTreeMap<String, String>,
}

impl Names {
    /// What is said in the place of this name. The first kind it is met as stays.
    pub(super) fn stand_in(&mut self, kind: Kind, name: &str) -> String {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let number = self.given.entry(kind).or_default();
        *number += 1;
        let stand_in = format!("{}-{number}", kind.word());
        self.known.insert(name.to_owned(), stand_in.clone());
        stand_in
    }

    /// The stand-in of a name that is known.
    pub(super) fn known(&self, name: &str) -> Option<&str> {
        self.known.get(name).map(String::as_str)
    }

    /// The stand-in of the id that begins like this, as `crictl` and others shorten it.
    pub(super) fn shortened(&self, start: &str) -> Option<&str> {
        let is = start.len() >= SHORTENED && start.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut known = self.ids.iter().filter(|(id, _)| is && id.starts_with(start));
        known.next().map(|(_, stand_in)| stand_in.as_str())
    }

    /// What is said in the place of an id: enough of it to tell two apart, too little to find it.
    pub(super) fn id(&mut self, id: &str) -> String {
        let id = id.to_ascii_lowercase();
        if let Some(stand_in) = self.ids.get(&id) {
            return stand_in.clone();
        }
        let shown: String = id.chars().take(SHOWN).collect();
        let alike = self.ids.keys().filter(|known| known.starts_with(&shown)).count();
        let stand_in = match alike {
            0 => format!("<id:{shown}…>"),
            alike => format!("<id:{shown}…-{}>", alike + 1),
        };
        self.ids.insert(id, stand_in.clone());
        stand_in
    }
}
