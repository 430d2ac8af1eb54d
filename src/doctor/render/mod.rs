//! Renderers of the report: one file per format, none of them judges.
//!
//! What is put into markup is escaped by the template it is put into, and what would drive a terminal, a browser or a
//! parser is taken out before, by `clean`; JSON has it as numbers.

mod clean;
mod html;
mod json;
mod junit;
mod markdown;
mod picture;
mod prometheus;
mod sarif;
mod short;
mod template;
#[cfg(test)]
mod tests;
mod text;
mod view;
mod words;
mod wrap;

use super::redact;
use super::report::{FailOn, Report};

use clean::clean;
pub(super) use clean::cleaned;

pub use json::json;
pub use text::{Look, text};
pub(super) use wrap::{ascii, wrap};

/// A form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One line per finding, and the verdict.
    Short,
    /// For machines: all of it.
    Json,
    /// SARIF 2.1.0, for what shows the findings of tools.
    Sarif,
    /// JUnit's XML, for what shows the results of tests.
    Junit,
    /// Prometheus' text format, for the node exporter's textfile collector.
    Prometheus,
    /// For an issue; redacted.
    Markdown,
    /// One page with pictures, for a browser.
    Html,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 8] = [
        Self::Text,
        Self::Short,
        Self::Json,
        Self::Sarif,
        Self::Junit,
        Self::Prometheus,
        Self::Markdown,
        Self::Html,
    ];
}

/// Why a report could not be written down. None of it should happen: it is a fault of this program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The report is no JSON.
    #[error("the report cannot be made JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A template does not fit.
    #[error("the template does not fit the report: {0:#}")]
    Template(#[from] minijinja::Error),
    /// The metrics could not be written down.
    #[error("the metrics cannot be written down")]
    Metrics(#[from] std::fmt::Error),
}

/// The report in this form. `fail_on` is what the exit code goes by, which some forms tell; `look` is for those that a
/// terminal shows.
///
/// # Errors
/// [`Error`].
pub fn render(report: &Report, format: Format, fail_on: FailOn, look: Look) -> Result<String, Error> {
    Ok(match format {
        Format::Text => text(&clean(report)?, fail_on, look),
        Format::Short => short::short(&clean(report)?, look.unicode),
        Format::Json => json(report)?,
        Format::Sarif => sarif::sarif(report, fail_on)?,
        Format::Junit => junit::junit(&clean(report)?, fail_on)?,
        Format::Prometheus => prometheus::prometheus(&clean(report)?)?,
        Format::Markdown => markdown::markdown(&redact::report(&clean(report)?), fail_on)?,
        Format::Html => html::html(&clean(report)?, fail_on)?,
    })
}
