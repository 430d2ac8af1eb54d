//! What became of each field of metadata in the events of containers.

use serde::Serialize;

use super::super::super::past::{Field, Live};
use super::{WIDE, fixed, grouped, minutes, number, trimmed, whole};

/// What became of the fields of metadata.
#[derive(Debug, Serialize)]
pub(in crate::doctor::render) struct Fields {
    pub(in crate::doctor::render) said: String,
    pub(in crate::doctor::render) window: String,
    pub(in crate::doctor::render) threshold: String,
    pub(in crate::doctor::render) rows: Vec<Row>,
}

/// One field.
#[derive(Debug, Serialize)]
pub(in crate::doctor::render) struct Row {
    pub(in crate::doctor::render) field: String,
    /// Widths of present, not known, and none to tell; with where they begin.
    pub(in crate::doctor::render) present: String,
    pub(in crate::doctor::render) missing: (String, String),
    pub(in crate::doctor::render) inapplicable: (String, String),
    pub(in crate::doctor::render) known: String,
    pub(in crate::doctor::render) low: bool,
    pub(in crate::doctor::render) counts: String,
    /// Why it is not known, the most frequent first.
    pub(in crate::doctor::render) reasons: String,
}

/// Nothing where the agent told of no event of a container.
pub(in crate::doctor::render) fn fields(live: &Live) -> Option<Fields> {
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

/// A share that is never rounded up to all.
fn down(percent: f64) -> String {
    trimmed(&format!("{:.2}", (percent * 100.0).floor() / 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_shared_out_and_never_rounded_up_to_all() {
        let field = Field {
            field: "container.name".to_owned(),
            present: 99_999,
            inapplicable: 100_000,
            missing: [("runtime_timeout".into(), 1)].into(),
        };
        let drawn = fields(&live(vec![field])).unwrap();
        let row = &drawn.rows[0];
        assert_eq!((row.known.as_str(), row.low), ("99.99 %", false));
        assert_eq!((row.present.as_str(), row.missing.1.as_str()), ("500", "6"));
        assert_eq!(row.reasons, "runtime_timeout 1");
        assert!(fields(&live(Vec::new())).is_none());
    }

    fn live(fields: Vec<Field>) -> Live {
        Live {
            window_seconds: 600.0,
            loss: Vec::new(),
            fields,
            loss_percent: 1.0,
            complete_percent: 95.0,
        }
    }
}
