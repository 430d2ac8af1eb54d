//! Reloading: rule files are read again when they change or when somebody asks, and the new rules replace the old ones as a
//! whole, or not at all.
//!
//! The control thread looks and compiles; the pipeline takes what is ready between two events, so that none is lost and none
//! is judged by half of each. Files are compared by what the file system says of them, through every symbolic link: a
//! ConfigMap is replaced by exchanging one (`kubernetes.io`, "ConfigMaps": mounted ConfigMaps are updated automatically).

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pinhole_rules::library::Rule;

use super::files;
use super::loaded::{self, Examined, Loaded};
use super::prefilter;
use crate::capture::{HookSet, Prefilters};
use crate::config::settings::Rules;

/// Names of rules that one line of the log lists.
const LISTED: usize = 20;

/// Looks after rule files.
#[derive(Debug)]
pub struct Reloader {
    settings: Rules,
    /// The hooks that are attached: no other will be while this process lives.
    attached: HookSet,
    /// Those of them that nobody but rules looks at.
    filtered: HookSet,
    asked: AtomicBool,
    state: Mutex<State>,
    ready: Mutex<Option<Ready>>,
}

/// New rules.
#[derive(Debug)]
pub struct Ready {
    /// The rules.
    pub rules: Loaded,
    /// The names of those that say the same as before.
    pub same: BTreeSet<String>,
    /// What need not be told for them.
    pub prefilters: Prefilters,
}

#[derive(Debug)]
struct State {
    /// What the file system said of the files that are in force, or that were refused.
    known: Option<Seen>,
    /// What it said at the last look. Who writes a file may not have finished: it counts once it stands still.
    last: Option<Seen>,
    rules: Vec<Rule>,
    standing: Standing,
}

/// Whether the rules in force are those that the files have.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// How many are in force.
    pub rules: usize,
    /// Where the files as they are now do not count: since when, and why. The rules before them stay in force.
    pub refused: Option<(Instant, String)>,
    /// Hooks that rules in force need and that are not attached, each with the names of the rules.
    pub beyond: Vec<(&'static str, String)>,
}

impl Standing {
    fn of(loaded: &Loaded, attached: HookSet) -> Self {
        Self {
            rules: loaded.set.rules().len(),
            refused: None,
            beyond: loaded.beyond(attached),
        }
    }

    fn refuse(&mut self, why: &loaded::Error) {
        let since = self.refused.as_ref().map_or_else(Instant::now, |(since, _)| *since);
        self.refused = Some((since, why.to_string()));
    }
}

/// What the file system says of rule files: path, device, inode, size, when they were written last, when anything of them
/// changed last, which is what making them readable does.
pub type Seen = Vec<(PathBuf, [i64; 7])>;

impl Reloader {
    /// Looks after the files of these settings, whose rules were loaded already, after [`look`] had `seen` this; it takes their
    /// sources. `filtered` are those of the attached hooks that nobody but rules looks at.
    #[must_use]
    pub fn new(settings: Rules, seen: Option<Seen>, loaded: &mut Loaded, attached: HookSet, filtered: HookSet) -> Self {
        let state = State {
            known: seen.clone(),
            last: seen,
            rules: std::mem::take(&mut loaded.sources),
            standing: Standing::of(loaded, attached),
        };
        Self {
            settings,
            attached,
            filtered,
            asked: AtomicBool::new(false),
            state: Mutex::new(state),
            ready: Mutex::new(None),
        }
    }

    /// Wants the files read again at the next look, whether they changed or not.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// How it stands with the rules. Never to be asked by the pipeline, which does not wait until files are read.
    pub fn standing(&self) -> Standing {
        lock(&self.state).standing.clone()
    }

    /// The new rules, once.
    pub fn take(&self) -> Option<Ready> {
        // Looked at between all events: whoever holds it puts rules in, and the next look finds them.
        self.ready.try_lock().ok()?.take()
    }

    /// Looks at the files, and reads them if they changed or somebody asked. What comes of it is logged.
    pub fn turn(&self) {
        let mut state = lock(&self.state);
        let seen = look(&self.settings.files);
        let asked = self.asked.swap(false, Ordering::Relaxed);
        let settled = seen == state.last && seen != state.known;
        state.last.clone_from(&seen);
        if !asked && !settled {
            return;
        }
        state.known = seen;
        self.consider(&mut state, loaded::examine(&self.settings));
    }

