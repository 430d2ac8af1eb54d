use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::{Beginning, kind};
use super::*;
use crate::capture::{Content, Hook, Record};
use crate::container::Outcome;

/// Records as a real kernel wrote them into the ring, one after the other: the fuzzer's corpus.
fn records() -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/wire");
    let mut files: Vec<PathBuf> = std::fs::read_dir(corpus)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut records = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).unwrap();
        let mut rest = &bytes[..];
        while let Some(size) = rest.first_chunk().map(|size| u32::from_ne_bytes(*size) as usize) {
            let (one, more) = rest.split_at(size.clamp(4, rest.len()));
            let one = one.to_vec();
            if matches!(
                Record::decode(&one),
                Ok(Record {
                    content: Content::Process(_),
                    ..
                })
            ) {
                records.push(one);
            }
            rest = more;
        }
    }
    assert!(records.len() > 20, "{}", records.len());
    records
}

fn outcome(cgroup_id: u64) -> Arc<Outcome> {
    Arc::new(Outcome::cgroup_unknown(cgroup_id))
}

fn id(record: &[u8]) -> u64 {
    Record::decode(record).unwrap().header.cgroup_id
}

/// Everything in a file, and the bytes of the file.
fn recorded(records: &[Vec<u8>], limit: u64) -> Vec<u8> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("recording");
    let mut recorder = Recorder::create(&path, limit, "node-1", 7).unwrap();
    let mut known = std::collections::HashMap::new();
    for record in records {
        let outcome = known.entry(id(record)).or_insert_with_key(|id| outcome(*id));
        recorder.take(record, id(record), outcome);
    }
    recorder.clock(8);
    recorder.take(&records[0], id(&records[0]), &known[&id(&records[0])]);
    recorder.flush();
    std::fs::read(path).unwrap()
}

type Taken = (Vec<u8>, i64, Arc<Outcome>);

fn read(bytes: &[u8]) -> Result<Vec<Taken>, Error> {
    let mut taken = Vec::new();
    Reader::new(Cursor::new(bytes))?.each(|record, boot, outcome_of| {
        let outcome = outcome_of(record.header.cgroup_id);
        taken.push((record.raw.to_vec(), boot, outcome));
    })?;
    Ok(taken)
}

#[test]
fn what_is_read_is_what_was_written() {
    let records = records();
    let taken = read(&recorded(&records, u64::MAX)).unwrap();
    assert_eq!(taken.len(), records.len() + 1);
    for ((raw, boot, told), record) in taken.iter().zip(&records) {
        assert_eq!((raw, *boot), (record, 7));
        assert_eq!(**told, *outcome(id(record)));
    }
    assert_eq!(taken.last().unwrap().1, 8, "the clock was set");
}

#[test]
fn a_recording_ends_at_its_limit_and_is_read_to_where_it_was_cut() {
    let records = records();
    let whole = recorded(&records, u64::MAX);
    let limit = whole.len() / 2;
    let cut = recorded(&records, limit as u64);
    assert!(cut.len() <= limit && cut.len() > limit / 2, "{} of {limit}", cut.len());
    assert_eq!(cut, whole[..cut.len()]);
    assert!(!read(&cut).unwrap().is_empty());
    let line = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for length in (line..whole.len()).step_by(97) {
        assert!(read(&whole[..length]).unwrap().len() <= records.len());
    }
    let is_cut = |bytes: &[u8]| {
        let mut reader = Reader::new(Cursor::new(bytes)).unwrap();
        reader.each(|_, _, _| {}).unwrap();
        reader.is_cut()
    };
    assert!(!is_cut(&whole) && !is_cut(&cut) && !is_cut(&whole[..line]));
    for missing in [1, 7, 9] {
        assert!(is_cut(&whole[..whole.len() - missing]), "{missing} bytes");
    }
    assert!(is_cut(&whole[..line + 3]));
}

#[test]
fn what_is_no_recording_or_a_broken_one_is_refused() {
    let records = records();
    let whole = recorded(&records, u64::MAX);
    let line = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let refused = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    for nothing in [&b""[..], b"- rule: x\n", &[0; 100_000]] {
        assert!(refused(nothing).contains("no recording"), "{}", refused(nothing));
    }
    let mut beginning: Beginning = serde_json::from_slice(&whole[..line]).unwrap();
    beginning.wire += 1;
    let foreign = [serde_json::to_vec(&beginning).unwrap(), b"\n".to_vec()].concat();
    assert!(refused(&foreign).contains("record anew"));
    for (head, said) in [
        ([8_u32, 77], "unknown kind 77"),
        ([u32::MAX, kind::RECORD], "a frame of 4294967295 bytes"),
        ([2, kind::OUTCOME], "without a cgroup"),
        ([2, kind::RECORD], "without a hook"),
    ] {
        let head: Vec<u8> = head.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let broken = [&whole[..line], &head, &[1; 16]].concat();
        assert!(refused(&broken).contains(said), "{}", refused(&broken));
        assert!(
            refused(&broken).contains(&format!("{line} bytes from")),
            "{}",
            refused(&broken)
        );
    }
}

#[test]
fn a_build_that_numbers_hooks_otherwise_is_understood() {
    let records = records();
    let whole = recorded(&records, u64::MAX);
    let line = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut beginning: Beginning = serde_json::from_slice(&whole[..line]).unwrap();
    let [connect, openat] = ["connect", "openat"].map(|name| Hook::of_call(name).unwrap());
    // What was openat there is connect here, and what was connect is not known at all.
    beginning.hooks.swap(connect.index(), openat.index());
    beginning.hooks[connect.index()] = "of-another-build".to_owned();
    let other = [&serde_json::to_vec(&beginning).unwrap()[..], b"\n", &whole[line..]].concat();
    let hooks = |bytes: &[u8]| -> Vec<Hook> {
        let taken = read(bytes).unwrap();
        taken
            .iter()
            .map(|(raw, ..)| Record::decode(raw).unwrap().header.hook)
            .collect()
    };
    let (before, after) = (hooks(&whole), hooks(&other));
    let count = |hooks: &[Hook], wanted| hooks.iter().filter(|hook| **hook == wanted).count();
    assert!(count(&before, connect) > 0 && count(&before, openat) > 0);
    assert_eq!(count(&after, openat), 0);
    assert_eq!(count(&after, connect), count(&before, openat));
    assert_eq!(after.len(), before.len() - count(&before, connect));
}
