//! What a doctor said: its roots, and the changes that it asks for.

use std::time::Duration;

use serde_json::Value;

/// A report in JSON, as `agent doctor --format json` printed it, and how long that took.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) json: Value,
    pub(super) took: Duration,
}

impl Report {
    /// Reads what was printed; `aside` is what was said on standard error.
    pub(super) fn read(printed: &str, aside: &str, took: Duration) -> Self {
        let json =
            serde_json::from_str(printed).unwrap_or_else(|error| panic!("no report: {error}: {printed:?}\n{aside}"));
        Self { json, took }
    }

    /// Every check, by its id.
    pub(super) fn check(&self, id: &str) -> &Value {
        let found = self.checks().iter().find(|check| check["id"] == id);
        found.unwrap_or_else(|| panic!("no check {id}"))
    }

    /// The findings that no other one explains, in the report's order: (id, status). What hangs on them is skipped.
    pub(super) fn roots(&self) -> Vec<(&str, &str)> {
        let told = self.checks().iter().filter_map(|check| {
            let status = check["status"].as_str()?;
            let is_root = !matches!(status, "ok" | "skipped");
            Some((check["id"].as_str()?, status)).filter(|_| is_root)
        });
        told.collect()
    }

    /// The changes that mend what was found, in the report's order.
    pub(super) fn changes(&self) -> Vec<&Value> {
        let of = |check: &'_ &Value| !matches!(check["status"].as_str(), Some("ok" | "skipped"));
        let patches = self.checks().iter().filter(of);
        let patches = patches.filter_map(|check| check["remedy"]["patch"].as_array());
        patches.flatten().collect()
    }

    /// `live` or `cold`.
    pub(super) fn mode(&self) -> &str {
        self.json["mode"].as_str().unwrap_or_default()
    }

    /// The findings as a person wants them in a failed test.
    pub(super) fn findings(&self) -> String {
        let mut text = String::new();
        for (id, status) in self.roots() {
            let check = self.check(id);
            text += &format!("  {id} {status}: {}", check["summary"].as_str().unwrap_or_default());
            for key in ["reason", "observed", "remedy"] {
                if let Some(value) = check.get(key) {
                    text += &format!("\n    {key}: {value}");
                }
            }
            text += "\n";
        }
        text
    }

    fn checks(&self) -> &[Value] {
        self.json["checks"].as_array().map_or(&[], Vec::as_slice)
    }
}
