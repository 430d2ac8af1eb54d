//! What the pictures of the page are drawn from: rectangles in a space of [`WIDE`] by [`HIGH`], and all of it in words as well.

use serde::Serialize;

use super::super::past::{Field, Interval, Live};

const WIDE: f64 = 1000.0;
const HIGH: f64 = 100.0;
/// Longer intervals are those of minutes.
const SECOND: f64 = 5.0;
const MINUTE: f64 = 60.0;
/// A loss that is drawn too small to be seen would not be seen.
const LOWEST: f64 = 2.0;

/// Losses over time.
#[derive(Debug, Serialize)]
pub(super) struct Loss {
    /// In a sentence or two.
    pub(super) said: String,
    pub(super) budget: String,
    pub(super) charts: Vec<Chart>,
}

/// One stretch of time, the newest at the right.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    pub(super) id: &'static str,
    pub(super) title: String,
    pub(super) said: String,
    pub(super) begins: String,
    /// The most events a second, and the largest share of losses that is drawn.
    pub(super) top_rate: String,
    pub(super) top_share: String,
    /// Where the line of the budget is.
    pub(super) budget: String,
    pub(super) bars: Vec<Bar>,
}

/// One interval.
#[derive(Debug, Serialize)]
pub(super) struct Bar {
    pub(super) x: String,
    pub(super) width: String,
    /// Top and height of what was handed over, of what was lost on top of it, and of the share.
    pub(super) delivered: (String, String),
    pub(super) dropped: (String, String),
    pub(super) share: (String, String),
    pub(super) over: bool,
    pub(super) ago: String,
    pub(super) rate_said: String,
    pub(super) lost_said: String,
    pub(super) share_said: String,
}

/// What became of the fields of metadata.
#[derive(Debug, Serialize)]
pub(super) struct Fields {
    pub(super) said: String,
    pub(super) window: String,
    pub(super) threshold: String,
    pub(super) rows: Vec<Row>,
}

/// One field.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) field: String,
    /// Widths of present, not known, and none to tell; with where they begin.
    pub(super) present: String,
    pub(super) missing: (String, String),
    pub(super) inapplicable: (String, String),
    pub(super) known: String,
    pub(super) low: bool,
    pub(super) counts: String,
    /// Why it is not known, the most frequent first.
    pub(super) reasons: String,
}

/// Nothing where the agent told of no two readings.
pub(super) fn loss(live: &Live) -> Option<Loss> {
    let fine: Vec<&Interval> = live.loss.iter().filter(|it| it.seconds <= SECOND).collect();
    let mut hour: Vec<Interval> = live.loss.iter().filter(|it| it.seconds > SECOND).cloned().collect();
    let past = !hour.is_empty();
    // Seconds together are the newest minute.
    hour.extend(together(&fine));
    let mut charts = Vec::new();
    if past {
        let span = span(&hour);
        let title = format!("The last {}, by minute", minutes(span));
        charts.push(chart(
            "hour",
            title,
            &hour.iter().collect::<Vec<_>>(),
            live.loss_percent,
        ));
    }
    if !fine.is_empty() {
        let span = fine.first().map_or(0.0, |first| first.seconds_ago + first.seconds);
        let title = format!("The last {span:.0} s, by second");
        charts.push(chart("minute", title, &fine, live.loss_percent));
    }
    (!charts.is_empty()).then(|| Loss {
        said: told(&hour),
        budget: format!("{} %", number(live.loss_percent)),
        charts,
    })
}

fn together(fine: &[&Interval]) -> Option<Interval> {
    let (first, last) = (fine.first()?, fine.last()?);
    let seconds: f64 = fine.iter().map(|it| it.seconds).sum();
    let mean = |rate: fn(&Interval) -> f64| fine.iter().map(|it| rate(it) * it.seconds).sum::<f64>() / seconds;
    Some(Interval {
        seconds_ago: last.seconds_ago,
        seconds: first.seconds_ago + first.seconds - last.seconds_ago,
        seen: mean(|it| it.seen),
        delivered: mean(|it| it.delivered),
        dropped: mean(|it| it.dropped),
    })
}

fn span(intervals: &[Interval]) -> f64 {
    intervals.first().map_or(0.0, |first| first.seconds_ago + first.seconds)
}

/// Lost ones among those that were wanted, in percent.
fn share(it: &Interval) -> f64 {
    let wanted = it.delivered + it.dropped;
    if wanted > 0.0 { it.dropped / wanted * 100.0 } else { 0.0 }
}

