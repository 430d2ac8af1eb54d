//! The image of a container: parsing references, and choosing the name that was asked for among the names that a
//! runtime offers.
//!
//! Runtimes answer with whatever name the image has at that moment: after another name of the same image was pulled,
//! containerd calls a running container after that one, and after the tag has moved it gives a digest only. So the name
//! from the pod's spec comes first, what was written down at creation second, the runtime's present opinion last.
//! Nothing is normalised: `busybox:1.36` stays that unless the runtime itself wrote `docker.io/library/busybox:1.36`.

use super::cgroup::is_container_id;
use super::outcome::Image;
use super::trace::{self, Note};

/// A reference taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    pub(crate) repository: &'a str,
    pub(crate) tag: Option<&'a str>,
    pub(crate) digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Takes `[registry[:port]/]path[:tag][@algorithm:hex]` apart. `None` for a bare id or digest, which names nothing.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        if text.is_empty() || bare_digest(text).is_some() {
            return None;
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) if !digest.is_empty() => (name, Some(digest)),
            Some(_) => return None,
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let last = name.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match name[last..].split_once(':') {
            Some((_, "")) => return None,
            Some((leaf, tag)) => (&name[..last + leaf.len()], Some(tag)),
            None => (name, None),
        };
        (!repository.is_empty() && !repository.ends_with('/')).then_some(Self {
            repository,
            tag,
            digest,
        })
    }
}

/// The id in `sha256:<hex>` or `<hex>`, with its algorithm.
pub(crate) fn bare_digest(text: &str) -> Option<String> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    is_container_id(hex).then(|| format!("sha256:{hex}"))
}

/// What the runtime says about an image, best name first, plus every place where its id may stand.
#[derive(Debug, Default)]
pub(crate) struct Hints<'a> {
    /// Names, from the one in the pod's spec to the runtime's present opinion. Empty ones and bare digests are skipped.
    pub(crate) names: &'a [&'a str],
    /// Where each of these stands, for whoever asks how the name was chosen.
    pub(crate) places: &'static [&'static str],
    /// `image_ref`: `repository@digest`, or the id once the registry's digest is forgotten.
    pub(crate) image_ref: &'a str,
    /// Where else an id may stand; whatever is no bare digest is skipped.
    pub(crate) ids: &'a [&'a str],
}

/// Chooses. The image has no `reference` when there is no name.
pub(crate) fn choose(hints: &Hints<'_>) -> Image {
    let resolved = Reference::parse(hints.image_ref);
    let mut image = Image {
        digest: resolved.and_then(|reference| reference.digest).map(str::to_owned),
        id: hints
            .ids
            .iter()
            .chain([&hints.image_ref])
            .find_map(|text| bare_digest(text)),
        ..Image::default()
    };
    // `image_ref` knows the repository even where no name was kept, though not the tag.
    let names = || hints.names.iter().copied().chain([hints.image_ref]);
    let chosen = names().position(|name| Reference::parse(name).is_some());
    trace::note(|| {
        let places =
            (0..hints.names.len()).map(|index| hints.places.get(index).copied().unwrap_or("the runtime's record"));
        let places = places.chain(["image_ref of the status"]);
        Note::Image {
            names: places.zip(names().map(trace::bounded)).collect(),
            chosen,
        }
    });
    if let Some(name) = chosen.and_then(|index| names().nth(index)) {
        image.name(name);
    }
    image
}

impl Image {
    /// Sets the name, and the digest where the name carries one: what was asked for beats what the runtime lists first.
    pub(crate) fn name(&mut self, name: &str) {
        let Some(reference) = Reference::parse(name) else {
            return;
        };
        self.reference = Some(name.to_owned());
        self.repository = Some(reference.repository.to_owned());
        self.tag = reference.tag.map(str::to_owned);
        if let Some(digest) = reference.digest {
            self.digest = Some(digest.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "be1fe060a1d6ceef358de51ed4b4097a7308393c37ed8b243b13c058f37b8e68";

    #[test]
    fn takes_references_apart() {
        let digest = format!("sha256:{HEX}");
        for (text, repository, tag, with_digest) in [
            ("busybox", "busybox", None, false),
            ("busybox:1.36", "busybox", Some("1.36"), false),
            (
                "docker.io/library/busybox:1.36",
                "docker.io/library/busybox",
                Some("1.36"),
                false,
            ),
            ("localhost:5000/name", "localhost:5000/name", None, false),
            ("host:5000/a/b:v1", "host:5000/a/b", Some("v1"), false),
            ("host:5000/a/b:v1@D", "host:5000/a/b", Some("v1"), true),
            ("host:5000/a/b@D", "host:5000/a/b", None, true),
            ("[::1]:5000/a:b", "[::1]:5000/a", Some("b"), false),
        ] {
            let text = text.replace('D', &digest);
            let expected = Reference {
                repository,
                tag,
                digest: with_digest.then_some(digest.as_str()),
            };
            assert_eq!(Reference::parse(&text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_names_nothing_is_no_reference() {
        for text in [
            "",
            HEX,
            &format!("sha256:{HEX}"),
            "@",
            &format!("@sha256:{HEX}"),
            "a@",
            "a:",
            "a/",
            "a/:b",
            ":b",
        ] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_first_real_name_wins_and_ids_are_normalised() {
        let image = choose(&Hints {
            names: &["", HEX, "host:5000/shop/web:2.7.1", "host/other:latest"],
            places: &[],
            image_ref: "host:5000/shop/web@sha256:aa",
            ids: &["", "not-an-id", HEX],
        });
        assert_eq!(image.reference.as_deref(), Some("host:5000/shop/web:2.7.1"));
        assert_eq!(image.repository.as_deref(), Some("host:5000/shop/web"));
        assert_eq!(image.tag.as_deref(), Some("2.7.1"));
        assert_eq!(image.digest.as_deref(), Some("sha256:aa"));
        assert_eq!(image.id, Some(format!("sha256:{HEX}")));
    }

    #[test]
    fn the_digest_that_was_asked_for_beats_the_one_that_is_listed() {
        let image = choose(&Hints {
            names: &["a/b:v1@sha256:asked"],
            places: &[],
            image_ref: "a/b@sha256:listed",
            ids: &[],
        });
        assert_eq!(image.digest.as_deref(), Some("sha256:asked"));
        assert_eq!(image.tag.as_deref(), Some("v1"));
    }

    #[test]
    fn without_any_name_only_digests_remain() {
        let image = choose(&Hints {
            names: &[HEX],
            places: &[],
            image_ref: HEX,
            ids: &[],
        });
        assert_eq!(
            image,
            Image {
                id: Some(format!("sha256:{HEX}")),
                ..Image::default()
            }
        );
        let image = choose(&Hints {
            names: &[],
            places: &[],
            image_ref: "a/b@sha256:cc",
            ids: &[],
        });
        assert_eq!(image.repository.as_deref(), Some("a/b"));
    }
}
