//! Markdown for an issue of a project, as GitHub reads it. What is given here is to be redacted already.

use super::super::report::{FailOn, Report};
use super::{template, view};

pub(super) fn markdown(report: &Report, fail_on: FailOn) -> Result<String, minijinja::Error> {
    template::fill("issue.md", view::page(report, fail_on))
}
