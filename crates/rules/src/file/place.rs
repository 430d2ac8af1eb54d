//! Where each part of a YAML scalar's value stands in the file.
//!
//! A reader of YAML tells where a scalar begins and ends, not what became of its lines: folding, indentation and escapes
//! make the value another text than what stands there. Here both are walked side by side. What is equal is matched byte by
//! byte; a line break, an escape and a doubled quote is the place of what it became.

use std::ops::Range;
use std::sync::Arc;

use granit_parser::ScalarStyle;

use crate::source::{Source, Span};
use crate::text::Text;

/// The value with its places. `range` is where the scalar stands, with its quotes, without the head of a block.
pub(super) fn text(source: &Arc<Source>, range: Range<usize>, value: &str, style: ScalarStyle) -> Text {
    let place = |range: Range<usize>| Span {
        source: Arc::clone(source),
        range,
    };
    let written = source.text.get(range.clone()).unwrap_or_default();
    if written == value || value.is_empty() {
        return Text::new(value, place(range));
    }
    let mut walk = Walk {
        value,
        at: 0,
        text: Text::default(),
        source,
        from: range.start,
    };
    let walked = match style {
        ScalarStyle::Literal | ScalarStyle::Folded => walk.block(written),
        ScalarStyle::Plain => walk.flow(written, 0, None),
        ScalarStyle::SingleQuoted => walk.flow(inside(written), 1, Some('\'')),
        ScalarStyle::DoubleQuoted => walk.flow(inside(written), 1, Some('\\')),
    };
    // What could not be matched has its beginning as its place; so has all of it, because a match that fails late may
    // have gone wrong early.
    if walked.is_none() || walk.at != value.len() {
        Text::new(value, place(range))
    } else {
        walk.text
    }
}

/// What stands between quotes.
fn inside(written: &str) -> &str {
    written.get(1..written.len().saturating_sub(1)).unwrap_or_default()
}

/// How far value and source are matched.
struct Walk<'a> {
    value: &'a str,
    at: usize,
    text: Text,
    source: &'a Arc<Source>,
    from: usize,
}

impl Walk<'_> {
    /// The next `length` bytes of the value stand at `written` in the scalar.
    fn matched(&mut self, length: usize, written: Range<usize>) -> Option<()> {
        let part = self.value.get(self.at..self.at + length)?;
        let range = self.from + written.start..self.from + written.end;
        if length > 0 {
            self.text.push(
                part,
                Span {
                    source: Arc::clone(self.source),
                    range,
                },
            );
        }
        self.at += length;
        Some(())
    }

    /// The same words stand in the value and, at `start`, in the scalar.
    fn equal(&mut self, words: &str, start: usize) -> Option<()> {
        self.value.get(self.at..)?.starts_with(words).then_some(())?;
        self.matched(words.len(), start..start + words.len())
    }

    /// Lines of a block, literal or folded: what stands in them is taken as it is, and what is between them became blanks
    /// and line breaks.
    fn block(&mut self, written: &str) -> Option<()> {
        let mut end = 0;
        for (start, line) in lines(written) {
            let words = line.trim();
            if words.is_empty() {
                continue;
            }
            let start = start + (line.len() - line.trim_start().len());
            self.blanks(end..start)?;
            self.equal(words, start)?;
            end = start + words.len();
        }
        self.blanks(end..written.len())
    }

    /// All blanks and line breaks that come next in the value stand in this part of the scalar.
    fn blanks(&mut self, written: Range<usize>) -> Option<()> {
        let rest = self.value.get(self.at..)?;
        self.matched(rest.len() - rest.trim_start().len(), written)
    }

    /// Lines of a plain or quoted scalar: a line break is a blank, each empty line behind it a line break.
    fn flow(&mut self, written: &str, shift: usize, escape: Option<char>) -> Option<()> {
        let mut breaks = 0;
        let mut end = 0;
        // A backslash at the end of a line takes the line break away.
        let mut joined = false;
        for (index, (start, line)) in lines(written).enumerate() {
            let last = start + line.len() == written.len();
            let mut words = if index == 0 {
                line
            } else {
                line.trim_start_matches(BLANKS)
            };
            let start = start + line.len() - words.len();
            if !last {
                words = words.trim_end_matches(BLANKS);
            }
            if index > 0 {
                breaks += 1;
            }
            if words.is_empty() && !last {
                continue;
            }
            if breaks > 0 && !joined {
                self.matched(if breaks == 1 { 1 } else { breaks - 1 }, end + shift..start + shift)?;
            }
            breaks = 0;
            joined = self.words(words, start + shift, escape)?;
            end = start + words.len();
        }
        Some(())
    }

    /// What stands in one line. True: its end is escaped.
    fn words(&mut self, words: &str, start: usize, escape: Option<char>) -> Option<bool> {
        let mut at = 0;
        while let Some(found) = escape.and_then(|escape| words[at..].find(escape)) {
            self.equal(&words[at..at + found], start + at)?;
            at += found;
            let length = match words[at + 1..].chars().next() {
                None => return Some(true),
                Some('x') => 4,
                Some('u') => 6,
                Some('U') => 10,
                Some(next) => 1 + next.len_utf8(),
            };
            let became = self.value.get(self.at..)?.chars().next()?.len_utf8();
            self.matched(became, start + at..start + at + length)?;
            at += length;
            words.get(at..)?;
        }
        self.equal(&words[at..], start + at)?;
        Some(false)
    }
}

/// What separates words in a line.
const BLANKS: [char; 3] = [' ', '\t', '\r'];

/// Lines without their breaks, each with where it begins.
fn lines(written: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    written.split('\n').map(move |line| {
        let start = at;
        at += line.len() + 1;
        (start, line)
    })
}
