//! What the kernel says about the privileges of every thread of a process, from `/proc/<pid>/task/<tid>/status`.
//!
//! That file is world-readable, so this works for a process that is not dumpable (the agent itself after its start, or
//! any binary with file capabilities) and for processes of other users. It reads; it changes nothing.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Capabilities;

/// A status file is about 1.5 KiB; a process in 65,536 groups could make it longer, which nothing here needs.
const MAX_STATUS_BYTES: u64 = 64 * 1024;

/// More threads than any container or agent has; bounds the walk.
const MAX_THREADS: usize = 65_536;

/// How a thread is filtered (`Seccomp:` of the status file).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeccompMode {
    /// 0: not filtered.
    Disabled,
    /// 1: read, write, exit and sigreturn only.
    Strict,
    /// 2: one or more filters.
    Filter,
}

/// The privileges of one thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadStatus {
    /// Thread id, in the PID namespace of the `/proc` that was read.
    pub tid: u32,
    /// The thread's name, at most 15 bytes.
    pub name: String,
    /// How many threads its process has (`Threads`).
    pub threads: u32,
    /// Real, effective, saved and file-system user id.
    pub uid: [u32; 4],
    /// Real, effective, saved and file-system group id.
    pub gid: [u32; 4],
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// `CapInh`.
    pub inheritable: Capabilities,
    /// `CapPrm`.
    pub permitted: Capabilities,
    /// `CapEff`.
    pub effective: Capabilities,
    /// `CapBnd`.
    pub bounding: Capabilities,
    /// `CapAmb`.
    pub ambient: Capabilities,
    /// `NoNewPrivs`.
    pub no_new_privs: bool,
    /// `Seccomp`.
    pub seccomp: SeccompMode,
    /// `Seccomp_filters`, how many filters are stacked; kernels before 5.9 do not say it.
    pub seccomp_filters: Option<u32>,
}

/// Why the privileges of a process could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or directory could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// What was read.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A line that every supported kernel writes is missing.
    #[error("{field} is missing in the status of thread {tid}")]
    Missing {
        /// The thread.
        tid: u32,
        /// The name of the line.
        field: &'static str,
    },
    /// A line has a form that no kernel writes.
    #[error("{field} in the status of thread {tid} is unreadable: {value:?}")]
    Malformed {
        /// The thread.
        tid: u32,
        /// The name of the line.
        field: &'static str,
        /// What stands there.
        value: String,
    },
    /// The process has more threads than are looked at.
    #[error("process in {} has more than {MAX_THREADS} threads", path.display())]
    TooManyThreads {
        /// The task directory.
        path: PathBuf,
    },
}

/// Reads every thread of this process.
///
/// # Errors
/// See [`Error`].
pub fn own_threads() -> Result<Vec<ThreadStatus>, Error> {
    threads(Path::new("/proc/self/task"))
}

/// Reads the calling thread alone.
///
/// # Errors
/// See [`Error`].
pub fn own_thread() -> Result<ThreadStatus, Error> {
    let path = Path::new("/proc/thread-self/status");
    parse(nix::unistd::gettid().as_raw().unsigned_abs(), &read_bounded(path)?)
}

/// The status file of a thread, open for as long as this lives. It can be read again and again, and tells of the thread that it was
/// opened for even when the id has gone to another one.
#[derive(Debug)]
pub struct Held {
    tid: u32,
    file: File,
}

impl Held {
    /// What the file says now; `None` once the thread has ended.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn read(&self) -> Result<Option<ThreadStatus>, Error> {
        match self.read_all() {
            Ok(bytes) => parse(self.tid, &String::from_utf8_lossy(&bytes)).map(Some),
            Err(error) if is_gone(&error) => Ok(None),
            Err(source) => Err(Error::Read {
                path: format!("/proc/self/task/{}/status", self.tid).into(),
                source,
            }),
        }
    }

    fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(4096);
        let mut buffer = [0; 4096];
        while (bytes.len() as u64) < MAX_STATUS_BYTES {
            match self.file.read_at(&mut buffer, bytes.len() as u64)? {
                0 => break,
                length => bytes.extend_from_slice(&buffer[..length]),
            }
        }
        Ok(bytes)
    }
}

