//! Escapes in quoted values, as libsinsp's filter language has them.

use std::ops::Range;

/// An escape that the language does not have, in bytes of what stands between the quotes.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) range: Range<usize>,
    pub(super) message: String,
}

/// Resolves the escapes of what stands between two `quote`s.
pub(super) fn resolve(inner: &str, quote: char) -> Result<String, Wrong> {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut at = 0;
    // The last escape for a byte outside of ASCII: what to point at where the bytes are no UTF-8.
    let mut last = 0..0;
    while let Some(found) = inner[at..].find('\\') {
        let start = at + found;
        bytes.extend_from_slice(&inner.as_bytes()[at..start]);
        let Some(escaped) = inner[start + 1..].chars().next() else {
            return Err(Wrong {
                range: start..start + 1,
                message: "expected a character behind `\\`".to_owned(),
            });
        };
        let mut end = start + 1 + escaped.len_utf8();
        match escaped {
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            // A blank stands for a backslash, because a rule of old was written so.
            ' ' | '\\' => bytes.push(b'\\'),
            '/' => bytes.push(b'/'),
            '"' | '\'' if escaped == quote => bytes.push(quote as u8),
            'x' => {
                let byte = inner.get(end..end + 2).and_then(hexadecimal).ok_or_else(|| Wrong {
                    range: start..end,
                    message: "expected two hexadecimal digits behind `\\x`".to_owned(),
                })?;
                end += 2;
                if byte >= 0x80 {
                    last = start..end;
                }
                bytes.push(byte);
            }
            _ => {
                let message = format!("the escape `\\{escaped}` is not known between {quote}");
                return Err(Wrong {
                    range: start..end,
                    message,
                });
            }
        }
        at = end;
    }
    bytes.extend_from_slice(&inner.as_bytes()[at..]);
    String::from_utf8(bytes).map_err(|_| Wrong {
        range: last,
        message: "bytes that are no UTF-8 cannot be compared here".to_owned(),
    })
}

/// The byte that two digits stand for.
fn hexadecimal(digits: &str) -> Option<u8> {
    digits
        .bytes()
        .all(|b| b.is_ascii_hexdigit())
        .then(|| u8::from_str_radix(digits, 16).ok())?
}
