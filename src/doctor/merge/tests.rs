use serde_json::{Value, json};

use super::super::render::Look;
use super::*;

const PLAIN: Look = Look {
    color: false,
    unicode: false,
    width: 80,
};

/// A report of a node with these checks, each with its status; those that warn or fail weigh something.
fn saved(node: Option<&str>, checks: &[(&str, &str)]) -> Result<Saved, Error> {
    let finding = |status: &str| matches!(status, "warn" | "fail");
    let report = json!({
        "schema_version": 1,
        "time": "2026-01-02T03:04:05.678Z",
        "agent": { "version": "0.1.0" },
        "host": { "arch": "x86_64", "in_container": true, "node": node },
        "fix_first": checks.iter().filter(|(_, status)| finding(status))
            .map(|(id, status)| json!({ "id": id, "points": if *status == "fail" { 20 } else { 10 } }))
            .collect::<Vec<Value>>(),
        "checks": checks.iter()
            .map(|(id, status)| match status.strip_prefix("accepted ") {
                Some(status) => json!({ "id": id, "title": format!("title of {id}"), "status": status,
                                        "suppressed": { "reason": "r", "until": "2027-01-01" } }),
                None => json!({ "id": id, "title": format!("title of {id}"), "status": status }),
            })
            .collect::<Vec<Value>>(),
    });
    Saved::parse(report.to_string().as_bytes())
}

fn fleet() -> Fleet {
    let mut merge = Merge::default();
    merge.add(
        "c.json",
        saved(
            Some("node-c"),
            &[("PIN-RUN-001", "fail"), ("PIN-KRN-001", "ok"), ("PIN-LOSS-001", "warn")],
        ),
    );
    merge.add(
        "a.json",
        saved(
            Some("node-a"),
            &[("PIN-RUN-001", "ok"), ("PIN-KRN-001", "ok"), ("PIN-LOSS-001", "warn")],
        ),
    );
    merge.add(
        "b.json",
        saved(
            Some("node-b"),
            &[
                ("PIN-RUN-001", "accepted fail"),
                ("PIN-KRN-001", "unknown"),
                ("PIN-LOSS-001", "warn"),
            ],
        ),
    );
    merge.add(
        "d.json",
        saved(
            None,
            &[
                ("PIN-RUN-001", "ok"),
                ("PIN-KRN-001", "ok"),
                ("PIN-LOSS-001", "skipped"),
            ],
        ),
    );
    merge.add("again.json", saved(Some("node-a"), &[("PIN-RUN-001", "fail")]));
    merge.add("other.json", Saved::parse(b"{\"schema_version\": 2}"));
    merge.leave_out("gone.json", "No such file".to_owned());
    merge.finish()
}

#[test]
fn counts_say_on_how_many_nodes_and_on_which() {
    let fleet = fleet();
    assert_eq!(fleet.verdict, Verdict::Fail);
    assert_eq!(
        fleet.counts,
        Nodes {
            ok: 1,
            warn: 2,
            fail: 1,
            unknown: 0
        }
    );
    let order: Vec<&str> = fleet.checks.iter().map(|check| check.id.as_str()).collect();
    assert_eq!(order, ["PIN-RUN-001", "PIN-LOSS-001", "PIN-KRN-001"], "the worst first");
    let run = &fleet.checks[0];
    assert_eq!(
        run.counts,
        ByStatus {
            ok: 2,
            fail: 1,
            suppressed: 1,
            ..ByStatus::default()
        }
    );
    assert_eq!(
        (run.fail.as_slice(), run.suppressed.as_slice()),
        (&["node-c".to_owned()][..], &["node-b".to_owned()][..])
    );
    assert_eq!(fleet.checks[1].warn, ["node-a", "node-b", "node-c"]);
    assert_eq!(fleet.checks[2].unknown, ["node-b"]);
    let nodes: Vec<&str> = fleet.nodes.iter().map(|node| node.node.as_str()).collect();
    assert_eq!(
        nodes,
        ["node-c", "node-a", "node-b", "d.json"],
        "a node without a name has that of its file"
    );
}

#[test]
fn what_weighs_most_on_all_nodes_is_first() {
    let fleet = fleet();
    let first: Vec<(&str, usize, u64)> = fleet
        .fix_first
        .iter()
        .map(|fix| (fix.id.as_str(), fix.nodes, fix.points))
        .collect();
    assert_eq!(
        first,
        [("PIN-LOSS-001", 3, 30), ("PIN-RUN-001", 1, 20)],
        "three warnings weigh more than one failure"
    );
}

