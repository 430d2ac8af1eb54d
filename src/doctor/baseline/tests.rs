use super::super::fixture::cold;
use super::super::report::Suppressed;
use super::super::saved::{Saved, SavedCheck};
use super::super::{render, report};
use super::*;

/// A report whose first two checks ended like this.
fn now(first: Status, second: Status) -> Report {
    let mut report = report(&cold(), "2026-01-03T00:00:00.000Z".to_owned(), None);
    report.checks.truncate(2);
    (report.checks[0].status, report.checks[1].status) = (first, second);
    report.recount();
    report
}

fn then(first: Status, second: Status) -> Saved {
    Saved::parse(render::json(&now(first, second)).unwrap().as_bytes()).unwrap()
}

#[test]
fn each_pair_of_statuses_has_its_direction_and_only_new_and_worse_count() {
    use Direction::{Better, Gone, New, Other, Worse};
    use Status::{Fail, Ok, Skipped, Unknown, Warn};
    // Rows: then. Columns: now, as in ALL.
    const ALL: [Status; 5] = [Ok, Skipped, Warn, Unknown, Fail];
    let wanted = [
        (Ok, [None, Some(Other), Some(New), Some(New), Some(New)]),
        (Skipped, [Some(Other), None, Some(New), Some(New), Some(New)]),
        (Warn, [Some(Gone), Some(Gone), None, Some(Worse), Some(Worse)]),
        (Unknown, [Some(Gone), Some(Gone), Some(New), None, Some(New)]),
        (Fail, [Some(Gone), Some(Gone), Some(Better), Some(Better), None]),
    ];
    for (from, row) in wanted {
        for (to, direction) in ALL.into_iter().zip(row) {
            let found = changes(&now(to, Ok), &then(from, Ok));
            let said = found.checks.first().map(|changed| changed.change);
            assert_eq!(said, direction, "{from:?} to {to:?}");
            let counts = found.counts.warn + found.counts.fail + found.counts.unknown;
            assert_eq!(
                counts == 1,
                matches!(direction, Some(New | Worse)),
                "{from:?} to {to:?}"
            );
            if let Some(changed) = found.checks.first() {
                assert_eq!((changed.from, changed.to), (Some(from), Some(to)));
            }
        }
    }
}

#[test]
fn the_exit_code_goes_by_what_is_new_or_worse() {
    let code = |from: Status, to: Status, fail_on| {
        let mut report = now(Status::Fail, to);
        report.changes = Some(changes(&report, &then(Status::Fail, from)));
        report.exit_code(fail_on)
    };
    use FailOn::{Fail, Warn};
    assert_eq!(code(Status::Ok, Status::Ok, Warn), 0, "the old failure does not count");
    assert_eq!(code(Status::Ok, Status::Warn, Warn), 2);
    assert_eq!(code(Status::Ok, Status::Warn, Fail), 0);
    assert_eq!(code(Status::Warn, Status::Fail, Fail), 2);
    assert_eq!(code(Status::Ok, Status::Unknown, Fail), 3);
    assert_eq!(code(Status::Unknown, Status::Unknown, Fail), 0);
}

#[test]
fn what_was_accepted_is_told_and_does_not_count() {
    let mut report = now(Status::Fail, Status::Ok);
    report.checks[0].suppressed = Some(Suppressed {
        reason: "known".to_owned(),
        until: "2026-02-01".to_owned(),
    });
    let found = changes(&report, &then(Status::Ok, Status::Ok));
    assert_eq!((found.checks.len(), found.counts), (1, Worse::default()));
}

#[test]
fn ids_that_only_one_of_the_two_has() {
    let mut earlier = then(Status::Ok, Status::Ok);
    let old = |id: &str, status| SavedCheck {
        id: id.to_owned(),
        title: String::new(),
        status,
        suppressed: false,
    };
    earlier.checks = vec![old("PIN-MOON-001", Status::Fail), old("PIN-MOON-002", Status::Ok)];
    let report = now(Status::Ok, Status::Warn);
    let found = changes(&report, &earlier);
    let said: Vec<_> = found
        .checks
        .iter()
        .map(|changed| (changed.id.as_ref(), changed.change, changed.from, changed.to))
        .collect();
    assert_eq!(
        said,
        [
            (report.checks[1].id.as_ref(), Direction::New, None, Some(Status::Warn)),
            ("PIN-MOON-001", Direction::Gone, Some(Status::Fail), None),
        ]
    );
}
