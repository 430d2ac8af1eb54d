//! Rules on a real kernel: the upstream stable file, unchanged, with a real trigger and a near miss for each of its rules;
//! what is recorded, tried again; files that are wrong.

mod deeds;
mod files;
mod prefilter;
mod recorded;
mod reload;
mod scenes;
mod stable;
mod unknown;
mod values;

use std::io::Write;
use std::path::PathBuf;

use crate::lab::falco::stable_rules;

/// The upstream stable file. Its absence is told past the capture of a test that passes: who runs it must see that it showed
/// nothing.
fn stable() -> Option<PathBuf> {
    let found = stable_rules();
    if found.is_none() {
        let skipped = b"SKIPPED: no falco_rules.yaml is here; PINHOLE_FALCO_RULES names one\n";
        std::io::stderr().write_all(skipped).unwrap();
    }
    found
}
