//! What standard output can show: colours, characters beyond ASCII, columns.

use std::io::{self, IsTerminal};

use crate::doctor::render::Look;

/// What standard output can show.
pub(in crate::cli) fn look() -> Look {
    let terminal = io::stdout().is_terminal();
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    Look {
        color: terminal && !set("NO_COLOR") && std::env::var("TERM").as_deref() != Ok("dumb"),
        unicode: terminal && utf8_locale(),
        width: std::env::var("COLUMNS")
            .ok()
            .and_then(|columns| columns.parse().ok())
            .or_else(|| terminal.then(terminal_width).flatten())
            .unwrap_or(100),
    }
}

/// The first of these that is set decides, as in the C library.
fn utf8_locale() -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        })
}

#[expect(unsafe_code, reason = "no safe wrapper for TIOCGWINSZ is among the dependencies")]
fn terminal_width() -> Option<usize> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCGWINSZ writes one winsize to the address given, which points to a live value of that type.
    let result = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (result == 0 && size.ws_col > 0).then_some(usize::from(size.ws_col))
}
