//! JSON lines: one object per line and nothing else.

use serde::Serialize;

/// Appends a value and a newline.
///
/// # Errors
/// Never for the agent's own types; the signature is serde_json's.
pub fn append(out: &mut Vec<u8>, value: &impl Serialize) -> serde_json::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.push(b'\n');
    Ok(())
}
