//! What is wrong with rules, each with its place. All of it is told, not the first.

use std::fmt;

use crate::source::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file is usable as it is.
    Warning,
    /// The rules cannot be loaded.
    Error,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// Where, in the rule file itself and not in a resolved copy.
    pub span: Span,
    /// The rule, macro or list that it is in, as `rule NAME`; empty for what is in none.
    pub item: String,
    /// What is wrong, without the place.
    pub message: String,
    /// What to do, e.g. the nearest known name.
    pub help: Option<String>,
}

impl Problem {
    /// An error.
    #[must_use]
    pub fn error(span: Span, item: &str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            span,
            item: item.to_owned(),
            message: message.into(),
            help: None,
        }
    }

    /// A warning.
    #[must_use]
    pub fn warning(span: Span, item: &str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(span, item, message)
        }
    }

    /// The same with advice.
    #[must_use]
    pub fn with_help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.span.position();
        let word = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{}:{}:{}: {word}: ", self.span.source.name, at.line, at.column)?;
        if !self.item.is_empty() {
            write!(f, "{}: ", self.item)?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// The question after the nearest known name, where there is one.
#[must_use]
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, known).map(|known| format!("did you mean `{known}`?"))
}

/// The known name that is most like `name`, where one is so like it that a slip explains it.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A distance is a product of lengths: long names are not compared.
    const LONGEST: usize = 128;
    const MOST: usize = 4096;
    let slips = (name.len() / 3).clamp(1, 4);
    if name.len() > LONGEST {
        return None;
    }
    let near = known
        .into_iter()
        .take(MOST)
        .filter(|known| known.len().abs_diff(name.len()) <= slips && *known != name);
    near.map(|known| (strsim::osa_distance(name, known), known))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// As much of a name as a message shows.
pub(crate) fn shortened(name: &str) -> String {
    const SHOWN: usize = 64;
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{nearest, shortened};

    #[test]
    fn only_a_slip_has_a_nearest_name() {
        let known = ["proc.name", "proc.pname", "proc.exepath", "fd.name", "in"];
        assert_eq!(nearest("proc.nmae", known), Some("proc.name"));
        assert_eq!(nearest("proc.exe_path", known), Some("proc.exepath"));
        assert_eq!(nearest("procname", known), Some("proc.name"));
        assert_eq!(nearest("container.id", known), None);
        assert_eq!(nearest("inside", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"x".repeat(1000), known), None);
    }

    #[test]
    fn long_names_are_shortened_between_characters() {
        assert_eq!(shortened("é"), "é");
        assert_eq!(shortened(&"é".repeat(65)), format!("{}…", "é".repeat(64)));
    }
}