    fn consider(&self, state: &mut State, examined: Examined) {
        let Examined {
            rules,
            loaded,
            unread,
            problems,
            ..
        } = examined;
        if !unread.is_empty() {
            // What a link leads to now may be where the agent, which gave up the rest of the file system, cannot follow.
            let is_denied = unread.iter().any(files::Error::is_denied);
            let hint = is_denied.then_some(
                "Landlock lets the agent into the directories of the start alone: see docs/rules.md, Changing them",
            );
            let error = loaded::Error::Files(unread);
            tracing::error!(%error, hint, "the rules cannot be read again: the old ones stay");
            state.standing.refuse(&error);
            return;
        }
        let Some(mut loaded) = loaded else {
            let error = loaded::Error::Refused(problems);
            tracing::error!(%error, "the rules are refused: the old ones stay");
            state.standing.refuse(&error);
            return;
        };
        loaded.warnings = problems;
        loaded.warn();
        let standing = Standing::of(&loaded, self.attached);
        for (hook, names) in &standing.beyond {
            tracing::error!(
                hook,
                rules = names,
                "a hook that these rules need is not attached, so they do not see what it tells: start the agent anew to attach it"
            );
        }
        tracing::info!(rules = rules.len(), "{}", change(&state.rules, &rules));
        let same = rules.iter().filter(|rule| is_among(&state.rules, rule));
        let same: BTreeSet<String> = same.map(|rule| rule.name.clone()).collect();
        state.rules = rules;
        state.standing = standing;
        *lock(&self.ready) = Some(Ready {
            prefilters: prefilter::of(&loaded, self.filtered),
            rules: loaded,
            same,
        });
    }
}