fn told(hour: &[Interval]) -> String {
    let sum = |rate: fn(&Interval) -> f64| hour.iter().map(|it| rate(it) * it.seconds).sum::<f64>();
    let (lost, wanted) = (sum(|it| it.dropped), sum(|it| it.delivered + it.dropped));
    let within = minutes(span(hour));
    if wanted < 0.5 {
        return format!("No event was wanted in the last {within}.");
    }
    if lost < 0.5 {
        return format!("None of {} events was lost in the last {within}.", grouped(wanted));
    }
    let worst = hour.iter().max_by(|a, b| share(a).total_cmp(&share(b)));
    let worst = worst.map_or_else(String::new, |worst| {
        format!(
            " At worst it was {} %, {}.",
            number(share(worst)),
            ago(worst.seconds_ago + worst.seconds / 2.0)
        )
    });
    format!(
        "{} of {} events were lost in the last {within}, {} %.{worst}",
        grouped(lost),
        grouped(wanted),
        number(lost / wanted * 100.0)
    )
}

fn chart(id: &'static str, title: String, intervals: &[&Interval], budget: f64) -> Chart {
    let span = intervals
        .iter()
        .map(|it| it.seconds_ago + it.seconds)
        .fold(1.0, f64::max);
    let top_rate = intervals.iter().map(|it| it.delivered + it.dropped).fold(1.0, f64::max);
    let worst = intervals.iter().map(|it| share(it)).fold(0.0, f64::max);
    // The budget is always in sight, and so is what is above it.
    let top_share = (worst.max(budget) * 1.25).clamp(0.01, 100.0);
    let bars = intervals
        .iter()
        .map(|it| bar(it, span, top_rate, top_share, budget))
        .collect();
    let busiest = grouped(top_rate);
    Chart {
        id,
        title,
        said: format!(
            "At most {busiest} events a second; at most {} % of them lost, where {} % is the budget.",
            number(worst),
            number(budget)
        ),
        begins: ago(span),
        top_rate: busiest,
        top_share: number(top_share),
        budget: fixed(HIGH - budget / top_share * HIGH),
        bars,
    }
}

fn bar(it: &Interval, span: f64, top_rate: f64, top_share: f64, budget: f64) -> Bar {
    let seen = |height: f64| if height > 0.0 { height.max(LOWEST) } else { 0.0 };
    let delivered = it.delivered / top_rate * HIGH;
    let dropped = seen(it.dropped / top_rate * HIGH);
    let share = share(it);
    let lost = seen(share / top_share * HIGH);
    let width = it.seconds / span * WIDE;
    Bar {
        x: fixed(WIDE - (it.seconds_ago + it.seconds) / span * WIDE),
        // A gap, where there is room for one.
        width: fixed((width * 0.9).max(width - 2.0)),
        delivered: (fixed(HIGH - delivered), fixed(delivered)),
        dropped: (fixed((HIGH - delivered - dropped).max(0.0)), fixed(dropped)),
        share: (fixed(HIGH - lost), fixed(lost)),
        over: share >= budget && share > 0.0,
        ago: ago(it.seconds_ago),
        rate_said: grouped(it.delivered),
        lost_said: number(it.dropped),
        share_said: number(share),
    }
}

/// Nothing where the agent told of no event of a container.
pub(super) fn fields(live: &Live) -> Option<Fields> {
    let rows: Vec<Row> = live
        .fields
        .iter()
        .filter(|field| events(field) > 0)
        .map(|field| row(field, live.complete_percent))
        .collect();
    let most = live.fields.iter().map(events).max()?;
    if rows.is_empty() {
        return None;
    }
    let lacking = rows.iter().filter(|row| !row.reasons.is_empty()).count();
    let low = rows.iter().filter(|row| row.low).count();
    let of = format!("{} events of containers", grouped(whole(most)));
    let said = match lacking {
        0 => format!(
            "All {} fields are known in all of {of}, where there is something to tell.",
            rows.len()
        ),
        1 => format!("1 of {} fields is not known in some of {of}", rows.len()),
        some => format!("{some} of {} fields are not known in some of {of}", rows.len()),
    };
    let said = match (lacking, low) {
        (0, _) => said,
        (_, 0) => format!(
            "{said}; none is below the profile's {} %.",
            number(live.complete_percent)
        ),
        (_, low) => format!("{said}; {low} below the profile's {} %.", number(live.complete_percent)),
    };
    Some(Fields {
        said,
        window: minutes(live.window_seconds),
        threshold: format!("{} %", number(live.complete_percent)),
        rows,
    })
}

fn events(field: &Field) -> u64 {
    field
        .present
        .saturating_add(field.inapplicable)
        .saturating_add(field.absent())
}

