//! Rules on a real kernel: the upstream stable file, unchanged, with a real trigger and a near miss for each of its rules;
//! what is recorded, tried again; files that are wrong.

mod deeds;
mod files;
mod recorded;
mod reload;
mod scenes;
mod stable;
mod unknown;

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The upstream stable file: what `PINHOLE_FALCO_RULES` names, or a file beside a directory that holds the checkout. Its
/// absence is told past the capture of a test that passes: who runs it must see that it showed nothing.
fn stable() -> Option<PathBuf> {
    let named = env::var_os("PINHOLE_FALCO_RULES").map(PathBuf::from);
    let beside = || {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .map(|directory| directory.join("shared/falco-rules/falco_rules.yaml"))
            .find(|file| file.is_file())
    };
    let found = named.or_else(beside);
    if found.is_none() {
        let skipped = b"SKIPPED: no falco_rules.yaml is here; PINHOLE_FALCO_RULES names one\n";
        std::io::stderr().write_all(skipped).unwrap();
    }
    found
}
