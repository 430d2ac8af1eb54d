//! Bounded reading of manifests: YAML or JSON, several documents in a file, lists of objects in a document.
//!
//! A manifest may come from anywhere, so every dimension has a budget: bytes, documents, depth, nodes, and how much aliases
//! may repeat. Real manifests stay far below: the largest ones in the field (bundles of custom resource definitions) have
//! about 2 MB and 40 levels.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::node::{Malformed, Node};
use super::object::{Objects, Source};

/// Of one file.
pub const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Documents of one file, and objects, lists counted by their items.
pub const MAX_OBJECTS: usize = 4096;
/// Levels of a document.
const MAX_DEPTH: usize = 100;
/// Mappings, lists and scalars of a document.
const MAX_NODES: usize = 200_000;
/// What aliases may repeat; manifests hardly use any.
const MAX_REPLAYED: usize = 20_000;

/// Why a manifest was not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is larger than any manifest.
    #[error("{}: has more than {MAX_BYTES} bytes", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// The file holds more objects than are read.
    #[error("{}: has more than {MAX_OBJECTS} documents or objects", file.display())]
    TooMany {
        /// The file.
        file: PathBuf,
    },
    /// No YAML, no JSON, or beyond a budget.
    #[error("{}: document {document}: {cause}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// Which of the file's documents, from 1.
        document: usize,
        /// What the parser says, with line and column.
        cause: String,
    },
    /// Well formed, and no object of Kubernetes.
    #[error("{}: document {document}: {source}", file.display())]
    Object {
        /// The file.
        file: PathBuf,
        /// Which of the file's documents, from 1.
        document: usize,
        /// Where, and what is wrong.
        source: Malformed,
    },
}

/// Reads a file of manifests; `-` is standard input.
///
/// # Errors
/// See [`Error`]; nothing of a file that is wrong somewhere is taken.
pub fn read(file: &Path) -> Result<Objects, Error> {
    parse(file, &bytes(file)?)
}

/// What a file holds, bounded; `-` is standard input.
///
/// # Errors
/// [`Error::Read`]. What is too large is cut off here and refused by [`values`].
pub fn bytes(file: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read {
        file: file.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let limit = MAX_BYTES + 1;
    if file == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        File::open(file)
            .map_err(failed)?
            .take(limit)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
    }
    Ok(bytes)
}

/// Reads the text of a file; `file` is for messages and sources.
///
/// # Errors
/// See [`Error`].
pub fn parse(file: &Path, bytes: &[u8]) -> Result<Objects, Error> {
    sort(&values(file, bytes)?)
}

/// The objects of a file as they are written, each with where it stands: for whoever has to say what is to be changed in
/// them. They hold everything that the file holds, secrets too: it is for the caller to keep no more than it needs.
///
/// # Errors
/// See [`Error`].
pub fn values(file: &Path, bytes: &[u8]) -> Result<Vec<(Source, Value)>, Error> {
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(Error::TooLarge { file: file.to_owned() });
    }
    let mut found = Vec::new();
    for (index, value) in documents(file, bytes)?.into_iter().enumerate() {
        let source = Source {
            file: file.to_owned(),
            document: index + 1,
            path: String::new(),
        };
        flatten(value, source, &mut found)?;
        if found.len() > MAX_OBJECTS {
            return Err(Error::TooMany { file: file.to_owned() });
        }
    }
    Ok(found)
}

/// Sorts objects by what they are for.
///
/// # Errors
/// [`Error::Object`] for the first that is no object of its kind.
pub fn sort(values: &[(Source, Value)]) -> Result<Objects, Error> {
    let mut objects = Objects::default();
    for (source, value) in values {
        objects
            .take(&Node::root(value, source.path.clone()), source.clone())
            .map_err(|malformed| wrong(source, malformed))?;
    }
    Ok(objects)
}

fn wrong(source: &Source, malformed: Malformed) -> Error {
    Error::Object {
        file: source.file.clone(),
        document: source.document,
        source: malformed,
    }
}

/// The documents of a file, empty ones left in as null so that the numbers stay those of the file.
fn documents(file: &Path, bytes: &[u8]) -> Result<Vec<Value>, Error> {
    let syntax = |document: usize, cause: String| Error::Syntax {
        file: file.to_owned(),
        document,
        cause,
    };
    // JSON allows tabs for indentation, which YAML does not; serde_json stops at 128 levels by itself.
    if bytes.trim_ascii_start().first() == Some(&b'{')
        && let Ok(value) = serde_json::from_slice(bytes)
    {
        return Ok(vec![value]);
    }
    let mut found = Vec::new();
    let mut text = bytes;
    for (index, document) in serde_saphyr::read_with_options::<_, Value>(&mut text, options()).enumerate() {
        // The parser's budget is one per document.
        if index == MAX_OBJECTS {
            return Err(Error::TooMany { file: file.to_owned() });
        }
        // The parser's message may go over several lines; what is wrong stands in the first.
        let value = document.map_err(|error| {
            let cause = error.to_string();
            syntax(index + 1, cause.lines().next().unwrap_or("unreadable").to_owned())
        })?;
        found.push(value);
    }
    Ok(found)
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(4 * 1024 * 1024),
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 2 * MAX_NODES,
            max_aliases: 1000,
            max_anchors: 1000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_REPLAYED,
            max_replay_stack_depth: 16,
            max_alias_expansions_per_anchor: 1000,
        },
        // A message must not quote the file: it may hold secrets.
        with_snippet: false,
        // As Kubernetes: yes and no are strings.
        strict_booleans: true,
    }
}

/// Adds each object; a `List` (or `PodList` and so on, as kubectl prints them) stands for its items.
fn flatten(value: Value, source: Source, found: &mut Vec<(Source, Value)>) -> Result<(), Error> {
    let node = Node::root(&value, String::new());
    if node.is_empty() {
        return Ok(());
    }
    let kind = node.required("kind").map_err(|malformed| wrong(&source, malformed))?;
    if kind.ends_with("List")
        && node
            .get("items")
            .map_err(|malformed| wrong(&source, malformed))?
            .is_some()
    {
        // A list in a list is nothing that the API has: its items are objects.
        for item in node.items("items").map_err(|malformed| wrong(&source, malformed))? {
            let path = item.path().to_owned();
            found.push((Source { path, ..source.clone() }, item.value().clone()));
        }
        return Ok(());
    }
    found.push((source, value));
    Ok(())
}
