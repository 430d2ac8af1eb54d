//! A file that is appended to, and renamed when it has grown enough. One that is made may be read by its owner only; one that others
//! may use keeps its mode, and that is told. A link in its place, or anything but a regular file, is refused. Written on a thread that
//! may wait for the disk.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::spawn_blocking;

use super::{Channel, Failure, line};
use crate::alert::Alert;
use crate::config;

/// See the module.
pub(crate) struct File(Arc<Mutex<Log>>);

struct Log {
    settings: config::File,
    file: fs::File,
    length: u64,
    /// Asked at the start: later, the filter has no call for it.
    user: u32,
    /// The mode that was warned of last.
    told: Option<u32>,
}

impl File {
    pub(crate) fn open(settings: &config::File) -> io::Result<Self> {
        let (file, metadata) = open(&settings.path)?;
        let mut log = Log {
            settings: settings.clone(),
            file,
            length: metadata.len(),
            user: nix::unistd::geteuid().as_raw(),
            told: None,
        };
        log.tell_of_mode(&metadata);
        Ok(Self(Arc::new(Mutex::new(log))))
    }
}

impl Channel for File {
    fn batch(&self) -> usize {
        64
    }

    async fn deliver(&mut self, alerts: &[Arc<Alert>]) -> Result<(), Failure> {
        let log = Arc::clone(&self.0);
        let alerts = alerts.to_vec();
        let written = spawn_blocking(move || log.lock().unwrap_or_else(PoisonError::into_inner).append(&alerts));
        written.await.unwrap_or_else(|error| Err(Failure::later(error)))
    }

    async fn reopen(&mut self) -> Result<(), String> {
        let log = Arc::clone(&self.0);
        let opened = spawn_blocking(move || log.lock().unwrap_or_else(PoisonError::into_inner).reopen());
        let opened = opened.await.map_err(|error| error.to_string())?;
        opened.map_err(|error| error.to_string())
    }
}

impl Log {
    fn append(&mut self, alerts: &[Arc<Alert>]) -> Result<(), Failure> {
        self.follow().map_err(Failure::later)?;
        let limit = self.settings.max_size.as_u64();
        let mut taken = 0;
        let mut text = Vec::new();
        for (number, alert) in alerts.iter().enumerate() {
            let line = line(alert, self.settings.format);
            let would_be = self.length + text.len() as u64 + line.len() as u64 + 1;
            let is_empty = self.length == 0 && text.is_empty();
            if limit > 0 && would_be > limit && !is_empty {
                self.write(&text).map_err(|error| Failure::later_than(taken, error))?;
                text.clear();
                taken = number;
                self.rotate().map_err(|error| Failure::later_than(taken, error))?;
            }
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
        }
        self.write(&text).map_err(|error| Failure::later_than(taken, error))
    }

    /// Makes sure that what is written is what others find by the path, and knows how long it is: they may move, remove or truncate it.
    fn follow(&mut self) -> io::Result<()> {
        let held = self.file.metadata()?;
        let is_same = |there: fs::Metadata| (there.dev(), there.ino()) == (held.dev(), held.ino());
        if !fs::symlink_metadata(&self.settings.path).is_ok_and(is_same) {
            return self.reopen();
        }
        self.length = held.len();
        Ok(())
    }

