//! The arithmetic: rows to contributions, contributions to one figure, the figure to a word.
//!
//! systemd's (`src/analyze/analyze-security.c`, `assess`): badness/range of a row times its weight, summed, over the sum of
//! the weights of all rows that apply, rounded up to a tenth; 10.0 is the worst. So is the word for it. Two things differ.
//! What could not be found out is left out of both sums there and here, but here the report also says how bad the figure
//! could be, and that is what a limit is held against. And a contribution is told in hundredths, because tenths that are
//! each rounded up do not add up.

use serde::Serialize;

use super::facts::{Facts, Phase};
use super::rows::{RANGE, ROWS, Row};

/// What a row came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// How it was judged.
    pub verdict: Verdict,
    /// What was found, in words.
    pub found: String,
}

/// How a row was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// From 0, as it should be, to [`RANGE`].
    Badness(u8),
    /// The question does not arise here: left out.
    NotApplicable,
    /// Could not be found out: left out, and counted in [`Report::at_most`].
    Unknown,
}

/// One row of a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The row's stable name.
    pub id: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// `ok`, `exposed`, `not_applicable` or `unknown`.
    pub status: &'static str,
    /// Its weight.
    pub weight: u32,
    /// From 0.0 to 1.0; absent where it was not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub badness: Option<f64>,
    /// What it adds to the score, in hundredths of a point, rounded to the nearest.
    pub contribution: f64,
    /// What was found.
    pub found: String,
    /// What somebody gains by it who takes the process over.
    pub why: &'static str,
    /// What lowers it.
    pub lower: &'static str,
}

/// The whole judgement of one subject.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What was judged.
    pub subject: String,
    /// Where the facts come from.
    pub source: String,
    /// When they hold.
    pub phase: Phase,
    /// The score, 0.0 to 10.0.
    pub exposure: f64,
    /// What the score would be if everything unknown were as bad as can be; equal to it where nothing is unknown.
    pub at_most: f64,
    /// The word for the score.
    pub word: &'static str,
    /// The rows, the largest contribution first, otherwise in the order of the table.
    pub rows: Vec<Line>,
}

/// Judges.
#[must_use]
pub fn assess(facts: &Facts) -> Report {
    let judged: Vec<(&'static Row, Judgement)> = ROWS.iter().map(|row| (row, (row.judge)(facts))).collect();
    let (mut bad, mut weights, mut unknown) = (0, 0, 0);
    for (row, judgement) in &judged {
        match judgement.verdict {
            Verdict::Badness(badness) => {
                bad += weighed(badness, row.weight);
                weights += row.weight;
            }
            Verdict::NotApplicable => {}
            Verdict::Unknown => unknown += row.weight,
        }
    }
    let exposure = tenths(bad, weights);
    let mut rows: Vec<Line> = judged
        .into_iter()
        .map(|(row, judgement)| line(row, judgement, weights))
        .collect();
    rows.sort_by(|one, other| other.contribution.total_cmp(&one.contribution));
    Report {
        subject: facts.subject.clone(),
        source: facts.source.clone(),
        phase: facts.phase,
        exposure: f64::from(exposure) / 10.0,
        at_most: f64::from(tenths(bad + unknown, weights + unknown)) / 10.0,
        word: word(exposure),
        rows,
    }
}

fn weighed(badness: u8, weight: u32) -> u32 {
    (u32::from(badness) * weight).div_ceil(u32::from(RANGE))
}

/// Tenths of a point, rounded up: only what is free of everything is 0.0.
fn tenths(bad: u32, weights: u32) -> u32 {
    if weights == 0 { 0 } else { (bad * 100).div_ceil(weights) }
}

/// systemd's words, from the lowest figure in tenths that has each.
const WORDS: [(u32, &str); 7] = [
    (100, "DANGEROUS"),
    (90, "UNSAFE"),
    (75, "EXPOSED"),
    (50, "MEDIUM"),
    (10, "OK"),
    (1, "SAFE"),
    (0, "PERFECT"),
];

fn word(exposure: u32) -> &'static str {
    WORDS
        .iter()
        .find(|(least, _)| exposure >= *least)
        .map_or("PERFECT", |(_, word)| word)
}

fn line(row: &'static Row, judgement: Judgement, weights: u32) -> Line {
    let (status, badness) = match judgement.verdict {
        Verdict::Badness(0) => ("ok", Some(0)),
        Verdict::Badness(badness) => ("exposed", Some(badness)),
        Verdict::NotApplicable => ("not_applicable", None),
        Verdict::Unknown => ("unknown", None),
    };
    let hundredths = badness.map_or(0, |badness| {
        let bad = weighed(badness, row.weight) * 1000;
        (bad + weights / 2).checked_div(weights).unwrap_or(0)
    });
    Line {
        id: row.id,
        title: row.title,
        status,
        weight: row.weight,
        badness: badness.map(|badness| f64::from(badness) / f64::from(RANGE)),
        contribution: f64::from(hundredths) / 100.0,
        found: judgement.found,
        why: row.why,
        lower: row.lower,
    }
}
