//! What the pictures of the page are drawn from: rectangles in a space of [`WIDE`] by [`HIGH`], and all of it in words as well.

mod fields;
mod loss;

pub(super) use fields::{Fields, fields};
pub(super) use loss::{Loss, loss};

const WIDE: f64 = 1000.0;
const HIGH: f64 = 100.0;
const MINUTE: f64 = 60.0;

#[expect(clippy::cast_precision_loss, reason = "a picture")]
fn whole(count: u64) -> f64 {
    count as f64
}

fn fixed(length: f64) -> String {
    let text = format!("{length:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// With as many decimals as say something.
fn number(value: f64) -> String {
    let decimals = match value {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 0.1 || v == 0.0 => 2,
        _ => 4,
    };
    trimmed(&format!("{value:.decimals$}"))
}

fn trimmed(text: &str) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text.to_owned()
    }
}

/// Whole, in groups of three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

fn minutes(seconds: f64) -> String {
    if seconds < 1.5 * MINUTE {
        format!("{seconds:.0} s")
    } else {
        format!("{:.0} min", seconds / MINUTE)
    }
}

fn ago(seconds: f64) -> String {
    if seconds < 1.0 {
        "just now".to_owned()
    } else {
        format!("{} ago", minutes(seconds))
    }
}
