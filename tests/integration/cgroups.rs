//! Cgroups that come and go: told once each, of the hierarchy that names containers and of no other, and never printed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use pinhole::capture::hierarchy::Hierarchy;

use crate::event::{agent, balanced_hooks};
use crate::lab::agent::{Installed, Stopped};
use crate::lab::turn::Turn;

/// How many are made and removed one after the other.
const MANY: u64 = 100;

/// A cgroup of ours, which goes with those below it, the innermost first.
struct Own(Vec<PathBuf>);

impl Own {
    /// Makes a cgroup below the root of a hierarchy, named after this process.
    fn below(root: &Path, name: &str) -> Self {
        let place = root.join(format!("pinhole-{name}-{}", std::process::id()));
        fs::create_dir(&place).unwrap();
        Self(vec![place])
    }

    /// Makes one more, inside the last.
    fn inside(&mut self, name: &str) -> &Path {
        let place = self.innermost().join(name);
        fs::create_dir(&place).unwrap();
        self.0.push(place);
        self.innermost()
    }

    fn innermost(&self) -> &Path {
        self.0.last().unwrap()
    }

    fn remove_innermost(&mut self) {
        fs::remove_dir(self.innermost()).unwrap();
        self.0.pop();
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        for place in self.0.iter().rev() {
            let removed = fs::remove_dir(place);
            assert!(removed.is_ok() || std::thread::panicking(), "{removed:?}");
        }
    }
}

/// Where the hierarchy that names containers is mounted, and others that there are.
pub(crate) fn hierarchies() -> (PathBuf, Vec<PathBuf>) {
    let own = match Hierarchy::detect() {
        Hierarchy::Unified => ".",
        Hierarchy::Pids => "pids",
        Hierarchy::Memory => "memory",
        Hierarchy::Cpu => "cpu",
    };
    let at = |name: &str| Path::new("/sys/fs/cgroup").join(name);
    let others = ["memory", "cpu", "freezer", "unified"]
        .into_iter()
        .filter(|name| *name != own);
    let mounted = |place: &PathBuf| place.join("cgroup.procs").exists();
    (at(own), others.map(at).filter(mounted).collect())
}

/// Makes a cgroup where containers have theirs, and removes it.
pub(crate) fn come_and_go(name: &str) {
    let (root, _) = hierarchies();
    drop(Own::below(&root, name));
}

/// The lines of the log that say so.
fn lines<'a>(stopped: &'a Stopped, words: &str) -> Vec<&'a str> {
    stopped.stderr.lines().filter(|line| line.contains(words)).collect()
}

#[test]
fn each_cgroup_is_told_once_by_its_id_and_its_path() {
    const SAID: [(&str, &str); 2] = [
        ("cgroup_mkdir", "a cgroup was made"),
        ("cgroup_rmdir", "a cgroup was removed"),
    ];
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let (root, others) = hierarchies();
    let agent = installed
        .run(["--events", "none", "--log-level", "info,pinhole::pipeline=debug"])
        .unwrap();
    let mut own = Own::below(&root, "told");
    let mut ids = vec![fs::metadata(own.innermost()).unwrap().ino()];
    for number in 0..MANY {
        ids.push(fs::metadata(own.inside(&format!("number-{number}"))).unwrap().ino());
        own.remove_innermost();
    }
    // In the end a path longer than the kernel tells, which is 1023 bytes.
    let long = "l".repeat(240);
    for _ in 0..5 {
        own.inside(&long);
    }
    let too_long = fs::metadata(own.innermost()).unwrap().ino();
    drop(own);
    for other in &others {
        drop(Own::below(other, "elsewhere"));
    }
    // What happened before the end is told before the end.
    let stopped = agent.stop().unwrap();
    assert_eq!(
        stopped.events.len(),
        1,
        "nothing of it is printed: {:?}",
        stopped.events
    );
    let summary = stopped.summary().unwrap();
    let hooks = balanced_hooks(summary);
    for (hook, words) in SAID {
        let told = lines(&stopped, words);
        // Somebody else on this machine may have made some as well, but each that is counted is told.
        let (_, [_, filtered, delivered, dropped]) = *hooks.iter().find(|(name, _)| name == hook).unwrap();
        assert_eq!((told.len() as u64, 0), (delivered, dropped), "{summary}");
        assert!(filtered >= others.len() as u64, "{summary}");
        assert!(summary["hooks"][hook]["missed"].is_u64(), "{summary}");
        assert!(!told.iter().any(|line| line.contains("pinhole-elsewhere")), "{told:?}");
        let place = format!("/pinhole-told-{}", std::process::id());
        let expected = ids.iter().enumerate().map(|(index, id)| {
            let below = index.checked_sub(1).map(|number| format!("/number-{number}"));
            format!("id={id} path=\"{place}{}\"", below.unwrap_or_default())
        });
        for expected in expected {
            let found = told.iter().filter(|line| line.ends_with(&expected)).count();
            assert_eq!(found, 1, "{hook}: {expected} in {told:?}");
        }
        let cut: Vec<_> = told
            .iter()
            .filter(|line| line.contains(&format!("id={too_long}")))
            .collect();
        assert_eq!(cut.len(), 1, "{told:?}");
        assert!(!cut[0].contains("path="), "the end of its path is not known: {cut:?}");
        assert_eq!(summary["hooks"][hook]["truncated"], 1, "{summary}");
    }
}

#[test]
fn without_prefetch_no_cgroup_is_watched() {
    let _turn = Turn::take().unwrap();
    let installed = Installed::new(agent()).unwrap();
    let (root, _) = hierarchies();
    let agent = installed
        .run([
            "--events=none",
            "--runtime-prefetch=false",
            "--log-level=info,pinhole::pipeline=debug",
        ])
        .unwrap();
    drop(Own::below(&root, "not-told"));
    let stopped = agent.stop().unwrap();
    let names: Vec<String> = balanced_hooks(stopped.summary().unwrap())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names.len(), 5, "the life of processes, and the canary: {names:?}");
    assert!(!names.iter().any(|name| name.starts_with("cgroup")), "{names:?}");
    assert!(lines(&stopped, "a cgroup was").is_empty(), "{}", stopped.stderr);
}
