//! The Markdown of our own pages as text for a terminal: headings, paragraphs, lists, tables and code, wrapped; links and emphasis as
//! their words. It is for what `pages` makes, not for Markdown at large.

use anstyle::Style;

use super::render::{Look, ascii, wrap};

/// Narrower than this nothing is readable; wider than this neither.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=100;
/// A last column narrower than this is no column any more.
const NARROWEST_COLUMN: usize = 30;

/// The page as text.
#[must_use]
pub fn text(markdown: &str, look: Look) -> String {
    let look = Look {
        width: look.width.clamp(*WIDTHS.start(), *WIDTHS.end()),
        ..look
    };
    let mut page = Page {
        look,
        out: String::new(),
        listing: false,
    };
    for block in blocks(markdown) {
        page.block(&block);
    }
    let out = page.out.trim_end().to_owned() + "\n";
    if look.unicode { out } else { ascii(&out) }
}

#[derive(Debug, PartialEq, Eq)]
enum Block {
    Heading(String),
    Paragraph(String),
    /// Bullet or number, indentation, and the words.
    Item {
        mark: String,
        indent: usize,
        text: String,
    },
    Table(Vec<Vec<String>>),
    Code(Vec<String>),
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    // Whether the next line may continue the last block.
    let mut open = false;
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        let words = line.trim();
        if words.is_empty() {
            open = false;
        } else if words.starts_with("```") {
            let code = lines.by_ref().take_while(|line| !line.trim().starts_with("```"));
            blocks.push(Block::Code(code.map(str::to_owned).collect()));
            open = false;
        } else if let Some(title) = heading(line) {
            blocks.push(Block::Heading(inline(title)));
            open = false;
        } else if words.starts_with('|') {
            row(&mut blocks, words, open);
            open = true;
        } else if let Some((mark, text)) = item(words) {
            blocks.push(Block::Item {
                mark: mark.to_owned(),
                indent: line.len() - line.trim_start().len(),
                text: text.to_owned(),
            });
            open = true;
        } else if open && let Some(Block::Paragraph(text) | Block::Item { text, .. }) = blocks.last_mut() {
            text.push(' ');
            text.push_str(words);
        } else if let Some(code_line) = line.strip_prefix("    ") {
            match blocks.last_mut() {
                Some(Block::Code(code)) => code.push(code_line.to_owned()),
                _ => blocks.push(Block::Code(vec![code_line.to_owned()])),
            }
        } else {
            blocks.push(Block::Paragraph(words.to_owned()));
            open = true;
        }
    }
    blocks
}

fn heading(line: &str) -> Option<&str> {
    let title = line.trim_start_matches('#');
    (title.len() < line.len()).then(|| title.strip_prefix(' ')).flatten()
}

/// A bullet or a number, and what follows.
fn item(words: &str) -> Option<(&str, &str)> {
    if let Some(text) = words.strip_prefix("* ").or_else(|| words.strip_prefix("- ")) {
        return Some(("*", text));
    }
    let digits = words.bytes().take_while(u8::is_ascii_digit).count();
    let text = words.get(digits..)?.strip_prefix(". ")?;
    (1..=2).contains(&digits).then(|| (&words[..=digits], text))
}

/// One line of a table. The one below the header says nothing to a reader.
fn row(blocks: &mut Vec<Block>, line: &str, open: bool) {
    let cells = cells(line);
    let rule = cells
        .iter()
        .all(|cell| !cell.is_empty() && cell.chars().all(|c| matches!(c, '-' | ':')));
    match blocks.last_mut() {
        _ if rule => {}
        Some(Block::Table(rows)) if open => rows.push(cells),
        _ => blocks.push(Block::Table(vec![cells])),
    }
}

fn cells(line: &str) -> Vec<String> {
    let line = line.strip_prefix('|').unwrap_or(line);
    let line = line.strip_suffix('|').unwrap_or(line);
    // An escaped bar is none.
    let line = line.replace("\\|", "\u{1}");
    line.split('|')
        .map(|cell| inline(cell.trim()).replace('\u{1}', "|"))
        .collect()
}