/// Whether there was a rule of this name that says the same.
fn is_among(before: &[Rule], rule: &Rule) -> bool {
    before
        .iter()
        .any(|old| old.name == rule.name && old.says_the_same(rule))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Both are replaced as a whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the file system says of rule files now. None where they cannot be looked at: that is a state too, and told once.
#[must_use]
pub fn look(paths: &[PathBuf]) -> Option<Seen> {
    let found = files::list(paths);
    if !found.errors.is_empty() {
        return None;
    }
    let files = found.files.into_iter();
    files
        .map(|path| Some((stat(&path)?, path)))
        .map(|it| it.map(|(stat, path)| (path, stat)))
        .collect()
}

fn stat(path: &Path) -> Option<[i64; 7]> {
    let it = fs::metadata(path).ok()?;
    let unsigned = [it.dev(), it.ino(), it.size()].map(u64::cast_signed);
    let [dev, ino, size] = unsigned;
    let (written, changed) = ([it.mtime(), it.mtime_nsec()], [it.ctime(), it.ctime_nsec()]);
    Some([dev, ino, size, written[0], written[1], changed[0], changed[1]])
}

/// What became another.
fn change(before: &[Rule], after: &[Rule]) -> String {
    let find = |rules: &[Rule], name: &str| rules.iter().position(|rule| rule.name == name);
    let names = |of: Vec<&Rule>| of.into_iter().map(|rule| rule.name.clone()).collect::<Vec<_>>();
    let added = names(after.iter().filter(|rule| find(before, &rule.name).is_none()).collect());
    let gone = names(before.iter().filter(|rule| find(after, &rule.name).is_none()).collect());
    let changed = names(
        after
            .iter()
            .filter(|rule| find(before, &rule.name).is_some_and(|at| !before[at].says_the_same(rule)))
            .collect(),
    );
    let mut text = String::from("the rules were read again");
    let mut any = false;
    for (what, names) in [("added", added), ("removed", gone), ("changed", changed)] {
        if names.is_empty() {
            continue;
        }
        any = true;
        // Writing to a string does not fail.
        let _ = write!(text, "; {what}: {}", names[..names.len().min(LISTED)].join(", "));
        if names.len() > LISTED {
            let _ = write!(text, " and {} more", names.len() - LISTED);
        }
    }
    if !any {
        text.push_str(": they say the same as before");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    const ONE: &str = "- rule: One\n  desc: d\n  condition: evt.type=execve\n  output: one\n  priority: INFO\n";
    const TWO: &str = "- rule: Two\n  desc: d\n  condition: evt.type=openat\n  output: two\n  priority: INFO\n";

    fn reloader(file: &Path, attached: HookSet) -> Reloader {
        let mut settings = Settings::default().rules;
        settings.files = vec![file.to_owned()];
        let seen = look(&settings.files);
        let mut loaded = loaded::load(&settings).unwrap().unwrap();
        Reloader::new(settings, seen, &mut loaded, attached, HookSet::NONE)
    }

    fn names(loaded: &Loaded) -> Vec<&str> {
        loaded.set.rules().iter().map(|rule| rule.name.as_str()).collect()
    }

    #[test]
    fn a_file_that_changed_counts_once_it_stands_still() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("rules.yaml");
        fs::write(&file, ONE).unwrap();
        let reloader = reloader(&file, HookSet::BASE);
        reloader.turn();
        assert!(reloader.take().is_none(), "nothing changed");
        fs::write(&file, format!("{ONE}{TWO}")).unwrap();
        reloader.turn();
        assert!(reloader.take().is_none(), "it may be half written");
        reloader.turn();
        assert_eq!(names(&reloader.take().unwrap().rules), ["One", "Two"]);
        assert!(reloader.take().is_none(), "once");
        reloader.ask();
        reloader.turn();
        assert!(reloader.take().is_some(), "asked for");
    }

    #[test]
    fn a_change_while_the_agent_starts_is_one() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("rules.yaml");
        let mut settings = Settings::default().rules;
        settings.files = vec![file.clone()];
        fs::write(&file, ONE).unwrap();
        let seen = look(&settings.files);
        let mut loaded = loaded::load(&settings).unwrap().unwrap();
        fs::write(&file, format!("{ONE}{TWO}")).unwrap();
        let reloader = Reloader::new(settings, seen, &mut loaded, HookSet::BASE, HookSet::NONE);
        reloader.turn();
        reloader.turn();
        assert_eq!(names(&reloader.take().unwrap().rules), ["One", "Two"]);
    }

    #[test]
    fn what_is_wrong_is_not_taken_and_told_once() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("rules.yaml");
        fs::write(&file, ONE).unwrap();
        let reloader = reloader(&file, HookSet::BASE);
        assert!(reloader.standing().refused.is_none());
        fs::write(&file, "- rule: One\n").unwrap();
        for _ in 0..3 {
            reloader.turn();
            assert!(reloader.take().is_none());
        }
        let (since, why) = reloader.standing().refused.unwrap();
        assert!(why.contains("condition"), "{why}");
        fs::remove_file(&file).unwrap();
        for _ in 0..3 {
            reloader.turn();
            assert!(reloader.take().is_none());
        }
        let (still, why) = reloader.standing().refused.unwrap();
        assert!(still == since && why.contains("No such file"), "{why}");
        fs::write(&file, TWO).unwrap();
        reloader.turn();
        reloader.turn();
        assert_eq!(names(&reloader.take().unwrap().rules), ["Two"]);
        let standing = reloader.standing();
        assert_eq!((standing.rules, standing.refused), (1, None));
        let beyond: Vec<&str> = standing.beyond.iter().map(|(hook, _)| *hook).collect();
        assert_eq!(beyond, ["openat"], "not attached");
    }

    #[test]
    fn a_link_that_is_exchanged_is_a_change() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        for (version, text) in [("..1", ONE), ("..2", TWO)] {
            fs::create_dir(path(version)).unwrap();
            fs::write(path(version).join("rules.yaml"), text).unwrap();
        }
        std::os::unix::fs::symlink("..1", path("..data")).unwrap();
        std::os::unix::fs::symlink("..data/rules.yaml", path("rules.yaml")).unwrap();
        let reloader = reloader(home.path(), HookSet::BASE);
        std::os::unix::fs::symlink("..2", path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
        reloader.turn();
        reloader.turn();
        assert_eq!(names(&reloader.take().unwrap().rules), ["Two"]);
    }

    #[test]
    fn what_changed_is_told_by_name() {
        let rules = |text: &str| {
            let home = tempfile::tempdir().unwrap();
            let file = home.path().join("rules.yaml");
            fs::write(&file, text).unwrap();
            let mut settings = Settings::default().rules;
            settings.files = vec![file];
            loaded::examine(&settings).rules
        };
        let (one, both) = (rules(ONE), rules(&format!("{TWO}{ONE}")));
        assert!(change(&one, &one).ends_with("they say the same as before"));
        assert!(change(&one, &both).ends_with("read again; added: Two"));
        assert!(change(&both, &one).ends_with("read again; removed: Two"));
        let other = rules(&ONE.replace("execve", "openat"));
        assert!(change(&one, &other).ends_with("read again; changed: One"));
    }
}
