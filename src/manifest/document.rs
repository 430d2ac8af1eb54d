//! YAML to values, for the form that programs read.

use serde_json::Value;

use super::Error;

/// One rendered document. It is the agent's own text, and still read under the parser's usual budget.
pub(super) fn parse(object: &'static str, document: &str) -> Result<Value, Error> {
    serde_saphyr::from_str(document).map_err(|source| Error::Document {
        object,
        source: Box::new(source),
    })
}
