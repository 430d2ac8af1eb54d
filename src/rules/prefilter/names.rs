//! Names and parts of texts by which the kernel side tests patterns: what it compares is less than the pattern says.

use pinhole_rules::engine::necessary::Pattern;

use crate::capture::prefilter::Name;

/// What must be in a path that fits a pattern. Nothing where that is anything.
pub(super) fn of_path(pattern: &Pattern) -> Option<Name> {
    match pattern {
        Pattern::Equal(path) => beginning(path, true),
        Pattern::Begins(path) => beginning(path, false),
        Pattern::Name(end) | Pattern::Ends(end) => ending(end),
        Pattern::Contains(_) => None,
    }
}

/// Whether a byte may stand in a path for something else: what is no UTF-8 is told by U+FFFD.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii()
}

fn beginning(path: &[u8], whole: bool) -> Option<Name> {
    let plain = path.iter().take_while(|byte| is_plain(**byte)).count();
    let whole = whole && plain == path.len();
    let mut names: Vec<&[u8]> = path[..plain].strip_prefix(b"/")?.split(|byte| *byte == b'/').collect();
    // The last one may go on, or is none.
    if !whole || names.last().is_some_and(|name| name.is_empty()) {
        names.pop();
    }
    let first = *names.first()?;
    if names.iter().any(|name| name.is_empty()) {
        return None;
    }
    match names.get(1) {
        // A process's own directory is told by another name than the kernel's.
        Some(second) if first != b"proc" => Some(Name::Second(first.into(), (*second).into())),
        _ => Some(Name::First(first.into())),
    }
}

fn ending(text: &[u8]) -> Option<Name> {
    let last = text.rsplit(|byte| *byte == b'/').next()?;
    let plain = last.iter().rev().take_while(|byte| is_plain(**byte)).count();
    let end = &last[last.len() - plain..];
    let of_itself = b"self".ends_with(end) || b"thread-self".ends_with(end);
    (!of_itself).then(|| Name::Ending(end.into()))
}

/// Three bytes that stand in every text that fits any of these patterns, in a row and without doubled slashes to be
/// expected between them.
pub(super) fn part_of_all(patterns: &[Pattern]) -> Option<[u8; 3]> {
    let (first, others) = patterns.split_first()?;
    let part = part_of(first)?;
    let stands = |pattern: &Pattern| text_of(pattern).is_some_and(|text| text.windows(3).any(|it| *it == part));
    others.iter().all(stands).then_some(part)
}

fn part_of(pattern: &Pattern) -> Option<[u8; 3]> {
    text_of(pattern)?
        .windows(3)
        .find(|part| part[1] != b'/')
        .and_then(|part| part.first_chunk().copied())
}

fn text_of(pattern: &Pattern) -> Option<&[u8]> {
    match pattern {
        Pattern::Contains(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Box<[u8]> {
        text.as_bytes().into()
    }

    #[test]
    fn the_first_two_names_are_what_a_path_is_told_by() {
        let first = |name: &str| Some(Name::First(text(name)));
        let second = |one: &str, two: &str| Some(Name::Second(text(one), text(two)));
        for (pattern, name) in [
            (Pattern::Equal(text("/etc/shadow")), second("etc", "shadow")),
            (
                Pattern::Equal(text("/etc/security/limits.conf")),
                second("etc", "security"),
            ),
            (Pattern::Equal(text("/etc")), first("etc")),
            (Pattern::Equal(text("/etc/")), first("etc")),
            (Pattern::Equal(text("/")), None),
            (Pattern::Begins(text("/etc/pam.d/")), second("etc", "pam.d")),
            (Pattern::Begins(text("/etc/pam")), first("etc")),
            (Pattern::Begins(text("/etc")), None),
            (Pattern::Begins(text("etc/x")), None),
            (Pattern::Begins(text("//etc/x/")), None),
            (Pattern::Begins(text("/proc/self/environ")), first("proc")),
            (Pattern::Equal(text("/proc/1/environ")), first("proc")),
            (Pattern::Equal(text("/etc/\u{fffd}")), first("etc")),
            (Pattern::Contains(text("/etc/")), None),
        ] {
            assert_eq!(of_path(&pattern), name, "{pattern}");
        }
    }

    #[test]
    fn an_ending_is_that_of_the_last_name() {
        let ending = |end: &str| Some(Name::Ending(text(end)));
        for (pattern, name) in [
            (Pattern::Ends(text("release_agent")), ending("release_agent")),
            (Pattern::Ends(text("/.ssh/id_rsa")), ending("id_rsa")),
            (Pattern::Name(text("syslog")), ending("syslog")),
            (Pattern::Ends(text("dir/")), None),
            (Pattern::Name(text("self")), None),
            (Pattern::Ends(text("f")), None),
            (Pattern::Ends(text("\u{fffd}.log")), ending(".log")),
        ] {
            assert_eq!(of_path(&pattern), name, "{pattern}");
        }
    }

    #[test]
    fn a_part_has_no_slash_in_its_middle() {
        let contains = |it: &str| Pattern::Contains(text(it));
        assert_eq!(part_of_all(&[contains("../")]), Some(*b"../"));
        assert_eq!(part_of_all(&[contains("a/b/c")]), Some(*b"/b/"));
        assert_eq!(part_of_all(&[contains("a/b")]), None);
        assert_eq!(part_of_all(&[contains("..")]), None);
        assert_eq!(part_of_all(&[contains("../"), contains("x../")]), Some(*b"../"));
        assert_eq!(part_of_all(&[contains("../"), contains("abc")]), None);
        assert_eq!(part_of_all(&[contains("../"), Pattern::Begins(text("../"))]), None);
        assert_eq!(part_of_all(&[]), None);
    }
}
