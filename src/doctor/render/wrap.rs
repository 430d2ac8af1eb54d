//! Lines for a terminal.

/// Breaks text into lines of at most `width` characters, at blanks where there are any.
pub(in crate::doctor) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + rest.len() > width {
            lines.push(String::new());
            used = 0;
        }
        while rest.len() > width {
            let tail = rest.split_off(width);
            push(&mut lines, &rest, 0);
            lines.push(String::new());
            rest = tail;
        }
        push(&mut lines, &rest, used);
        used += rest.len() + usize::from(used > 0);
    }
    lines
}

/// As many of these as there is room for behind `before`, in one line: whole ones, and of the next a part that still says
/// something.
pub(super) fn fitting(before: &str, parts: &[&str], width: usize) -> String {
    const BETWEEN: &str = "; ";
    const MORE: &str = "; …";
    /// Shorter beginnings of a sentence say nothing.
    const TELLING: usize = 24;
    let mut line = before.to_owned();
    for (index, part) in parts.iter().enumerate() {
        let part = plain(part);
        let between = if index == 0 { "" } else { BETWEEN };
        let last = index + 1 == parts.len();
        let room = if last { 0 } else { MORE.chars().count() };
        let used = line.chars().count() + between.len();
        if used + part.chars().count() + room > width {
            return if index == 0 || width.saturating_sub(used) >= TELLING {
                cut(&format!("{line}{between}{part}"), width)
            } else {
                line + MORE
            };
        }
        line = line + between + &part;
    }
    line
}

/// The beginning of the text, where it is longer.
pub(super) fn cut(text: &str, width: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= width {
        return text;
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept.trim_end().to_owned() + "…"
}

/// In one line, and nothing in it that would drive a terminal.
pub(super) fn plain(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => ' ',
        c if c.is_control() => '?',
        c => c,
    };
    text.chars().map(shown).collect()
}

fn push(lines: &mut [String], word: &[char], used: usize) {
    if let Some(line) = lines.last_mut() {
        if used > 0 {
            line.push(' ');
        }
        // Names and messages come from elsewhere: no control character of theirs reaches the terminal.
        line.extend(word.iter().map(|&c| if c.is_control() { '?' } else { c }));
    }
}

/// For a terminal that shows ASCII only. Colour sequences are ASCII and stay.
pub(in crate::doctor) fn ascii(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '…' => '~',
            '→' => '>',
            c if c.is_ascii() => c,
            _ => '?',
        })
        .collect()
}
