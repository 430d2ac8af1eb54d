//! `agent doctor merge`: reports of many nodes, one after the other.

use super::confine::confine;
use super::look::look;
use super::{complain, files, run, say};
use crate::cli::args::{MergeArgs, ReportFormat};
use crate::cli::exit::Exit;
use crate::doctor::merge::{Merge, text};
use crate::doctor::saved::{MAX_BYTES, Saved};

/// Merges: success, findings or undetermined as for one report.
pub(super) fn run(arguments: &MergeArgs) -> Exit {
    // Files come from elsewhere; nothing that is read needs to be written.
    let _ = confine();
    let mut merge = Merge::default();
    for path in &arguments.files {
        let name = path.display().to_string();
        match files::read(path, MAX_BYTES) {
            Ok(bytes) => merge.add(&name, Saved::parse(&bytes)),
            Err(error) => merge.leave_out(&name, error.to_string()),
        }
    }
    let fleet = merge.finish();
    let fail_on = arguments.fail_on.into();
    let page = match arguments.format {
        ReportFormat::Text => Ok(text(&fleet, fail_on, look())),
        ReportFormat::Json => serde_json::to_string_pretty(&fleet).map(|text| text + "\n"),
    };
    match page.map(|page| say(page.as_bytes())) {
        Ok(Exit::Success) => run::code(fleet.exit_code(fail_on)),
        Ok(failed) => failed,
        Err(error) => complain(&error, Exit::Internal),
    }
}