    /// All or nothing, as far as the disk allows.
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(text) {
            self.take_back();
            return Err(error);
        }
        self.length += text.len() as u64;
        Ok(())
    }

    /// Half a line would spoil the next one. If even this fails, the next write is no worse than the last one.
    fn take_back(&self) {
        // Where it was truncated meanwhile, this must not fill it with zeros.
        let is_longer = |there: fs::Metadata| there.len() > self.length;
        if self.file.metadata().is_ok_and(is_longer) {
            let _ = self.file.set_len(self.length);
        }
    }

    /// What fails in between leaves a file that is tried again, and a gap that the next attempt fills first: the kept files are not
    /// shifted twice.
    fn rotate(&mut self) -> io::Result<()> {
        let shifted = self.shift();
        self.reopen()?;
        shifted
    }

    /// Makes room for a new file, if nobody else did.
    fn shift(&self) -> io::Result<()> {
        let path = &self.settings.path;
        let keep = self.settings.keep;
        if !is_there(path)? {
            return Ok(());
        }
        if keep == 0 {
            return missing_is_fine(fs::remove_file(path));
        }
        let mut last = 1;
        while last < keep && is_there(&old(path, last))? {
            last += 1;
        }
        for number in (0..last).rev() {
            let from = if number == 0 { path.clone() } else { old(path, number) };
            missing_is_fine(fs::rename(&from, old(path, number + 1)))?;
        }
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        let path = &self.settings.path;
        let opened = open(path);
        let (file, metadata) =
            opened.map_err(|error| io::Error::new(error.kind(), format!("cannot open {}: {error}", path.display())))?;
        (self.file, self.length) = (file, metadata.len());
        self.tell_of_mode(&metadata);
        Ok(())
    }

    /// Who else may read the file may be meant to, so its mode stays.
    fn tell_of_mode(&mut self, metadata: &fs::Metadata) {
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 == 0 || metadata.uid() != self.user || self.told == Some(mode) {
            return;
        }
        self.told = Some(mode);
        tracing::warn!(
            "{} was there with mode {mode:04o}: not only its owner may use it",
            self.settings.path.display()
        );
    }
}

fn is_there(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        looked => looked.map(|_| true),
    }
}

