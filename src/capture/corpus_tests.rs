//! The fuzzer's corpus, `fuzz/corpus/wire`: records of this format, taken from a real ring.
//!
//! What a machine is called and who started the recording is nobody's business: only records of a shell with no other
//! ancestor than the machine's first process get in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Capture, Options};
use crate::capture::record::{Body, Content};
use crate::capture::wire::COMM_SIZE;
use crate::capture::{Flows, Hook, HookSet, Record};
use crate::config::settings::BackendChoice;

/// What the fuzzer found and somebody kept begins with this; everything else is written anew.
const KEPT: &str = "found-";
/// Records that follow each other in one file together have at most this many bytes.
const LIFE: usize = 16 * 1024;

/// A life of every kind of record that costs the machine nothing. In a shell that was there before the hooks.
const SCRIPT: &str = r#"
mkdir /tmp/pinhole-corpus && cd /tmp/pinhole-corpus || exit 1
busybox cat /etc/hostname /no/such/file
busybox true "$(printf 'not \377 utf-8')" '' two\ words
busybox touch one; busybox ln -s one two; busybox ln one three; busybox mv three four; busybox rm one two four
busybox mkdir -p a/b/c; busybox chmod 700 a; busybox chown 1:1 a; busybox rmdir a/b/c; busybox rm -r a
exec 3>gone; busybox rm gone; busybox cat /proc/self/fd/3; exec 3>&-
busybox nc -w 1 127.0.0.1 9; busybox nc -w 1 ::1 9; busybox nc local:/no/such/socket
busybox mount -t none none /no/such; busybox umount /no/such; busybox chroot / /no/such; busybox rmmod no-such
(busybox setsid busybox sh -c 'kill -9 $$'); (exit 3)
for hierarchy in pids memory cpu .; do
    at=/sys/fs/cgroup/$hierarchy/pinhole-corpus
    busybox mkdir $at && busybox rmdir $at && break
done
cd / && busybox rmdir /tmp/pinhole-corpus
exit 0
"#;

/// How long the shell may take for it.
const DEADLINE: Duration = Duration::from_secs(30);

fn corpus() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fuzz/corpus/wire"].iter().collect()
}

/// A shell that waits for its script. It outlives who started it, so its only ancestor is the machine's first process.
fn waiting_shell() -> (u32, ChildStdin) {
    let mut starter = Command::new("busybox")
        .args(["sh", "-c", "exec 3<&0; busybox sh <&3 3<&- >/dev/null 2>&1 & echo $!"])
        .current_dir("/")
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("busybox is installed (package busybox-static)");
    let script = starter.stdin.take().unwrap();
    let mut pid = String::new();
    BufReader::new(starter.stdout.take().unwrap())
        .read_line(&mut pid)
        .unwrap();
    assert!(starter.wait().unwrap().success());
    (pid.trim().parse().unwrap(), script)
}

/// A task's name as records carry it.
fn padded(name: &[u8]) -> [u8; COMM_SIZE] {
    let mut padded = [0; COMM_SIZE];
    let name = name.trim_ascii_end();
    padded[..name.len()].copy_from_slice(name);
    padded
}