/// Opens the status of every thread of this process.
///
/// # Errors
/// See [`Error`].
pub fn hold_own_threads() -> Result<Vec<Held>, Error> {
    let mut held = Vec::new();
    for thread in own_threads()? {
        let path = PathBuf::from(format!("/proc/self/task/{}/status", thread.tid));
        match File::open(&path) {
            Ok(file) => held.push(Held { tid: thread.tid, file }),
            Err(error) if is_gone(&error) => {}
            Err(source) => return Err(Error::Read { path, source }),
        }
    }
    Ok(held)
}

/// Reads every thread in a task directory such as `/proc/<pid>/task`. Threads that end meanwhile are left out.
///
/// # Errors
/// See [`Error`].
pub fn threads(task: &Path) -> Result<Vec<ThreadStatus>, Error> {
    let failed = |source| Error::Read {
        path: task.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(task).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Some(tid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if found.len() == MAX_THREADS {
            return Err(Error::TooManyThreads { path: task.to_owned() });
        }
        match read_bounded(&entry.path().join("status")) {
            Ok(text) => found.push(parse(tid, &text)?),
            Err(Error::Read { source, .. }) if is_gone(&source) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// ENOENT: the thread had ended when the file was opened. ESRCH: it ended between open and read.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

fn read_bounded(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::with_capacity(4096);
    File::open(path)
        .map_err(failed)?
        .take(MAX_STATUS_BYTES)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    // A thread may name itself with bytes that are no UTF-8; nothing else in the file can hold such bytes.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Parses the text of one status file.
///
/// # Errors
/// [`Error::Missing`] or [`Error::Malformed`], naming the line.
pub fn parse(tid: u32, text: &str) -> Result<ThreadStatus, Error> {
    let status = Lines { tid, text };
    Ok(ThreadStatus {
        tid,
        name: status.value("Name")?.to_owned(),
        threads: {
            let count = status.value("Threads")?;
            count.parse().map_err(|_| status.malformed("Threads", count))?
        },
        uid: status.ids("Uid")?,
        gid: status.ids("Gid")?,
        groups: status
            .value("Groups")?
            .split_ascii_whitespace()
            .map(|id| id.parse().map_err(|_| status.malformed("Groups", id)))
            .collect::<Result<_, _>>()?,
        inheritable: status.capabilities("CapInh")?,
        permitted: status.capabilities("CapPrm")?,
        effective: status.capabilities("CapEff")?,
        bounding: status.capabilities("CapBnd")?,
        ambient: status.capabilities("CapAmb")?,
        no_new_privs: match status.value("NoNewPrivs")? {
            "0" => false,
            "1" => true,
            other => return Err(status.malformed("NoNewPrivs", other)),
        },
        seccomp: match status.value("Seccomp")? {
            "0" => SeccompMode::Disabled,
            "1" => SeccompMode::Strict,
            "2" => SeccompMode::Filter,
            other => return Err(status.malformed("Seccomp", other)),
        },
        seccomp_filters: match status.value("Seccomp_filters") {
            Ok(count) => Some(count.parse().map_err(|_| status.malformed("Seccomp_filters", count))?),
            Err(_) => None,
        },
    })
}

/// The lines of one status file, `Name:\tvalue`.
struct Lines<'a> {
    tid: u32,
    text: &'a str,
}

impl<'a> Lines<'a> {
    fn value(&self, field: &'static str) -> Result<&'a str, Error> {
        self.text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
            .map(str::trim)
            .ok_or(Error::Missing { tid: self.tid, field })
    }

    fn ids(&self, field: &'static str) -> Result<[u32; 4], Error> {
        let value = self.value(field)?;
        let ids: Vec<u32> = value
            .split_ascii_whitespace()
            .map(|id| id.parse().map_err(|_| self.malformed(field, value)))
            .collect::<Result<_, _>>()?;
        ids.try_into().map_err(|_| self.malformed(field, value))
    }

    fn capabilities(&self, field: &'static str) -> Result<Capabilities, Error> {
        let value = self.value(field)?;
        u64::from_str_radix(value, 16)
            .map(Capabilities::from_bits)
            .map_err(|_| self.malformed(field, value))
    }

    fn malformed(&self, field: &'static str, value: &str) -> Error {
        Error::Malformed {
            tid: self.tid,
            field,
            value: value.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use caps::Capability;

    use super::*;

    const TEXT: &str = "Name:\tagent: worker\nUmask:\t0022\nTgid:\t7\nUid:\t65532\t65532\t65532\t65532\n\
        Gid:\t65532\t65532\t65532\t65532\nFDSize:\t64\nGroups:\t0 65532 \nThreads:\t2\nCapInh:\t0000000000000000\n\
        CapPrm:\t000000c000000000\nCapEff:\t0000008000000000\nCapBnd:\t000000c000000000\nCapAmb:\t0000000000000000\n\
        NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";

    #[test]
    fn every_field_is_read() {
        let status = parse(8, TEXT).unwrap();
        assert_eq!((status.name.as_str(), status.threads), ("agent: worker", 2));
        assert_eq!((status.uid, status.gid), ([65532; 4], [65532; 4]));
        assert_eq!(status.groups, [0, 65532]);
        assert_eq!(
            status.permitted,
            Capabilities::of(&[Capability::CAP_BPF, Capability::CAP_PERFMON])
        );
        assert_eq!(status.effective, Capabilities::of(&[Capability::CAP_BPF]));
        assert_eq!(status.bounding, status.permitted);
        assert!(status.inheritable.is_empty() && status.ambient.is_empty() && status.no_new_privs);
        assert_eq!((status.seccomp, status.seccomp_filters), (SeccompMode::Filter, Some(1)));
        let before_5_9 = TEXT.replace("Seccomp_filters:\t1\n", "");
        assert_eq!(parse(8, &before_5_9).unwrap().seccomp_filters, None);
    }

    #[test]
    fn a_process_without_groups_is_read() {
        let text = TEXT.replace("Groups:\t0 65532 ", "Groups:\t");
        assert_eq!(parse(8, &text).unwrap().groups, Vec::<u32>::new());
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        let missing = parse(8, &TEXT.replace("CapPrm:", "CapXyz:")).unwrap_err();
        assert_eq!(missing.to_string(), "CapPrm is missing in the status of thread 8");
        let malformed = parse(8, &TEXT.replace("Seccomp:\t2", "Seccomp:\t9")).unwrap_err();
        assert_eq!(
            malformed.to_string(),
            "Seccomp in the status of thread 8 is unreadable: \"9\""
        );
        let short = parse(8, &TEXT.replace("Uid:\t65532\t", "Uid:\t")).unwrap_err();
        assert!(
            short.to_string().starts_with("Uid in the status of thread 8"),
            "{short}"
        );
    }

    #[test]
    fn this_process_is_read_with_all_its_threads() {
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let other = std::thread::spawn(move || {
            tell.send(nix::unistd::gettid().as_raw().unsigned_abs()).unwrap();
            let _ = wait.recv();
        });
        let (own, spawned) = (own_thread().unwrap(), told.recv().unwrap());
        let tids: Vec<u32> = own_threads().unwrap().iter().map(|status| status.tid).collect();
        assert!(tids.contains(&own.tid) && tids.contains(&spawned), "{tids:?}");
        assert!(own.threads >= 2, "{own:?}");
        let held = hold_own_threads().unwrap();
        let held = held.iter().find(|held| held.tid == spawned).unwrap();
        for _ in 0..2 {
            let again = held.read().unwrap().unwrap();
            assert_eq!((again.tid, again.uid), (spawned, own.uid));
        }
        drop(release);
        other.join().unwrap();
        // The thread is joined before the kernel has taken it off its list.
        while held.read().unwrap().is_some() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_absent_process_names_the_path() {
        let error = threads(Path::new("/proc/4194304999/task")).unwrap_err();
        assert!(error.to_string().contains("/proc/4194304999/task"), "{error}");
    }
}
