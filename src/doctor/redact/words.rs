//! The words that may stay in a sentence: those that the program's own sources say, what the system's errors are called, and
//! nothing else. `words.txt` has them, one a line; a test collects them anew.

use std::collections::HashSet;
use std::sync::LazyLock;

static WORDS: LazyLock<HashSet<String>> =
    LazyLock::new(|| include_str!("words.txt").lines().map(str::to_lowercase).collect());

/// Words within versions that name how something was built, and not by whom.
const BUILDS: &[&str] = &[
    "aarch",
    "aks",
    "alpha",
    "alpine",
    "amazon",
    "amd",
    "amzn",
    "arm",
    "aws",
    "azl",
    "azure",
    "beta",
    "bpo",
    "build",
    "ce",
    "cloud",
    "cm",
    "cos",
    "deb",
    "debian",
    "default",
    "dev",
    "dfsg",
    "eks",
    "el",
    "fc",
    "fips",
    "flatcar",
    "gcp",
    "generic",
    "gke",
    "hwe",
    "k",
    "kvm",
    "linuxkit",
    "lowlatency",
    "lts",
    "microsoft",
    "oracle",
    "orbstack",
    "pre",
    "r",
    "rc",
    "rke",
    "rt",
    "s",
    "standard",
    "talos",
    "u",
    "ubuntu",
    "v",
    "virt",
    "wsl",
    "x",
];
/// Digits of one part of a version.
const DIGITS: usize = 9;

/// Folders that every Linux has.
const FOLDERS: &[&str] = &[
    "bin", "boot", "dev", "etc", "lib", "lib64", "libexec", "local", "log", "opt", "proc", "run", "sbin", "share",
    "srv", "sys", "tmp", "usr", "var",
];

/// What the profiles are called that container runtimes bring along.
const PROFILES: &[&str] = &["cri-containerd.apparmor.d", "crio-default", "docker-default"];

/// Whether the program itself says this word.
pub(super) fn said_here(word: &str) -> bool {
    let word = word.to_lowercase();
    WORDS.contains(&word) || [FOLDERS, PROFILES].iter().any(|list| list.contains(&word.as_str()))
}

/// Whether this part of a version may be told: numbers and words of builds, as in `28`, `amd64`, `deb12u3`.
pub(super) fn of_a_version(part: &str) -> bool {
    let lower = part.to_ascii_lowercase();
    let digits = lower.bytes().filter(u8::is_ascii_digit).count();
    digits <= DIGITS
        && lower.chars().all(|c| c.is_ascii_alphanumeric())
        && lower
            .split(|c: char| c.is_ascii_digit())
            .all(|word| word.is_empty() || BUILDS.contains(&word))
}