/// The records of the shell and of all below it, until it ends.
fn records_of_a_life() -> Vec<(Hook, u32, Vec<u8>)> {
    let (shell, mut script) = waiting_shell();
    let hooks = (0..).map_while(Hook::from_wire).fold(HookSet::BASE, HookSet::with);
    let mut capture = Capture::start(&Options {
        backend: BackendChoice::Auto,
        ring_size: 8 << 20,
        processes: 4096,
        hooks,
        flows: Flows::First,
    })
    .unwrap();
    script.write_all(SCRIPT.as_bytes()).unwrap();
    drop(script);
    // What the first process of this machine is called is replaced, too.
    let (first, plain) = (padded(&fs::read("/proc/1/comm").unwrap()), padded(b"init"));
    let mut family = BTreeSet::from([shell]);
    let mut records = Vec::new();
    let deadline = Instant::now() + DEADLINE;
    loop {
        assert!(Instant::now() < deadline, "the shell ends");
        let Some(bytes) = capture.ring.next() else {
            std::thread::yield_now();
            continue;
        };
        let record = Record::decode(&bytes).unwrap();
        let pid = record.header.process.pid;
        if !family.contains(&pid) {
            continue;
        }
        if let Content::Process(Body::Fork { child, .. }) = record.content {
            family.insert(child.pid);
        }
        let mut copy = bytes.to_vec();
        if first != plain {
            while let Some(at) = copy.windows(COMM_SIZE).position(|window| window == first) {
                copy[at..at + COMM_SIZE].copy_from_slice(&plain);
            }
        }
        let ended = record.header.hook == Hook::EXIT && pid == shell;
        records.push((record.header.hook, pid, copy));
        if ended {
            return records;
        }
    }
}

/// For each kind the shortest and the longest record, and all of the process that has most kinds, one after the other.
#[test]
#[ignore = "writes the corpus; as root: `just fuzz-corpus`"]
fn write_the_corpus() {
    let records = records_of_a_life();
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut lives: BTreeMap<u32, (BTreeSet<&str>, Vec<u8>)> = BTreeMap::new();
    for (hook, pid, bytes) in &records {
        for (which, better) in [
            ("shortest", usize::lt as fn(&usize, &usize) -> bool),
            ("longest", usize::gt),
        ] {
            let kept = files.entry(format!("{}-{which}", hook.name())).or_default();
            if kept.is_empty() || better(&bytes.len(), &kept.len()) {
                kept.clone_from(bytes);
            }
        }
        let (kinds, life) = lives.entry(*pid).or_default();
        if life.len() + bytes.len() <= LIFE {
            kinds.insert(hook.name());
            life.extend_from_slice(bytes);
        }
    }
    let sizes: BTreeMap<String, usize> = files.iter().map(|(name, bytes)| (name.clone(), bytes.len())).collect();
    files.retain(|name, bytes| {
        let shortest = name.strip_suffix("longest").map(|hook| format!("{hook}shortest"));
        shortest.is_none_or(|shortest| sizes[&shortest] < bytes.len())
    });
    let fullest = lives.into_values().max_by_key(|(kinds, _)| kinds.len());
    files.insert("life".to_owned(), fullest.unwrap().1);

    let corpus = corpus();
    fs::create_dir_all(&corpus).unwrap();
    for entry in fs::read_dir(&corpus).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_name().to_string_lossy().starts_with(KEPT) {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    for (name, bytes) in files {
        fs::write(corpus.join(name), bytes).unwrap();
    }
}

/// Whoever changes the format records anew: a corpus of another format teaches the fuzzer nothing.
#[test]
fn the_corpus_is_of_this_format() {
    let mut kinds = BTreeSet::new();
    for entry in fs::read_dir(corpus()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(KEPT) {
            continue;
        }
        let file = fs::read(entry.path()).unwrap();
        let mut rest = &*file;
        while let Some(size) = rest.first_chunk() {
            let (one, more) = rest
                .split_at_checked(u32::from_ne_bytes(*size) as usize)
                .unwrap_or_else(|| panic!("{name}: a record is longer than its file; see `just fuzz-corpus`"));
            // The ring keeps records at multiples of eight, and so does this copy.
            let record = one.to_vec();
            let record = Record::decode(&record).unwrap_or_else(|error| panic!("{name}: {error}"));
            kinds.insert(record.header.hook.name());
            rest = more;
        }
        assert!(rest.is_empty(), "{name} is of whole records");
    }
    for hook in HookSet::ALWAYS.iter() {
        assert!(kinds.contains(hook.name()), "no {} in {kinds:?}", hook.name());
    }
    // Beside these there are system calls.
    assert!(kinds.len() > HookSet::ALWAYS.iter().count(), "{kinds:?}");
}