/// Somebody else may move or remove the same files.
fn missing_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// `PATH.NUMBER`.
fn old(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

fn open(path: &Path) -> io::Result<(fs::File, fs::Metadata)> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        // A FIFO would make opening wait.
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    Ok((file, metadata))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use bytesize::ByteSize;
    use tempfile::TempDir;

    use super::*;
    use crate::alert::tests::alert;
    use crate::logged::logged;

    fn settings(directory: &TempDir, max_size: u64, keep: u32) -> config::File {
        config::File {
            path: directory.path().join("alerts.log"),
            max_size: ByteSize(max_size),
            keep,
            ..config::File::default()
        }
    }

    fn alerts(numbers: std::ops::Range<usize>) -> Vec<Arc<Alert>> {
        numbers.map(|number| Arc::new(alert(number))).collect()
    }

    /// How many lines each file has, by name.
    fn files(directory: &TempDir) -> Vec<(String, usize)> {
        let mut files: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let text = fs::read_to_string(entry.path()).unwrap();
                assert!(
                    text.lines()
                        .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
                );
                (entry.file_name().into_string().unwrap(), text.lines().count())
            })
            .collect();
        files.sort();
        files
    }

    #[tokio::test]
    async fn it_appends_and_only_the_owner_reads() {
        let directory = TempDir::new().unwrap();
        let settings = settings(&directory, 0, 0);
        File::open(&settings).unwrap().deliver(&alerts(1..3)).await.unwrap();
        File::open(&settings).unwrap().deliver(&alerts(3..4)).await.unwrap();
        let text = fs::read_to_string(&settings.path).unwrap();
        let expected: Vec<_> = alerts(1..4).iter().map(|alert| alert.json.clone()).collect();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        let mode = fs::metadata(&settings.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn one_that_others_may_read_keeps_its_mode_and_that_is_told_once() {
        let directory = TempDir::new().unwrap();
        let settings = settings(&directory, 0, 0);
        let set = |mode| fs::set_permissions(&settings.path, fs::Permissions::from_mode(mode)).unwrap();
        let made = logged(|| drop(File::open(&settings).unwrap()));
        assert_eq!(made, "");
        set(0o640);
        let log = logged(|| {
            let file = File::open(&settings).unwrap();
            file.0.lock().unwrap().reopen().unwrap();
        });
        let expected = format!("{} was there with mode 0640: ", settings.path.display());
        assert!(log.starts_with(&expected) && log.lines().count() == 1, "{log}");
        let mode = fs::metadata(&settings.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }

    #[test]
    fn the_mode_of_a_file_of_another_user_is_his() {
        let directory = TempDir::new().unwrap();
        let settings = settings(&directory, 0, 0);
        let file = File::open(&settings).unwrap();
        fs::set_permissions(&settings.path, fs::Permissions::from_mode(0o666)).unwrap();
        let log = logged(|| {
            let mut log = file.0.lock().unwrap();
            log.user += 1;
            log.reopen().unwrap();
        });
        assert_eq!(log, "");
    }

    #[tokio::test]
    async fn it_is_rotated_by_size_and_the_oldest_go() {
        let directory = TempDir::new().unwrap();
        let line = alert(10).json.len() as u64 + 1;
        let mut file = File::open(&settings(&directory, 3 * line, 2)).unwrap();
        file.deliver(&alerts(10..14)).await.unwrap();
        let name = |suffix: &str| format!("alerts.log{suffix}");
        assert_eq!(files(&directory), [(name(""), 1), (name(".1"), 3)]);
        file.deliver(&alerts(14..21)).await.unwrap();
        assert_eq!(files(&directory), [(name(""), 2), (name(".1"), 3), (name(".2"), 3)]);
        let oldest = fs::read_to_string(directory.path().join("alerts.log.2")).unwrap();
        assert!(oldest.contains("o 13"), "{oldest}");
    }

    #[tokio::test]
    async fn without_old_files_it_begins_anew_and_one_large_line_is_no_reason_to_turn_in_circles() {
        let directory = TempDir::new().unwrap();
        let mut file = File::open(&settings(&directory, 10, 0)).unwrap();
        file.deliver(&alerts(1..4)).await.unwrap();
        assert_eq!(files(&directory), [("alerts.log".to_owned(), 1)]);
    }

    #[tokio::test]
    async fn somebody_else_may_rotate_and_ask_to_open_anew_or_not() {
        for asks in [true, false] {
            let directory = TempDir::new().unwrap();
            let settings = settings(&directory, 0, 0);
            let mut file = File::open(&settings).unwrap();
            file.deliver(&alerts(1..3)).await.unwrap();
            fs::rename(&settings.path, directory.path().join("moved")).unwrap();
            if asks {
                file.reopen().await.unwrap();
            }
            file.deliver(&alerts(3..4)).await.unwrap();
            file.reopen().await.unwrap();
            file.deliver(&alerts(4..7)).await.unwrap();
            assert_eq!(
                files(&directory),
                [("alerts.log".to_owned(), 4), ("moved".to_owned(), 2)]
            );
            fs::remove_file(&settings.path).unwrap();
            file.deliver(&alerts(7..8)).await.unwrap();
            assert_eq!(fs::read_to_string(&settings.path).unwrap().lines().count(), 1);
        }
    }

    #[tokio::test]
    async fn one_that_was_truncated_counts_as_long_as_it_is() {
        let directory = TempDir::new().unwrap();
        let line = alert(10).json.len() as u64 + 1;
        let settings = settings(&directory, 3 * line, 2);
        let mut file = File::open(&settings).unwrap();
        file.deliver(&alerts(10..13)).await.unwrap();
        // As logrotate's copytruncate does.
        let other = fs::OpenOptions::new().write(true).open(&settings.path).unwrap();
        other.set_len(0).unwrap();
        file.deliver(&alerts(13..15)).await.unwrap();
        assert_eq!(files(&directory), [("alerts.log".to_owned(), 2)]);
        other.set_len(line).unwrap();
        file.0.lock().unwrap().take_back();
        assert_eq!(files(&directory), [("alerts.log".to_owned(), 1)]);
    }

    #[tokio::test]
    async fn where_it_cannot_be_made_anew_nothing_is_delivered_and_the_path_is_told() {
        let directory = TempDir::new().unwrap();
        let mut settings = settings(&directory, 0, 0);
        let logs = directory.path().join("logs");
        settings.path = logs.join("alerts.log");
        fs::create_dir(&logs).unwrap();
        let mut file = File::open(&settings).unwrap();
        fs::rename(&logs, directory.path().join("moved")).unwrap();
        for _ in 0..2 {
            let failure = file.deliver(&alerts(1..3)).await.unwrap_err();
            assert_eq!((failure.taken, failure.kind), (0, super::super::Kind::Later(None)));
            let expected = format!("cannot open {}: ", settings.path.display());
            assert!(failure.error.starts_with(&expected), "{}", failure.error);
        }
        fs::create_dir(&logs).unwrap();
        file.deliver(&alerts(1..3)).await.unwrap();
        assert_eq!(fs::read_to_string(&settings.path).unwrap().lines().count(), 2);
    }

    #[tokio::test]
    async fn a_disk_that_hangs_does_not_keep_who_asks_to_open_anew() {
        let directory = TempDir::new().unwrap();
        let mut file = File::open(&settings(&directory, 0, 0)).unwrap();
        let log = Arc::clone(&file.0);
        let mut reopened = pin!(file.reopen());
        {
            let _hanging = log.lock().unwrap();
            let mut context = Context::from_waker(Waker::noop());
            assert!(reopened.as_mut().poll(&mut context).is_pending());
        }
        reopened.await.unwrap();
    }

    #[tokio::test]
    async fn a_file_that_was_taken_away_is_made_anew_and_the_kept_ones_stay() {
        for keep in [0, 2] {
            let directory = TempDir::new().unwrap();
            let settings = settings(&directory, alert(10).json.len() as u64 + 1, keep);
            let mut file = File::open(&settings).unwrap();
            file.deliver(&alerts(10..13)).await.unwrap();
            let kept = files(&directory).len() - 1;
            assert_eq!(kept, keep as usize);
            fs::remove_file(&settings.path).unwrap();
            file.deliver(&alerts(13..14)).await.unwrap();
            assert_eq!(files(&directory).len(), 1 + kept);
            assert!(fs::read_to_string(&settings.path).unwrap().contains("o 13"));
        }
    }

    #[tokio::test]
    async fn attempts_that_fail_do_not_shift_the_kept_files_again() {
        let directory = TempDir::new().unwrap();
        let settings = settings(&directory, alert(10).json.len() as u64 + 1, 3);
        let mut file = File::open(&settings).unwrap();
        file.deliver(&alerts(10..13)).await.unwrap();
        let held = |number| fs::read_to_string(old(&settings.path, number)).unwrap();
        // As if opening failed each time.
        for _ in 0..3 {
            file.0.lock().unwrap().shift().unwrap();
        }
        assert!(held(1).contains("o 12") && held(2).contains("o 11") && held(3).contains("o 10"));
        // As if the first of them could not be renamed: its place stays free.
        file.deliver(&alerts(13..14)).await.unwrap();
        fs::remove_file(old(&settings.path, 1)).unwrap();
        file.deliver(&alerts(14..15)).await.unwrap();
        assert!(held(1).contains("o 13") && held(2).contains("o 11") && held(3).contains("o 10"));
    }

    #[tokio::test]
    async fn a_full_disk_leaves_whole_lines_and_is_tried_again() {
        let file = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let directory = TempDir::new().unwrap();
        let settings = settings(&directory, 0, 0);
        let mut full = File::open(&settings).unwrap();
        {
            let mut log = full.0.lock().unwrap();
            log.file = file;
            log.settings.path = "/dev/full".into();
        }
        let failure = full.deliver(&alerts(1..3)).await.unwrap_err();
        assert_eq!((failure.taken, failure.kind), (0, super::super::Kind::Later(None)));
        full.0.lock().unwrap().settings.path = settings.path;
        full.deliver(&alerts(1..3)).await.unwrap();
        assert_eq!(files(&directory)[0].1, 2);
    }

    #[test]
    fn links_and_what_is_no_file_are_refused() {
        let directory = TempDir::new().unwrap();
        let settings = settings(&directory, 0, 0);
        let victim = directory.path().join("victim");
        fs::write(&victim, "").unwrap();
        std::os::unix::fs::symlink(&victim, &settings.path).unwrap();
        assert!(File::open(&settings).is_err());
        fs::remove_file(&settings.path).unwrap();
        nix::unistd::mkfifo(&settings.path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(File::open(&settings).is_err());
    }
}
