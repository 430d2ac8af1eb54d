//! Exceptions.

use super::{conditions, fine, loaded, problems, rule};

fn excepted(exceptions: &str) -> String {
    rule("evt.num = 0 or evt.num = 1", &format!("  exceptions:\n{exceptions}"))
}

const BEFORE: &str = "(evt.num = 0 or evt.num = 1)";

#[test]
fn every_form() {
    let corpus = [
        ("  - {name: e, fields: proc.name}\n", ""),
        ("  - {name: e, fields: [proc.name, fd.name]}\n", ""),
        ("  - {name: e, fields: proc.name, values: []}\n", ""),
        (
            "  - {name: e, fields: proc.name, values: [a, 'b c', 7]}\n",
            r#"not proc.name in (a, "b c", 7)"#,
        ),
        (
            "  - {name: e, fields: proc.name, comps: in, values: [a]}\n",
            "not proc.name in (a)",
        ),
        (
            "  - {name: e, fields: fd.name, comps: pmatch, values: [/a, /b]}\n",
            "not fd.name pmatch (/a, /b)",
        ),
        (
            "  - {name: e, fields: proc.aname, comps: intersects, values: [a]}\n",
            "not proc.aname intersects (a)",
        ),
        (
            "  - {name: e, fields: proc.name, comps: startswith anyof, values: [kube-, etcd-]}\n",
            "not proc.name startswith anyof (kube-, etcd-)",
        ),
        (
            "  - {name: e, fields: 'proc.aname[2]', values: [a]}\n",
            "not proc.aname[2] in (a)",
        ),
        (
            "  - {name: e, fields: tolower(proc.name), values: [a]}\n",
            "not tolower(proc.name) in (a)",
        ),
        (
            "  - {name: e, fields: proc.name, values: [l, x]}\n",
            "not proc.name in (a, b, x)",
        ),
        (
            "  - {name: e, fields: [proc.name], values: [[a], [b]]}\n",
            "not (proc.name = a or proc.name = b)",
        ),
        (
            "  - {name: e, fields: [proc.name, fd.name], values: [[a, /b], ['c d', /e]]}\n",
            r#"not ((proc.name = a and fd.name = /b) or (proc.name = "c d" and fd.name = /e))"#,
        ),
        (
            "  - {name: e, fields: [proc.name, fd.name], comps: [=, startswith], values: [[a, /b]]}\n",
            "not (proc.name = a and fd.name startswith /b)",
        ),
        (
            "  - {name: e, fields: [proc.name, fd.name], comps: [in, pmatch], values: [[[a, b], [/c]], [d, '(/e, /f)'], [l, /g]]}\n",
            "not ((proc.name in (a, b) and fd.name pmatch (/c)) or (proc.name in (d) and fd.name pmatch (/e, /f)) or \
             (proc.name in (a, b) and fd.name pmatch (/g)))",
        ),
        (
            "  - {name: e, fields: [proc.name], comps: [contains allof], values: [[[a, b]], [c]]}\n",
            "not (proc.name contains allof (a, b) or proc.name contains allof (c))",
        ),
        (
            "  - {name: e, fields: [proc.name], comps: [endswith], values: [['\"(x)\"']]}\n",
            "not proc.name endswith \"(x)\"",
        ),
        (
            "  - {name: e, fields: proc.name, values: [a]}\n  - {name: f, fields: [fd.num], comps: ['>='], values: [[3]]}\n",
            "not proc.name in (a) and not fd.num >= 3",
        ),
    ];
    for (exceptions, expected) in corpus {
        let library = fine(&["- {list: l, items: [a, b]}\n", &excepted(exceptions)]);
        let expected = if expected.is_empty() {
            BEFORE.to_owned()
        } else {
            format!("({BEFORE} and {expected})")
        };
        assert_eq!(conditions(&library), [expected], "{exceptions}");
    }
    let library = fine(&[&rule("evt.num = 0", "  exceptions:\n")]);
    assert_eq!(conditions(&library), ["evt.num = 0"]);
}

#[test]
fn values_are_appended() {
    let first = excepted("  - {name: e, fields: [proc.name, fd.name], comps: [=, in], values: [[a, /b]]}\n");
    let amended =
        |exceptions: &str| format!("- rule: R\n  exceptions:\n{exceptions}  override: {{exceptions: append}}\n");
    let library = fine(&[&first, &amended("  - {name: e, values: [[c, [/d, /e]]]}\n")]);
    let expected = "not ((proc.name = a and fd.name in (/b)) or (proc.name = c and fd.name in (/d, /e)))";
    assert_eq!(conditions(&library), [format!("({BEFORE} and {expected})")]);
    let library = fine(&[&first, &amended("  - {name: f, fields: proc.name, values: [z]}\n")]);
    let expected = "not (proc.name = a and fd.name in (/b)) and not proc.name in (z)";
    assert_eq!(conditions(&library), [format!("({BEFORE} and {expected})")]);
    let old = "- {rule: R, append: true, exceptions: [{name: e, values: [[c, /d]]}]}\n";
    assert!(conditions(&loaded(&[&first, old]))[0].contains("proc.name = c"));
    let library = fine(&[
        &first,
        &amended("  - {name: e, values: [[c, /d]]}\n")
            .replace("append", "replace")
            .replace("name: e,", "name: e, fields: [proc.exe, fd.name],"),
    ]);
    assert_eq!(
        conditions(&library),
        [format!("({BEFORE} and not (proc.exe = c and fd.name = /d))")]
    );
}