/// The words of links and of what is emphasised; code as it is, in its quotes.
fn inline(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '[', '*']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = match rest.as_bytes()[0] {
            b'`' => rest[1..].find('`').map(|end| (&rest[..end + 2], end + 2)),
            b'[' => link(rest),
            _ => emphasis(rest),
        };
        let (said, length) = taken.unwrap_or((&rest[..1], 1));
        out.push_str(said);
        rest = &rest[length..];
    }
    out + rest
}

/// `[words](target)`: its words, and how long it is.
fn link(text: &str) -> Option<(&str, usize)> {
    let end = text.find(']')?;
    let close = text[end..].strip_prefix("](")?.find(')')?;
    Some((&text[1..end], end + 2 + close + 1))
}

/// `*words*` and `**words**`.
fn emphasis(text: &str) -> Option<(&str, usize)> {
    let stars = if text.starts_with("**") { 2 } else { 1 };
    let inner = &text[stars..];
    let end = inner.find(&text[..stars])?;
    let said = &inner[..end];
    let tight = !said.is_empty() && !said.starts_with(' ') && !said.ends_with(' ');
    tight.then_some((said, end + 2 * stars))
}

struct Page {
    look: Look,
    out: String,
    /// The last block was an item of a list.
    listing: bool,
}

impl Page {
    fn block(&mut self, block: &Block) {
        let item = matches!(block, Block::Item { .. });
        match block {
            Block::Heading(title) => {
                self.gap();
                for line in wrap(title, self.look.width) {
                    let line = self.look.paint(Style::new().bold(), &line);
                    self.line(&line);
                }
                self.gap();
            }
            Block::Paragraph(text) => {
                self.gap();
                self.wrapped("", &inline(text));
            }
            Block::Item { mark, indent, text } => {
                if !self.listing {
                    self.gap();
                }
                let mark = match (mark.as_str(), self.look.unicode) {
                    ("*", true) => "•",
                    (mark, _) => mark,
                };
                self.wrapped(&format!("{:indent$}{mark} ", ""), &inline(text));
            }
            Block::Table(rows) => {
                self.gap();
                self.table(rows);
            }
            Block::Code(lines) => {
                self.gap();
                for line in lines {
                    self.line(&format!("    {line}"));
                }
                self.gap();
            }
        }
        self.listing = item;
    }

    /// Text behind a beginning, under which its further lines are indented.
    fn wrapped(&mut self, begin: &str, text: &str) {
        let indent = begin.chars().count();
        let mut begin = begin.to_owned();
        for line in wrap(text, self.look.width.saturating_sub(indent).max(1)) {
            self.line(&format!("{begin}{line}"));
            begin = " ".repeat(indent);
        }
    }

    fn table(&mut self, rows: &[Vec<String>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..columns.saturating_sub(1)).filter_map(width).collect();
        let before: usize = widths.iter().map(|width| width + 2).sum();
        let Some((header, body)) = rows.split_first() else {
            return;
        };
        if before + NARROWEST_COLUMN > self.look.width {
            self.records(header, body);
            return;
        }
        let titled = header.iter().any(|cell| !cell.is_empty());
        for (number, row) in rows.iter().enumerate().skip(usize::from(!titled)) {
            let mut begin = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                begin.push_str(cell);
                begin.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
            }
            let last = row.get(columns - 1).map_or("", String::as_str);
            if number == 0 {
                let line = format!("{begin}{last}");
                let line = self.look.paint(Style::new().dimmed(), line.trim_end());
                self.line(&line);
            } else {
                self.wrapped(&begin, last);
            }
        }
    }

    /// A table too wide for columns: its rows one below the other.
    fn records(&mut self, header: &[String], body: &[Vec<String>]) {
        for row in body {
            let mut cells = header.iter().zip(row);
            if let Some((_, first)) = cells.next() {
                let first = first.clone();
                self.wrapped("", &first);
            }
            for (title, cell) in cells.filter(|(_, cell)| !cell.is_empty()) {
                let begin = if title.is_empty() {
                    "  ".to_owned()
                } else {
                    format!("  {title}: ")
                };
                self.wrapped(&begin, cell);
            }
        }
    }

    /// One empty line, and none at the beginning.
    fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }
}

#[cfg(test)]
mod tests;
