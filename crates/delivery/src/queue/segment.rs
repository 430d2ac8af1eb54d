//! One file of a queue on disk: records one behind the other, each with its length and a checksum.
//!
//! | Bytes | Meaning |
//! |---|---|
//! | 4 | length of the payload, little-endian |
//! | 4 | CRC-32 of the payload, little-endian |
//! | … | payload: the alert as JSON |

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::alert::Alert;
use crate::frame;

/// Bytes before the payload.
const HEADER: usize = 8;
/// The largest payload, in bytes. An alert was a frame, and what was escaped in it since then has grown: a byte to seven at most.
const LIMIT: usize = 8 * frame::LIMIT;

/// What a segment's file is called.
pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:020}.queue"))
}

/// The number in a file's name, if it is a segment's.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".queue").filter(|digits| digits.len() == 20)?;
    digits
        .bytes()
        .all(|digit| digit.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

/// Opens a file of the queue that only the agent reads. A link in its place is refused.
pub(super) fn open(path: &Path, create: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(create)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
        .open(path)
}

/// The record of an alert.
pub(super) fn record(alert: &Alert) -> io::Result<Vec<u8>> {
    let mut record = vec![0; HEADER];
    serde_json::to_writer(&mut record, alert)?;
    let (header, payload) = record.split_at_mut(HEADER);
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4..].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    Ok(record)
}

/// The record at an offset: its payload, if the checksum is right, and where the next one begins.
pub(super) fn read(file: &File, offset: u64, end: u64) -> io::Result<Option<(Vec<u8>, u64)>> {
    let Some(length) = length(file, offset, end)? else {
        return Ok(None);
    };
    let mut record = vec![0; HEADER + length];
    file.read_exact_at(&mut record, offset)?;
    let payload = record.split_off(HEADER);
    let sum = crc32fast::hash(&payload).to_le_bytes();
    let next = offset + (HEADER + length) as u64;
    Ok((record[4..] == sum).then_some((payload, next)))
}

/// How many records there are from an offset on, and where the last good one ends. Checksums are looked at where `thorough`.
pub(super) fn count(file: &File, from: u64, end: u64, thorough: bool) -> io::Result<(u64, u64)> {
    let (mut records, mut offset) = (0, from);
    while offset < end {
        let next = match thorough {
            true => read(file, offset, end)?.map(|(_, next)| next),
            false => length(file, offset, end)?.map(|length| offset + (HEADER + length) as u64),
        };
        let Some(next) = next else { break };
        records += 1;
        offset = next;
    }
    Ok((records, offset))
}

/// The length of the payload at an offset, if a record of that length fits before the end.
fn length(file: &File, offset: u64, end: u64) -> io::Result<Option<usize>> {
    if offset + HEADER as u64 > end {
        return Ok(None);
    }
    let mut length = [0; 4];
    file.read_exact_at(&mut length, offset)?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    // Zeros are no records: a file whose length reached the disk before its contents did ends in them, and they are their own checksum.
    let fits = (1..=LIMIT).contains(&length) && offset + (HEADER + length) as u64 <= end;
    Ok(fits.then_some(length))
}
