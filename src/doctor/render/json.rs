//! The report as JSON, for machines; `docs/doctor-report.schema.json` is its schema.

use super::super::report::Report;
use super::clean::escaped;

/// The report as indented JSON with a final newline.
///
/// # Errors
/// Never in practice: the report holds no map with keys other than strings.
pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(report).map(|text| escaped(&text) + "\n")
}
