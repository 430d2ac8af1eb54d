//! Sets of paths for `pmatch`: a path fits where one of them is itself or above it, part by part; a part of theirs may be a
//! pattern (falcosecurity/libs, prefix_search.h).

use super::glob::Glob;

/// Paths, read.
#[derive(Debug, Clone)]
pub(super) struct Paths(Box<[Box<[Part]>]>);

#[derive(Debug, Clone)]
enum Part {
    Exact(Box<[u8]>),
    Pattern(Glob),
}

impl Paths {
    pub(super) fn new<'p>(paths: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let part = |part: &[u8]| {
            if part.iter().any(|byte| b"?*[".contains(byte)) {
                Part::Pattern(Glob::new(part, false))
            } else {
                Part::Exact(part.into())
            }
        };
        Self(paths.into_iter().map(|path| parts(path).map(part).collect()).collect())
    }

    /// How paths begin that these are or are above of, each either a whole part at its end or open, and so perhaps a part of
    /// one. Paths are from the root here and have no empty parts.
    pub(super) fn beginnings(&self) -> impl Iterator<Item = (Vec<u8>, bool)> {
        self.0.iter().map(|wanted| {
            let mut path = Vec::new();
            for part in wanted {
                path.push(b'/');
                match part {
                    Part::Exact(part) => path.extend_from_slice(part),
                    Part::Pattern(glob) => {
                        path.extend(glob.literals().map(|literals| literals.start).unwrap_or_default());
                        return (path, true);
                    }
                }
            }
            // Of no parts, all paths.
            let open = path.is_empty();
            (path, open)
        })
    }

    /// Whether one of these is `path` or above it.
    pub(super) fn above(&self, path: &[u8]) -> bool {
        self.0.iter().any(|wanted| {
            let mut parts = parts(path);
            wanted.iter().all(|wanted| match (wanted, parts.next()) {
                (Part::Exact(wanted), Some(part)) => **wanted == *part,
                (Part::Pattern(glob), Some(part)) => glob.matches(part),
                (_, None) => false,
            })
        })
    }
}

/// The parts of a path; empty ones do not count.
fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::Paths;

    #[test]
    fn fits_below() {
        let paths = Paths::new([b"/var/run".as_slice(), b"/etc/", b"/usr/*/bin"]);
        for (path, fits) in [
            ("/var/run", true),
            ("/var/run/docker", true),
            ("/var/running", false),
            ("/var", false),
            ("/etc", true),
            ("/etc//passwd", true),
            ("/boot", false),
            ("/usr/local/bin/x", true),
            ("/usr/bin", false),
            ("", false),
        ] {
            assert_eq!(paths.above(path.as_bytes()), fits, "{path}");
        }
        assert!(Paths::new([b"/".as_slice()]).above(b"/anything"));
    }
}
