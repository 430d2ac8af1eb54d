//! One line per finding and one for the verdict: for a chat, a `grep`, a status line.

use std::fmt::Write as _;

use super::super::report::Report;
use super::words;
use super::wrap::{ascii, plain};

/// The report in as few lines as possible.
#[must_use]
pub(super) fn short(report: &Report, unicode: bool) -> String {
    let mut page = String::new();
    for check in words::findings(report) {
        let (status, said) = (check.status.as_str(), plain(words::said(check)));
        // Writing to a string cannot fail.
        let _ = writeln!(page, "{status} {} {}: {said}", check.id, check.title);
    }
    for check in words::suppressed(report) {
        if let Some(suppressed) = &check.suppressed {
            let reason = plain(&suppressed.reason);
            let _ = writeln!(
                page,
                "suppressed {} {}: {}, until {}: {reason}",
                check.id,
                check.title,
                check.status.as_str(),
                suppressed.until
            );
        }
    }
    let verdict = words::verdict(report.verdict);
    let _ = writeln!(page, "verdict {verdict}: {}", words::counts(report.counts));
    if unicode { page } else { ascii(&page) }
}