fn row(field: &Field, complete_percent: f64) -> Row {
    let all = whole(events(field));
    let (present, missing) = (whole(field.present), whole(field.absent()));
    let wide = |count: f64| count / all * WIDE;
    let applies = present + missing;
    let known = if applies > 0.0 {
        present / applies * 100.0
    } else {
        100.0
    };
    // What is missing must be seen.
    let missing_wide = if missing > 0.0 { wide(missing).max(6.0) } else { 0.0 };
    let present_wide = wide(present).min(WIDE - missing_wide);
    let mut reasons: Vec<(&str, u64)> = field
        .missing
        .iter()
        .map(|(reason, count)| (reason.as_ref(), *count))
        .collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Row {
        field: field.field.clone(),
        present: fixed(present_wide),
        missing: (fixed(present_wide), fixed(missing_wide)),
        inapplicable: (
            fixed(present_wide + missing_wide),
            fixed((WIDE - present_wide - missing_wide).max(0.0)),
        ),
        known: if applies > 0.0 {
            format!("{} %", down(known))
        } else {
            "none to tell".to_owned()
        },
        low: known < complete_percent,
        counts: format!(
            "{} known, {} not known, {} with none to tell",
            grouped(present),
            grouped(missing),
            grouped(whole(field.inapplicable))
        ),
        reasons: reasons
            .iter()
            .map(|(reason, count)| format!("{reason} {}", grouped(whole(*count))))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

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

/// A share that is never rounded up to all.
fn down(percent: f64) -> String {
    trimmed(&format!("{:.2}", (percent * 100.0).floor() / 100.0))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(seconds_ago: f64, seconds: f64, delivered: f64, dropped: f64) -> Interval {
        Interval {
            seconds_ago,
            seconds,
            seen: delivered + dropped,
            delivered,
            dropped,
        }
    }

    fn live(loss: Vec<Interval>, fields: Vec<Field>) -> Live {
        Live {
            window_seconds: 600.0,
            loss,
            fields,
            loss_percent: 1.0,
            complete_percent: 95.0,
        }
    }

    #[test]
    fn a_loss_is_drawn_where_and_as_large_as_it_was() {
        let past = vec![
            interval(120.0, 60.0, 100.0, 0.0),
            interval(60.0, 60.0, 90.0, 10.0),
            interval(1.0, 1.0, 50.0, 0.0),
            interval(0.0, 1.0, 50.0, 0.0),
        ];
        let drawn = loss(&live(past, Vec::new())).unwrap();
        assert_eq!(
            drawn.charts.iter().map(|chart| chart.id).collect::<Vec<_>>(),
            ["hour", "minute"]
        );
        let hour = &drawn.charts[0];
        // Two minutes and the two seconds that are the newest.
        assert_eq!(hour.bars.len(), 3);
        assert_eq!((hour.bars[1].x.as_str(), hour.bars[1].over), ("333.3", true));
        assert_eq!(hour.bars[1].dropped, ("0".to_owned(), "10".to_owned()));
        // Of at most 12.5 %, 10 %.
        assert_eq!(hour.bars[1].share, ("20".to_owned(), "80".to_owned()));
        assert_eq!(hour.budget, "92");
        assert!(
            drawn.said.starts_with("600 of 12\u{202f}100 events were lost"),
            "{}",
            drawn.said
        );
        assert!(
            drawn.said.contains("At worst it was 10 %, 90 s ago") || drawn.said.contains("2 min ago"),
            "{}",
            drawn.said
        );
    }

    #[test]
    fn a_loss_too_small_to_draw_is_drawn_and_none_is_not() {
        let drawn = loss(&live(
            vec![interval(0.0, 1.0, 1e6, 0.01), interval(0.0, 1.0, 5.0, 0.0)],
            Vec::new(),
        ))
        .unwrap();
        assert_eq!(drawn.charts[0].bars[0].dropped.1, "2");
        assert_eq!(drawn.charts[0].bars[1].dropped.1, "0");
        assert!(loss(&live(Vec::new(), Vec::new())).is_none());
    }

    #[test]
    fn silence_is_no_division_by_zero() {
        let drawn = loss(&live(vec![interval(0.0, 1.0, 0.0, 0.0)], Vec::new())).unwrap();
        let text = format!("{drawn:?}");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }

    #[test]
    fn fields_are_shared_out_and_never_rounded_up_to_all() {
        let field = Field {
            field: "container.name".to_owned(),
            present: 99_999,
            inapplicable: 100_000,
            missing: [("runtime_timeout".into(), 1)].into(),
        };
        let drawn = fields(&live(Vec::new(), vec![field])).unwrap();
        let row = &drawn.rows[0];
        assert_eq!((row.known.as_str(), row.low), ("99.99 %", false));
        assert_eq!((row.present.as_str(), row.missing.1.as_str()), ("500", "6"));
        assert_eq!(row.reasons, "runtime_timeout 1");
        assert!(fields(&live(Vec::new(), Vec::new())).is_none());
    }
}
