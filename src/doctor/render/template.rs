//! Templates: what is put into them is escaped by the kind of the file, never by hand.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, escape_formatter};
use serde::Serialize;

const MARKDOWN: &str = "markdown";

macro_rules! templates {
    ($($name:literal),+) => { &[$(($name, include_str!(concat!("templates/", $name)))),+] };
}

const TEMPLATES: &[(&str, &str)] = templates!(
    "issue.md",
    "page.html",
    "page-check.html",
    "page-loss.html",
    "page-fields.html",
    "page.css",
    "suites.xml"
);

/// The template of this name with this in it.
pub(super) fn fill(name: &str, with: impl Serialize) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()?,
    );
    environment.set_auto_escape_callback(|name| match name.rsplit('.').next() {
        Some("md") => AutoEscape::Custom(MARKDOWN.into()),
        _ => AutoEscape::Html,
    });
    environment.set_formatter(format);
    environment.add_filter("code", |text: &str| Value::from_safe_string(code(text)));
    environment.add_filter("fence", |text: &str| Value::from_safe_string(fence(text)));
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    environment.get_template(name)?.render(Serde(&with))
}

fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let markdown = matches!(state.auto_escape(), AutoEscape::Custom(name) if name == MARKDOWN);
    if !markdown || value.is_safe() {
        let written = if markdown {
            write!(out, "{value}").map_err(Error::from)
        } else {
            escape_formatter(out, state, value)
        };
        return written;
    }
    if !value.is_none() && !value.is_undefined() {
        write!(out, "{}", markdown_escaped(&value.to_string()))?;
    }
    Ok(())
}

/// Text that is nothing but text in GitHub's Markdown: no markup, no HTML, no line of its own, and nobody is called.
fn markdown_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push(' '),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // A name or a number behind these would become a link, and the person would be told.
            '@' => escaped.push_str("&#64;"),
            '#' => escaped.push_str("&#35;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' | '$' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Code within a line: as it is, between more backticks than it has itself.
fn code(text: &str) -> String {
    let text = text.replace('\n', " ");
    let ticks = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// Lines of code, as they are.
fn fence(text: &str) -> String {
    let ticks = "`".repeat((longest_run(text) + 1).max(3));
    format!("{ticks}\n{}\n{ticks}", text.trim_end_matches('\n'))
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_text_code_and_fences_hold() {
        assert_eq!(
            markdown_escaped("<b>*a*</b> [x](y) | `z` @who #1\n# no"),
            "&lt;b&gt;\\*a\\*&lt;/b&gt; \\[x\\](y) \\| \\`z\\` &#64;who &#35;1 &#35; no"
        );
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`a\nb"), "`` `a b ``");
        assert_eq!(fence("a\n```\nb\n"), "````\na\n```\nb\n````");
    }
}
