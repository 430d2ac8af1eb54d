//! Amounts as Kubernetes writes them: `100m`, `0.5`, `128Mi`, `1e9`.

use serde_json::Value;

/// Suffixes and what they multiply by (apimachinery, `pkg/api/resource/suffix.go`).
const SUFFIXES: [(&str, f64); 15] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
];

/// Whole bytes, rounded up as Kubernetes does; `None` for what is no amount.
#[must_use]
pub fn bytes(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => {
            let (number, factor) = SUFFIXES
                .iter()
                .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)))
                .unwrap_or((text, 1.0));
            // No words such as `inf`, which Rust reads and Kubernetes does not.
            let digits = number
                .chars()
                .all(|letter| letter.is_ascii_digit() || ".eE+-".contains(letter));
            whole(number.parse::<f64>().ok().filter(|_| digits)? * factor)
        }
        _ => None,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "held against its limits before"
)]
fn whole(number: f64) -> Option<u64> {
    let number = number.ceil();
    (number.is_finite() && (0.0..u64::MAX as f64).contains(&number)).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts() {
        for (value, expected) in [
            (json!("128Mi"), Some(128 << 20)),
            (json!("0.5Gi"), Some(512 << 20)),
            (json!("1e9"), Some(1_000_000_000)),
            (json!("1E"), Some(1_000_000_000_000_000_000)),
            (json!("1500m"), Some(2)),
            (json!("128974848"), Some(128_974_848)),
            (json!(134_217_728), Some(134_217_728)),
            (json!("128MB"), None),
            (json!("inf"), None),
            (json!("-1"), None),
            (json!(""), None),
            (json!(true), None),
        ] {
            assert_eq!(bytes(&value), expected, "{value}");
        }
    }
}