#[test]
fn a_bad_file_is_named_and_does_not_stop_the_rest() {
    let fleet = fleet();
    let left: Vec<(&str, &str)> = fleet
        .left_out
        .iter()
        .map(|left| (left.file.as_str(), left.problem.as_str()))
        .collect();
    assert_eq!(
        left,
        [
            ("again.json", "node node-a is in a.json already, which counts"),
            (
                "other.json",
                "its schema_version is 2; this version of the agent reads 1"
            ),
            ("gone.json", "No such file"),
        ]
    );
}

#[test]
fn exit_codes_are_those_of_one_report() {
    use FailOn::{Fail, Warn};
    let of = |reports: &[&[(&str, &str)]], fail_on| {
        let mut merge = Merge::default();
        for (number, checks) in reports.iter().enumerate() {
            merge.add(&number.to_string(), saved(None, checks));
        }
        merge.finish().exit_code(fail_on)
    };
    assert_eq!(of(&[&[("PIN-AA-001", "ok")]], Warn), 0);
    let few: &[&[(&str, &str)]] = &[&[("PIN-AA-001", "ok")], &[("PIN-AA-001", "warn")]];
    assert_eq!((of(few, Warn), of(few, Fail)), (2, 0));
    assert_eq!(of(&[&[("PIN-AA-001", "warn"), ("PIN-AA-002", "unknown")]], Fail), 3);
    assert_eq!(of(&[&[("PIN-AA-001", "accepted fail")]], Warn), 0);
    assert_eq!(fleet().exit_code(Fail), 2);
    let mut none = Merge::default();
    none.leave_out("x", "y".to_owned());
    assert_eq!(
        none.finish().exit_code(Fail),
        3,
        "what could not be read is not known to be well"
    );
}

#[test]
fn for_people() {
    assert_eq!(
        text(&fleet(), FailOn::Fail, PLAIN),
        "\
Pinhole doctor: 4 nodes

fix first
 1. PIN-LOSS-001 title of PIN-LOSS-001 (3 nodes)
 2. PIN-RUN-001 title of PIN-RUN-001 (1 node)

PIN-RUN-001  title of PIN-RUN-001
  fail     1 of 4: node-c
  accepted 1 of 4: node-b

PIN-LOSS-001  title of PIN-LOSS-001
  warn     3 of 4: node-a, node-b, node-c

PIN-KRN-001  title of PIN-KRN-001
  unknown  1 of 4: node-b

3 files left out
  again.json: node node-a is in a.json already, which counts
  other.json: its schema_version is 2; this version of the agent reads 1
  gone.json: No such file

nodes: 1 ok, 2 warn, 1 fail, 0 unknown
exit 2: findings at or above fail
"
    );
}

#[test]
fn a_thousand_nodes_are_named_in_part_for_people_and_whole_for_machines() {
    let mut merge = Merge::default();
    for number in 0..1000 {
        merge.add(
            &format!("{number}.json"),
            saved(Some(&format!("node-{number:04}\u{7}")), &[("PIN-RUN-001", "fail")]),
        );
    }
    let fleet = merge.finish();
    let page = text(&fleet, FailOn::Fail, PLAIN);
    assert!(page.contains("and 992 more") && page.contains("node-0007?"), "{page}");
    assert!(page.lines().count() < 20 && !page.contains('\u{7}'), "{page}");
    let value = serde_json::to_value(&fleet).unwrap();
    assert_eq!(value["checks"][0]["fail"].as_array().unwrap().len(), 1000);
    assert_eq!(value["checks"][0]["counts"]["fail"], 1000);
}

#[test]
fn ids_without_end_are_not_kept() {
    let mut merge = Merge::default();
    let ids: Vec<String> = (0..3000)
        .map(|number| format!("PIN-{}-{:03}", ["AA", "BB", "CC"][number / 1000], number % 1000))
        .collect();
    for (number, some) in ids.chunks(1000).enumerate() {
        let checks: Vec<(&str, &str)> = some.iter().map(|id| (id.as_str(), "ok")).collect();
        merge.add(&number.to_string(), saved(None, &checks));
    }
    let fleet = merge.finish();
    assert_eq!(
        (fleet.checks.len(), fleet.nodes.len(), fleet.left_out.len()),
        (2000, 2, 1)
    );
}
