//! The image of a container of Docker or podman: the name that was asked for, and what the image store adds to it.
//!
//! A container keeps the words with which it was started. Those may be a name, an id, or the beginning of one, which
//! looks like a name; only the image's own record tells them apart.

use std::collections::BTreeSet;
use std::time::Instant;

use serde::Deserialize;

use super::Labels;
use crate::container::connection::CallError;
use crate::container::http::HttpClient;
use crate::container::image::{Reference, bare_digest};
use crate::container::outcome::{Image, Reason};
use crate::container::trace::{self, Note};

/// An image's record, `GET /images/<id>/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Record {
    /// `null` where there are none (moby/moby#45556).
    repo_tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
    config: Option<Config>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    labels: Labels,
}

impl Record {
    /// The labels that every container of the image has.
    pub(super) fn into_labels(self) -> Labels {
        self.config?.labels
    }

    fn tags(&self) -> impl Iterator<Item = &str> {
        self.repo_tags.iter().flatten().map(String::as_str)
    }

    fn digests(&self) -> impl Iterator<Item = &str> {
        self.repo_digests.iter().flatten().map(String::as_str)
    }
}

/// Asks for the record of the image with this id, `sha256:<hex>` or `<hex>`. `None`: it has been removed, or the id is none.
pub(super) async fn record(client: &HttpClient, id: &str, deadline: Instant) -> Result<Option<Record>, CallError> {
    let Some(id) = bare_digest(id) else {
        return Ok(None);
    };
    match client.get(&format!("/images/{id}/json"), deadline).await {
        Ok(record) => Ok(Some(record)),
        Err(error) if error.not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// How many names from the store a note has.
const NAMES_NOTED: usize = 16;

/// What a container says about its image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The words with which it was started.
    pub(super) words: &'a str,
    /// What the engine calls the image's id.
    pub(super) id: &'a str,
    /// The digest, where the container's own record has it.
    pub(super) digest: Option<&'a str>,
    /// The engine keeps its images in containerd: the id then is the digest of the index or manifest.
    pub(super) id_is_digest: bool,
}

/// The image, and the reason if a name is missing because the store could not be asked.
pub(super) async fn complete(client: &HttpClient, asked: Asked<'_>, deadline: Instant) -> (Image, Option<Reason>) {
    let enough = is_name(&asked, None) && (asked.digest.is_some() || asked.id_is_digest || asked.words.contains('@'));
    if enough {
        return (choose(&asked, None), None);
    }
    match record(client, asked.id, deadline).await {
        Ok(record) => (choose(&asked, record.as_ref()), None),
        Err(error) => {
            tracing::debug!(%error, "the image of a container is not known");
            let image = choose(&asked, None);
            let gap = image.reference.is_none().then(|| error.reason());
            (image, gap)
        }
    }
}

/// Chooses, as [`crate::container::image::choose`] does: the words first, then a name in the store.
fn choose(asked: &Asked<'_>, record: Option<&Record>) -> Image {
    let id = bare_digest(asked.id);
    let mut image = Image::default();
    if asked.id_is_digest {
        image.digest = id;
    } else {
        image.id = id;
        image.digest = asked.digest.map(str::to_owned);
    }
    if is_name(asked, record) {
        image.name(asked.words);
    } else if let Some(record) = record {
        // A tag only when there is no doubt which one: the image may have been tagged again since.
        let tags: Vec<&str> = record.tags().collect();
        let name = match tags.as_slice() {
            [tag] => Some(*tag),
            _ => record.digests().next(),
        };
        if let Some(name) = name {
            image.name(name);
        }
    }
    trace::note(|| {
        let stored = record
            .into_iter()
            .flat_map(|record| record.tags().chain(record.digests()));
        let stored = stored.take(NAMES_NOTED).map(|name| ("the engine's image store", name));
        let names: Vec<_> = std::iter::once(("the words it was started with", asked.words))
            .chain(stored)
            .collect();
        Note::Image {
            chosen: names
                .iter()
                .position(|(_, name)| Some(*name) == image.reference.as_deref()),
            names: names
                .into_iter()
                .map(|(place, name)| (place, trace::bounded(name)))
                .collect(),
        }
    });
    if image.digest.is_none() {
        image.digest = record.and_then(|record| digest_of(image.repository.as_deref(), record));
    }
    image
}

/// The digest under which the image was taken from its repository. The store lists those of all repositories that the
/// image has a name in, in any order.
fn digest_of(repository: Option<&str>, record: &Record) -> Option<String> {
    let all = || record.digests().filter_map(Reference::parse);
    let of_repository = all().filter(|listed| Some(listed.repository) == repository);
    let only = |digests: BTreeSet<&str>| match digests.len() {
        1 => digests.first().map(|digest| (*digest).to_owned()),
        _ => None,
    };
    only(of_repository.filter_map(|listed| listed.digest).collect())
        .or_else(|| only(all().filter_map(|listed| listed.digest).collect()))
}

/// Whether the words are a name, and not an id or the beginning of one.
fn is_name(asked: &Asked<'_>, record: Option<&Record>) -> bool {
    let words = asked.words;
    if words.starts_with("sha256:") || Reference::parse(words).is_none() {
        return false;
    }
    let hex = asked.id.strip_prefix("sha256:").unwrap_or(asked.id);
    if !hex.starts_with(words) {
        return true;
    }
    // An image called `db` may have an id that begins with `db`: then its name is in the store.
    let names = record
        .into_iter()
        .flat_map(|record| record.tags().chain(record.digests()));
    names
        .filter_map(Reference::parse)
        .any(|name| name.repository == words || name.repository.ends_with(&format!("/{words}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "sha256:dbc4b032b1e0c83c5210ea9ff512f475e06a25e72c4c1f23261bc4874d167111";
    const ONE: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
    const TWO: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

    fn asked(words: &str) -> Asked<'_> {
        Asked {
            words,
            id: ID,
            digest: None,
            id_is_digest: false,
        }
    }

    fn record(tags: &[&str], digests: &[&str]) -> Record {
        let owned = |all: &[&str]| Some(all.iter().map(|&name| name.to_owned()).collect());
        Record {
            repo_tags: owned(tags),
            repo_digests: owned(digests),
            config: None,
        }
    }

    #[test]
    fn the_beginning_of_an_id_is_no_name_unless_the_store_says_so() {
        let web = record(&["host:5000/web:1"], &[]);
        for words in ["dbc4b032b1e0", "db", ID, &ID[7..], "sha256:dbc4", ""] {
            assert_eq!(
                choose(&asked(words), Some(&web)).reference.as_deref(),
                Some("host:5000/web:1"),
                "{words}"
            );
            assert_eq!(choose(&asked(words), None).reference, None, "{words}");
        }
        let db = record(&["db:latest"], &[]);
        assert_eq!(choose(&asked("db"), Some(&db)).reference.as_deref(), Some("db"));
        let long = record(&["docker.io/library/db:latest"], &[]);
        assert_eq!(choose(&asked("db"), Some(&long)).reference.as_deref(), Some("db"));
    }

    #[test]
    fn the_digest_is_that_of_the_repository_that_was_asked_for() {
        let digest = |words: &str, digests: &[&str]| choose(&asked(words), Some(&record(&[], digests))).digest;
        let (other, web) = (format!("host/other@{ONE}"), format!("host/web@{TWO}"));
        assert_eq!(digest("host/web:1", &[&other, &web]).as_deref(), Some(TWO));
        // Docker writes its own hub's names short.
        let short = format!("busybox@{ONE}");
        assert_eq!(digest("docker.io/library/busybox:1", &[&short]).as_deref(), Some(ONE));
        // Which of two other names' digests it was cannot be told.
        assert_eq!(digest("host/third:1", &[&other, &web]), None);
        assert_eq!(digest("host/web:1", &[]), None);
    }

    #[test]
    fn several_tags_are_no_name() {
        let tagged = record(&["a:1", "b:1"], &[]);
        assert_eq!(choose(&asked(ID), Some(&tagged)).reference, None);
        let digest = format!("a@{ONE}");
        let tagged = record(&["a:1", "b:1"], &[&digest]);
        let image = choose(&asked(ID), Some(&tagged));
        assert_eq!((image.repository.as_deref(), image.tag), (Some("a"), None));
        assert_eq!(image.digest.as_deref(), Some(ONE));
    }

    #[test]
    fn an_id_in_containerds_store_is_a_digest() {
        let stored = Asked {
            id_is_digest: true,
            ..asked("web:1")
        };
        let image = choose(&stored, None);
        assert_eq!((image.digest.as_deref(), image.id), (Some(ID), None));
        let by_digest = format!("web@{ONE}");
        let stored = Asked {
            words: &by_digest,
            ..stored
        };
        assert_eq!(choose(&stored, None).digest.as_deref(), Some(ONE));
    }
}
