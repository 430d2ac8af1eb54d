//! Losses over time: by the minute in the last hour, by the second in the last minute.

use serde::Serialize;

use super::super::super::past::{Interval, Live};
use super::{HIGH, WIDE, ago, fixed, grouped, minutes, number};

/// Longer intervals are those of minutes.
const SECOND: f64 = 5.0;
/// A loss that is drawn too small to be seen would not be seen.
const LOWEST: f64 = 2.0;

/// Losses over time.
#[derive(Debug, Serialize)]
pub(in crate::doctor::render) struct Loss {
    /// In a sentence or two.
    pub(in crate::doctor::render) said: String,
    pub(in crate::doctor::render) budget: String,
    pub(in crate::doctor::render) charts: Vec<Chart>,
}

/// One stretch of time, the newest at the right.
#[derive(Debug, Serialize)]
pub(in crate::doctor::render) struct Chart {
    pub(in crate::doctor::render) id: &'static str,
    pub(in crate::doctor::render) title: String,
    pub(in crate::doctor::render) said: String,
    pub(in crate::doctor::render) begins: String,
    /// The most events a second, and the largest share of losses that is drawn.
    pub(in crate::doctor::render) top_rate: String,
    pub(in crate::doctor::render) top_share: String,
    pub(in crate::doctor::render) any_lost: bool,
    /// Where the line of the budget is.
    pub(in crate::doctor::render) budget: String,
    pub(in crate::doctor::render) bars: Vec<Bar>,
}

/// One interval.
#[derive(Debug, Serialize)]
pub(in crate::doctor::render) struct Bar {
    pub(in crate::doctor::render) x: String,
    pub(in crate::doctor::render) width: String,
    /// Top and height of what was handed over, of what was lost on top of it, and of the share.
    pub(in crate::doctor::render) delivered: (String, String),
    pub(in crate::doctor::render) dropped: (String, String),
    pub(in crate::doctor::render) share: (String, String),
    pub(in crate::doctor::render) over: bool,
    pub(in crate::doctor::render) ago: String,
    pub(in crate::doctor::render) rate_said: String,
    pub(in crate::doctor::render) lost_said: String,
    pub(in crate::doctor::render) share_said: String,
}

/// Nothing where the agent told of no two readings.
pub(in crate::doctor::render) fn loss(live: &Live) -> Option<Loss> {
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
        any_lost: worst > 0.0,
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

    fn live(loss: Vec<Interval>) -> Live {
        Live {
            window_seconds: 600.0,
            loss,
            fields: Vec::new(),
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
        let drawn = loss(&live(past)).unwrap();
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
            drawn.said.ends_with("At worst it was 10 %, 2 min ago."),
            "{}",
            drawn.said
        );
    }

    #[test]
    fn a_loss_too_small_to_draw_is_drawn_and_none_is_not() {
        let drawn = loss(&live(vec![interval(0.0, 1.0, 1e6, 0.01), interval(0.0, 1.0, 5.0, 0.0)])).unwrap();
        assert_eq!(drawn.charts[0].bars[0].dropped.1, "2");
        assert_eq!(drawn.charts[0].bars[1].dropped.1, "0");
        assert!(loss(&live(Vec::new())).is_none());
    }

    #[test]
    fn silence_is_no_division_by_zero() {
        let drawn = loss(&live(vec![interval(0.0, 1.0, 0.0, 0.0)])).unwrap();
        let text = format!("{drawn:?}");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }
}
