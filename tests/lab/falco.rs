//! Falco's own rule file, which is not part of this project.

use std::env;
use std::path::{Path, PathBuf};

/// The upstream stable file: what `PINHOLE_FALCO_RULES` names, or a file beside a directory that holds the checkout.
pub(crate) fn stable_rules() -> Option<PathBuf> {
    if let Some(named) = env::var_os("PINHOLE_FALCO_RULES") {
        return Some(named.into());
    }
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|directory| directory.join("shared/falco-rules/falco_rules.yaml"))
        .find(|file| file.is_file())
}
