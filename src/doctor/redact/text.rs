//! Sentences: what is known stays, what is not becomes a stand-in.

use std::net::IpAddr;

use super::names::{Kind, Names};
use super::words::{of_a_version, said_here};
use crate::container::cgroup::is_container_id;

/// Between words. What is neither one of these nor part of a word is a `?`.
const BETWEEN: &str = " \n\t,;()[]{}<>\"'`=|\\&*^!?#$~…·→–—≥≤×";
/// Between the parts of a word.
pub(super) const WITHIN: &str = "/:@+%";
/// Longest number that is told: bytes of a large machine.
const DIGITS: usize = 13;
/// Longest version.
const VERSION: usize = 60;
/// Where people have their files.
const HOMES: &[&str] = &["/home/", "/root/", "/Users/", "/mnt/", "/media/"];

/// Redacts text; it knows the names that were met before.
#[derive(Debug)]
pub(super) struct Scrubber {
    pub(super) names: Names,
}

impl Scrubber {
    pub(super) fn new(names: Names) -> Self {
        Self { names }
    }

    /// The text with stand-ins for what is private, and as it was between them.
    pub(super) fn text(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some((told, after)) = told_before(rest) {
                out.push_str(told);
                rest = after;
                continue;
            }
            if !of_a_word(first) {
                out.push(if BETWEEN.contains(first) { first } else { '?' });
                rest = &rest[first.len_utf8()..];
                continue;
            }
            let end = rest.find(|c| !of_a_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            self.chunk(word, &mut out);
            rest = after;
        }
        out
    }

    /// What stands between blanks, with the punctuation at its end.
    fn chunk(&mut self, chunk: &str, out: &mut String) {
        let word = chunk.trim_end_matches(['.', ':', '-']);
        let (word, end) = chunk.split_at(word.len());
        let bare = word.trim_start_matches(['-', '.']);
        out.push_str(&word[..word.len() - bare.len()]);
        if let Some(kept) = self.whole(bare) {
            out.push_str(&kept);
        } else if bare.starts_with('/') {
            self.path(bare, out);
        } else if let Some(address) = self.address(bare) {
            out.push_str(&address);
        } else {
            self.parts(bare, out);
        }
        out.push_str(end);
    }

    /// A word that is decided about as it is.
    fn whole(&mut self, word: &str) -> Option<String> {
        if word.is_empty() || said_here(word) || is_check(word) || is_number(word) || is_time(word) {
            return Some(word.to_owned());
        }
        if let Some(known) = self.names.known(word) {
            return Some(known.to_owned());
        }
        if is_stand_in(word) {
            return Some(word.to_owned());
        }
        if is_id(word) {
            return Some(self.names.id(word));
        }
        if let Some(known) = self.names.shortened(word) {
            return Some(known.to_owned());
        }
        if let Some(version) = version(word) {
            return Some(version);
        }
        None
    }

    /// An address of the network, with a port or without.
    fn address(&mut self, word: &str) -> Option<String> {
        if is_mac(word) {
            return Some(self.names.stand_in(Kind::Mac, word));
        }
        if let Some(told) = self.ip(word) {
            return Some(told);
        }
        let (host, rest) = word.rsplit_once([':', '/'])?;
        let port = rest.len() <= 5 && rest.bytes().all(|byte| byte.is_ascii_digit());
        let told = self.ip(host).filter(|_| port)?;
        Some(told + &word[host.len()..])
    }

    /// Of any machine's own to itself, and of all, nothing is to be hidden.
    fn ip(&mut self, word: &str) -> Option<String> {
        let ip: IpAddr = word.parse().ok()?;
        Some(if ip.is_loopback() || ip.is_unspecified() {
            word.to_owned()
        } else {
            self.names.stand_in(Kind::Address, word)
        })
    }

    /// A path keeps what is known of it. Where people have their files nothing is.
    fn path(&mut self, path: &str, out: &mut String) {
        if HOMES.iter().any(|home| path.starts_with(home)) {
            out.push_str(&self.names.stand_in(Kind::Path, path));
        } else {
            self.parts(path, out);
        }
    }

    /// `unix:///run/x.sock`, `shop/web`, `name:tag@digest`: part by part.
    fn parts(&mut self, word: &str, out: &mut String) {
        let mut rest = word;
        while !rest.is_empty() {
            let end = rest.find(|c| WITHIN.contains(c)).unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            self.part(part, out);
            let next = after.find(|c| !WITHIN.contains(c)).unwrap_or(after.len());
            out.push_str(&after[..next]);
            rest = &after[next..];
        }
    }

    fn part(&mut self, part: &str, out: &mut String) {
        let bare = part.trim_matches(['-', '.']);
        let start = part.len() - part.trim_start_matches(['-', '.']).len();
        // Nothing but dots and dashes.
        if bare.is_empty() {
            out.push_str(part);
            return;
        }
        out.push_str(&part[..start]);
        let known = self.whole(bare).or_else(|| self.ip(bare));
        match known.or_else(|| self.scope(bare)).or_else(|| numbered(bare)) {
            Some(kept) => out.push_str(&kept),
            None => out.push_str(&self.names.stand_in(Kind::Name, bare)),
        }
        out.push_str(&part[start + bare.len()..]);
    }

