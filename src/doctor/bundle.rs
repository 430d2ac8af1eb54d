//! A bundle: one tar file with a report and what explains it, to be handed to whoever helps. Files are handed in as bytes; this
//! module decides what fits, says so in a manifest, and writes the same bytes for the same content: fixed order, the report's
//! time, no owner.

use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

/// The directory within the archive.
const DIRECTORY: &str = "pinhole-doctor";
/// The name of the list of the others.
pub const MANIFEST: &str = "manifest.json";
/// Longest file of a bundle, in bytes.
pub const MAX_FILE_BYTES: u64 = 4 << 20;
/// What the archive may take where nobody says otherwise, in bytes.
pub const MAX_BYTES: u64 = 16 << 20;
/// Smaller than this no bundle is: two headers, the manifest, the end.
pub const MIN_BYTES: u64 = 16 << 10;
/// tar(5): headers, contents and the end are whole blocks of this size.
const BLOCK: u64 = 512;

/// A file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: &'static str,
    /// What it holds, for the manifest.
    pub about: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// What does not go in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The file.
    pub name: &'static str,
    /// Why: it could not be had, or is too large.
    pub reason: String,
}

/// A bundle, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The files, the manifest first.
    pub files: Vec<File>,
    /// What is left out.
    pub left_out: Vec<LeftOut>,
    /// Of all files, in seconds since the epoch.
    mtime: u64,
}

#[derive(Serialize)]
struct Manifest<'a> {
    schema_version: u32,
    /// When the examination began.
    time: &'a str,
    agent_version: &'static str,
    redacted: bool,
    files: Vec<Line>,
    left_out: &'a [LeftOut],
}

#[derive(Serialize)]
struct Line {
    name: &'static str,
    about: &'static str,
    bytes: usize,
    sha256: String,
}

impl Bundle {
    /// Packs what fits into `max` bytes, in the order given. `time` is the report's, RFC 3339.
    ///
    /// # Errors
    /// Never in practice: the manifest holds nothing that JSON cannot.
    pub fn pack(
        files: Vec<File>,
        mut left_out: Vec<LeftOut>,
        time: &str,
        redacted: bool,
        max: u64,
    ) -> Result<Self, serde_json::Error> {
        // The manifest itself has room for every file in it, whether or not it goes in.
        let mut room = max.saturating_sub(2 * BLOCK + MIN_BYTES / 2);
        let mut kept: Vec<File> = Vec::new();
        for file in files {
            let size = file.bytes.len() as u64;
            let taken = BLOCK + size.next_multiple_of(BLOCK);
            if size > MAX_FILE_BYTES {
                left_out.push(LeftOut {
                    name: file.name,
                    reason: format!("{size} bytes, more than {MAX_FILE_BYTES} for one file"),
                });
            } else if taken > room {
                left_out.push(LeftOut {
                    name: file.name,
                    reason: format!("{size} bytes, more than is left of {max}"),
                });
            } else {
                room -= taken;
                kept.push(file);
            }
        }
        let manifest = Manifest {
            schema_version: 1,
            time,
            agent_version: env!("CARGO_PKG_VERSION"),
            redacted,
            files: kept.iter().map(line).collect(),
            left_out: &left_out,
        };
        let manifest = File {
            name: MANIFEST,
            about: "this list",
            bytes: (serde_json::to_string_pretty(&manifest)? + "\n").into_bytes(),
        };
        kept.insert(0, manifest);
        let mtime = time
            .parse::<jiff::Timestamp>()
            .map_or(0, |time| u64::try_from(time.as_second()).unwrap_or(0));
        Ok(Self {
            files: kept,
            left_out,
            mtime,
        })
    }

    /// Bytes of the archive.
    #[must_use]
    pub fn size(&self) -> u64 {
        let of = |file: &File| BLOCK + (file.bytes.len() as u64).next_multiple_of(BLOCK);
        self.files.iter().map(of).sum::<u64>() + 2 * BLOCK
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// The writer's.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut archive = Builder::new(out);
        for file in &self.files {
            let mut header = Header::new_ustar();
            header.set_entry_type(EntryType::Regular);
            header.set_size(file.bytes.len() as u64);
            header.set_mode(0o600);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(self.mtime);
            archive.append_data(&mut header, format!("{DIRECTORY}/{}", file.name), file.bytes.as_slice())?;
        }
        archive.into_inner()?.flush()
    }
}

fn line(file: &File) -> Line {
    Line {
        name: file.name,
        about: file.about,
        bytes: file.bytes.len(),
        sha256: sha256(&file.bytes),
    }
}

/// The SHA-256 of some bytes, in hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
