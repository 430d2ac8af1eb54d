//! Whether a path that was found can be what was asked for, judged by the words alone.

/// Whether `path` is what `requested` names when no link is followed. A relative request starts from `directory`.
///
/// No is not the opposite: a link on the way leads elsewhere for good reasons.
#[must_use]
pub fn names(path: &str, requested: &str, directory: Option<&str>) -> bool {
    let start = if requested.starts_with('/') {
        Some("/")
    } else {
        directory
    };
    let Some(start) = start else { return false };
    let mut wanted = Vec::new();
    for component in start.split('/').chain(requested.split('/')) {
        match component {
            "" | "." => {}
            // Above a link is not above what it stands for.
            ".." => return false,
            name => wanted.push(name),
        }
    }
    path.starts_with('/') && path.split('/').filter(|name| !name.is_empty()).eq(wanted)
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn the_same_words_name_the_same_file() {
        for (path, requested, directory) in [
            ("/etc/passwd", "/etc/passwd", None),
            ("/etc/passwd", "//etc/./passwd", None),
            ("/etc/passwd", "passwd", Some("/etc")),
            ("/etc/passwd", "./etc//passwd", Some("/")),
            ("/etc", "/etc/", None),
            ("/", "/", None),
        ] {
            assert!(names(path, requested, directory), "{path} {requested} {directory:?}");
        }
    }

    #[test]
    fn other_words_and_those_that_cannot_be_followed_do_not() {
        for (path, requested, directory) in [
            ("/etc/shadow", "/etc/passwd", None),
            ("/etc/passwd", "/etc", None),
            ("/etc", "/etc/passwd", None),
            ("/etc/passwd", "passwd", None),
            ("/etc/passwd", "passwd", Some("/tmp")),
            // What a link leads to is not in the words.
            ("/etc/passwd", "/tmp/../etc/passwd", None),
            // The end of a path that was cut, a memfd.
            ("etc/passwd", "/etc/passwd", None),
            ("memfd:x", "memfd:x", Some("/")),
        ] {
            assert!(!names(path, requested, directory), "{path} {requested} {directory:?}");
        }
    }
}
