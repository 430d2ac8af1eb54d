//! One page for a browser: self-contained, without a script, findings first.

use serde::Serialize;

use super::super::report::{FailOn, Mode, Report};
use super::picture::{Fields, Loss, fields, loss};
use super::{template, view};

#[derive(Debug, Serialize)]
struct Html {
    page: view::Page,
    loss: Option<Loss>,
    fields: Option<Fields>,
    /// Why there is no picture of losses, and why none of fields.
    no_loss: &'static str,
    no_fields: &'static str,
}

pub(super) fn html(report: &Report, fail_on: FailOn) -> Result<String, minijinja::Error> {
    let live = report.live.as_ref();
    let none = match report.mode {
        Mode::Cold => "No running agent took part, so there is no past to draw. Run the doctor beside a running agent.",
        Mode::Offline => "Manifests have no past to draw. Run the doctor beside a running agent.",
        Mode::Live => "The running agent is of a version that tells nothing of its past.",
    };
    let contained = "The running agent has seen no event of a container yet, or is of a version that does not tell.";
    template::fill(
        "page.html",
        Html {
            page: view::page(report, fail_on),
            loss: live.and_then(loss),
            fields: live.and_then(fields),
            no_loss: none,
            no_fields: if report.mode == Mode::Live { contained } else { none },
        },
    )
}
