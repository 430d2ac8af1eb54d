//! Amounts as Kubernetes writes them: `100m`, `0.5`, `128Mi`.

use serde::Deserialize;

use super::super::error::{LabError, Result};

/// An amount, not yet understood.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Quantity {
    Number(u64),
    Text(String),
}

/// Suffixes of whole amounts (apimachinery, pkg/api/resource/suffix.go), as far as manifests use them.
const SUFFIXES: [(&str, u64); 8] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("Ti", 1 << 40),
    ("T", 1_000_000_000_000),
];

impl Quantity {
    /// Thousandths: of a processor.
    pub(crate) fn milli(&self) -> Result<u64> {
        match self {
            Self::Number(number) => Ok(number * 1000),
            Self::Text(text) => {
                let thousandths = match text.strip_suffix('m') {
                    Some(number) => number.parse().ok(),
                    None => text.parse::<f64>().ok().map(|number| (number * 1000.0).round() as u64),
                };
                thousandths.ok_or_else(|| LabError::pod(format!("{text:?} is no amount of processors")))
            }
        }
    }

    /// Whole ones: bytes.
    pub(crate) fn bytes(&self) -> Result<u64> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Text(text) => {
                let (number, factor) = SUFFIXES
                    .iter()
                    .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)))
                    .unwrap_or((text, 1));
                let whole: Option<u64> = number.parse().ok();
                whole
                    .and_then(|whole| whole.checked_mul(factor))
                    .ok_or_else(|| LabError::pod(format!("{text:?} is no amount of bytes")))
            }
        }
    }
}
