//! The one table that a run prints, line by line as it is measured.

use std::io::Write as _;

/// Prints lines.
pub(crate) struct Table;

/// How a figure reads, and the most that it is meant to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    unit: &'static str,
    digits: usize,
    goal: Option<f64>,
}

impl Form {
    /// A ratio with two digits.
    pub(crate) const RATIO: Self = Self::of("x", 2);

    pub(crate) const fn of(unit: &'static str, digits: usize) -> Self {
        Self {
            unit,
            digits,
            goal: None,
        }
    }

    pub(crate) const fn at_most(self, goal: f64) -> Self {
        Self {
            goal: Some(goal),
            ..self
        }
    }
}

impl Table {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn section(&mut self, name: &str) {
        println!("\n{name}");
    }

    /// A figure from its values in all rounds.
    pub(crate) fn figure(&mut self, name: &str, form: Form, values: &[f64]) {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let (Some(&least), Some(&most)) = (values.first(), values.last()) else {
            return self.remark(name, "not known");
        };
        let middle = values[values.len() / 2];
        let Form { unit, digits, goal } = form;
        let range = format!("({least:.digits$} .. {most:.digits$})");
        let goal = goal.map_or(String::new(), |goal| {
            let verdict = if middle <= goal { "" } else { " MISSED" };
            format!("[<= {goal}]{verdict}")
        });
        println!("  {name:<62} {middle:>9.digits$} {unit:<7} {range:<22} {goal}");
        let _ = std::io::stdout().flush();
    }

    /// A line that is no figure.
    pub(crate) fn remark(&mut self, name: &str, text: &str) {
        println!("  {name:<62} {text}");
    }
}