    /// `cri-containerd-ID.scope`: the id in it, where the rest is known.
    fn scope(&mut self, word: &str) -> Option<String> {
        let pieces = word.split(['-', '.']);
        let mut ids = pieces.clone().filter(|piece| is_container_id(piece));
        let id = ids.next().filter(|_| ids.next().is_none())?;
        let known = pieces.filter(|piece| *piece != id).all(said_here);
        known.then(|| word.replace(id, &self.names.id(id)))
    }
}

/// `config-6.1.0-28-amd64`: a word with a version.
fn numbered(word: &str) -> Option<String> {
    let (name, rest) = word.split_once('-').filter(|(name, _)| said_here(name))?;
    version(rest).map(|version| format!("{name}-{version}"))
}

pub(super) fn of_a_word(c: char) -> bool {
    c.is_alphanumeric() || "_-.".contains(c) || WITHIN.contains(c)
}

/// What was put here when this was redacted before: an id's digits, or that something was removed.
fn told_before(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with("<id:") && !text.starts_with(super::REMOVED) {
        return None;
    }
    let (inside, _) = text.split_once('>')?;
    // An id's four digits, and no sentence.
    (inside.len() <= 16).then(|| text.split_at(inside.len() + 1))
}

/// `node-1`: what was redacted once may be redacted again.
fn is_stand_in(word: &str) -> bool {
    let numbered = |number: &str| (1..=6).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    word.rsplit_once('-')
        .is_some_and(|(kind, number)| numbered(number) && Kind::ALL.iter().any(|known| known.word() == kind))
}

/// `PIN-RUN-001`.
fn is_check(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    matches!(parts[..], ["PIN", area, number]
        if (2..=5).contains(&area.len()) && area.bytes().all(|byte| byte.is_ascii_uppercase())
            && number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A number, a share, a size, a time: `0660`, `4.3`, `15.0`, `16MiB`, `250ms`, `1h30m`, `0x1f`.
fn is_number(word: &str) -> bool {
    if let Some(hex) = word.strip_prefix("0x") {
        return (1..=8).contains(&hex.len()) && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    const UNITS: &[&str] = &[
        "", "%", "b", "k", "m", "g", "t", "ki", "mi", "gi", "kib", "mib", "gib", "kb", "mb", "gb", "ns", "us", "µs",
        "ms", "s", "min", "h", "d", "x", "hz", "th", "st", "nd", "rd",
    ];
    let word = word.trim_end_matches('%');
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    if !(1..=DIGITS).contains(&digits) || !word.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let numbers = word.split(|c: char| !c.is_ascii_digit() && c != '.');
    let units = word
        .split(|c: char| c.is_ascii_digit() || c == '.')
        .filter(|unit| !unit.is_empty());
    numbers.clone().all(|number| number.matches('.').count() <= 1)
        && numbers.filter(|number| !number.is_empty()).count() <= 3
        && units.clone().count() <= 3
        && units
            .into_iter()
            .all(|unit| UNITS.contains(&unit.to_lowercase().as_str()))
}

/// `2026-01-02`, `2026-01-02T03:04:05.678Z`.
fn is_time(word: &str) -> bool {
    word.parse::<jiff::Timestamp>().is_ok() || word.len() == 10 && word.parse::<jiff::civil::Date>().is_ok()
}

/// A container's id, or a pod's.
pub(super) fn is_id(word: &str) -> bool {
    is_container_id(word) || is_uuid(word)
}

fn is_uuid(word: &str) -> bool {
    word.len() == 36
        && word.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-' || c == '_',
            _ => c.is_ascii_hexdigit(),
        })
}

fn is_mac(word: &str) -> bool {
    let parts: Vec<&str> = word.split([':', '-']).collect();
    parts.len() == 6
        && parts
            .iter()
            .all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A version without what somebody named it: `6.1.0-28-amd64` stays, of `6.6.1-acme-7` the name goes.
fn version(word: &str) -> Option<String> {
    let number = word.strip_prefix('v').unwrap_or(word);
    let first = number.split(['-', '+', '~', '_']).next()?;
    let digits = |part: &&str| (1..=6).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if word.len() > VERSION
        || word.contains(|c| WITHIN.contains(c) && c != '+')
        || first.split('.').take_while(digits).count() < 2
    {
        return None;
    }
    let mut told = word[..word.len() - number.len()].to_owned();
    let mut changed = false;
    for piece in number.split_inclusive(['-', '.', '+', '~', '_']) {
        let part = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
        let known = of_a_version(part);
        changed |= !known;
        told.push_str(if known { part } else { "x" });
        told.push_str(&piece[part.len()..]);
    }
    // An address looks like one, too: with what a kernel or a package adds, and only then, it is a version.
    let address = first.parse::<IpAddr>().is_ok();
    (!address || !changed && number != first).then_some(told)
}