#[test]
fn mistakes_have_their_places() {
    let corpus = [
        (
            "  - {name: e, fields: [proc.name, fd.name], comps: [=], values: [[a, b]]}\n",
            "a:7:52: error: rule R: the exception `e` has 1 `comps` for 2 fields",
        ),
        (
            "  - {name: e, fields: [proc.name, fd.name], comps: in, values: [[a, b]]}\n",
            "a:7:52: error: rule R: the exception `e` has a single value of `comps` for 2 fields",
        ),
        (
            "  - {name: e, fields: proc.name, comps: [in], values: [a]}\n",
            "a:7:41: error: rule R: the exception `e` has several `comps` for one field",
        ),
        (
            "  - {name: e, fields: proc.name, comps: startswith, values: [a]}\n",
            "a:7:41: error: rule R: the exception `e` compares one field with `startswith`, where `in`, `pmatch`, \
             `intersects` or e.g. `startswith anyof` can stand",
        ),
        (
            "  - {name: e, fields: [proc.name], comps: [like], values: [[a]]}\n",
            "a:7:44: error: rule R: the exception `e` compares with `like`, which is no operator",
        ),
        (
            "  - {name: e, fields: [proc.name, fd.name], values: [[a, b], [c]]}\n",
            "a:7:62: error: rule R: the exception `e` has 1 values in a row for 2 fields",
        ),
        (
            "  - {name: e, fields: [proc.name, fd.name], values: [[a, b], c]}\n",
            "a:7:62: error: rule R: the exception `e` has a single value in a row for 2 fields",
        ),
        (
            "  - {name: e, fields: proc.name, values: [[a]]}\n",
            "a:7:43: error: rule R: the exception `e` has several values in a row for one field",
        ),
        (
            "  - name: e\n    fields: name\n    values:\n      - a\n",
            "a:8:13: error: rule R: the exception `e` makes no condition: `name` is compared but is no field: those have a dot \
             in their names",
        ),
        (
            "  - name: e\n    fields: proc.name\n    values:\n      - a\n      - (b\n",
            "a:11:9: error: rule R: the exception `e` makes no condition: expected a value, found `(`",
        ),
        (
            "  - name: e\n    fields: [proc.name]\n    comps: [=]\n    values:\n      - [[a, b]]\n",
            "a:11:9: error: rule R: the exception `e` makes no condition: expected a value, a transformer or `val(field)`, \
             found `(`",
        ),
    ];
    for (exceptions, expected) in corpus {
        assert_eq!(problems(&loaded(&[&excepted(exceptions)])), [expected], "{expected}");
    }
}

#[test]
fn every_row_that_is_wrong_is_told() {
    let told = problems(&loaded(&[&excepted(
        "  - {name: e, fields: [proc.name, fd.name], values: [[a], [b, c], d, [e, f, g]]}\n",
    )]));
    assert_eq!(told.len(), 3, "{told:#?}");
}

#[test]
fn wrong_amendments_have_their_places() {
    let first = excepted("  - {name: e, fields: proc.name, values: [a]}\n");
    let corpus = [
        (
            "{name: e, fields: fd.name, values: [b]}",
            "b:3:23: error: rule R: the exception `e` is there already: only `values` can be appended to it",
        ),
        (
            "{name: e, comps: in, values: [b]}",
            "b:3:22: error: rule R: the exception `e` is there already: only `values` can be appended to it",
        ),
        (
            "{name: f, values: [b]}",
            "b:3:12: error: rule R: the exception `f` has no `fields`, and the rule has none of its name",
        ),
        (
            "{name: f, fields: fd.name, values: []}",
            "b:3:12: error: rule R: the exception `f` has no `values`, and the rule has none of its name",
        ),
        (
            "{name: e}",
            "b:3:5: warning: rule R: the exception `e` adds no `values`",
        ),
    ];
    for (exception, expected) in corpus {
        let second = format!("- rule: R\n  exceptions:\n  - {exception}\n  override: {{exceptions: append}}\n");
        assert_eq!(problems(&loaded(&[&first, &second])), [expected], "{expected}");
    }
}
