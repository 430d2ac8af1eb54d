//! A report for people. For machines, [`super::Report`] is serialised as it is.

use anstyle::{AnsiColor, Style};

use super::facts::Phase;
use super::score::{Line, Report};
use crate::doctor::render::Look;

/// The title's column.
const TITLE: usize = 38;

/// The report as text: what counts first, then what is as it should be, then the figure.
#[must_use]
pub fn text(report: &Report, look: Look) -> String {
    let mut page = format!(
        "{}\n{}\n\n",
        printable(&report.subject),
        printable(&format!(
            "{}: {}",
            report.source,
            match report.phase {
                Phase::Start => "what it is granted when it starts",
                Phase::Running => "what it has now",
            }
        ))
    );
    page.push_str(&format!("     EXPOSURE WEIGHT  {:<TITLE$} FOUND\n", "ROW"));
    for row in &report.rows {
        line(&mut page, row, look);
    }
    let figure = format!("{:.1} {}", report.exposure, report.word);
    page.push_str(&format!(
        "\nOverall exposure of {}: {}\n",
        printable(&report.subject),
        look.paint(color(report.exposure), &figure)
    ));
    if report.at_most > report.exposure {
        page.push_str(&format!(
            "At most {:.1}, if all that could not be found out were as bad as can be.\n",
            report.at_most
        ));
    }
    page
}

fn line(page: &mut String, row: &Line, look: Look) {
    let (mark, style) = match (row.status, look.unicode) {
        ("ok", true) => ("✓", AnsiColor::Green.on_default()),
        ("ok", false) => ("+", AnsiColor::Green.on_default()),
        ("exposed", true) => ("✗", AnsiColor::Red.on_default()),
        ("exposed", false) => ("x", AnsiColor::Red.on_default()),
        ("unknown", _) => ("?", AnsiColor::Yellow.on_default()),
        _ => ("-", Style::new()),
    };
    let contribution = if row.status == "exposed" {
        format!("{:.2}", row.contribution)
    } else {
        String::new()
    };
    page.push_str(&format!(
        "  {}  {contribution:>8} {:>6}  {:<TITLE$} {}\n",
        look.paint(style, mark),
        row.weight,
        row.title,
        printable(&row.found)
    ));
    if row.status == "exposed" {
        let indent = 2 + 1 + 2 + 8 + 1 + 6 + 2 + TITLE + 1;
        page.push_str(&format!("{:indent$}lower it: {}\n", "", row.lower));
    }
}

fn color(exposure: f64) -> Style {
    if exposure >= 9.0 {
        AnsiColor::Red.on_default().bold()
    } else if exposure >= 5.0 {
        AnsiColor::Yellow.on_default().bold()
    } else {
        AnsiColor::Green.on_default().bold()
    }
}

/// Names come from files that anybody may have written: nothing in them may steer a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
