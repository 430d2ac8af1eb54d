//! Macros and lists put in.

use std::time::{Duration, Instant};

use super::{Library, conditions, fine, loaded, problems, rule};

#[track_caller]
fn condition(files: &[&str]) -> String {
    conditions(&fine(files)).pop().expect("a rule")
}

fn with(before: &str, condition: &str) -> String {
    format!("{before}{}", rule(condition, ""))
}

#[test]
fn macros_stand_where_their_names_stood() {
    let macros = "- {macro: a, condition: proc.name = x or b}\n- {macro: b, condition: evt.num = 0}\n";
    assert_eq!(
        condition(&[&with(macros, "a and not b")]),
        "((proc.name = x or evt.num = 0) and not evt.num = 0)"
    );
    assert_eq!(condition(&[&with(macros, "b")]), "evt.num = 0");
}

#[test]
fn lists_stand_where_their_names_stood() {
    let lists = "- {list: a, items: [x, b, 'y z', '\"(q)\"', 7]}\n- {list: b, items: [c, 'runc:[1]']}\n- {list: e, items: []}\n\
                 - {list: one, items: [only]}\n- {list: self, items: [self, b]}\n";
    let corpus = [
        ("proc.name in (a)", r#"proc.name in (x, c, runc:[1], "y z", "(q)", 7)"#),
        ("proc.name in (m, b, n)", "proc.name in (m, c, runc:[1], n)"),
        ("proc.name in (\"b\")", "proc.name in (\"b\")"),
        ("proc.name in b", "proc.name in (c, runc:[1])"),
        ("proc.name in (e)", "proc.name in ()"),
        ("proc.name in (e, x)", "proc.name in (x)"),
        ("proc.name in (self)", "proc.name in (self, c, runc:[1])"),
        ("proc.name intersects (b)", "proc.name intersects (c, runc:[1])"),
        ("fd.name pmatch (b)", "fd.name pmatch (c, runc:[1])"),
        (
            "proc.name startswith anyof (b)",
            "proc.name startswith anyof (c, runc:[1])",
        ),
        ("proc.name = one", "proc.name = only"),
        ("proc.name = 'b'", "proc.name = \"b\""),
        ("proc.name in (none_of_these)", "proc.name in (none_of_these)"),
    ];
    for (given, expected) in corpus {
        let quoted = format!("{given:?}");
        assert_eq!(condition(&[&with(lists, &quoted)]), expected, "{given}");
    }
}

#[test]
fn parts_keep_the_places_where_they_are_written() {
    let library = fine(&[
        "- macro: a\n  condition: >\n    not proc.name\n      in (l)\n- list: l\n  items:\n    - x\n",
        &rule("a", ""),
    ]);
    let span = &library.rules[0].condition.span;
    assert_eq!(
        (span.source.name.as_str(), span.position().line, span.position().column),
        ("a", 3, 5)
    );
    let crate::syntax::Expression::Not(inner) = &library.rules[0].condition.expression else {
        panic!("{library:?}")
    };
    let crate::syntax::Expression::Compare(comparison) = &inner.expression else {
        panic!("{library:?}")
    };
    assert_eq!(comparison.span.text(), "in");
    let crate::syntax::Operand::Constant(word) = &comparison.right[0] else {
        panic!("{library:?}")
    };
    assert_eq!((word.span.position().line, word.span.position().column), (7, 7));
    assert_eq!(
        (library.rules[0].span.source.name.as_str(), library.rules[0].span.text()),
        ("b", "R")
    );
}

#[test]
fn names_that_lead_nowhere() {
    let corpus = [
        (
            with("- {macro: spawned_process, condition: evt.num = 0}\n", "spawnd_process"),
            "a:4:14: error: rule R: the macro `spawnd_process` is not known (did you mean `spawned_process`?)",
        ),
        (
            with("- {list: shells, items: [sh]}\n", "shells"),
            "a:4:14: error: rule R: the macro `shells` is not known (`shells` is a list: `field in (shells)` looks into it)",
        ),
        (
            with("- {list: shells, items: [sh, ash]}\n", "proc.name = shells"),
            "a:4:26: error: rule R: `shells` is a list of 2 members, and `=` takes one value \
             (in quotes, \"shells\" is the value itself)",
        ),
        (
            with("- {macro: a, condition: a}\n", "a"),
            "a:1:11: error: macro a: the macro holds itself: a → a",
        ),
        (
            with(
                "- {macro: a, condition: b}\n- {macro: b, condition: not c}\n- {macro: c, condition: a}\n",
                "a",
            ),
            "a:1:11: error: macro a: the macro holds itself: a → b → c → a",
        ),
        (
            with("- {list: a, items: [b]}\n- {list: b, items: [a]}\n", "proc.name in (a)"),
            "a:1:10: error: list a: the list holds itself: a → b → a",
        ),
        (
            with("- {macro: a, condition: unknown and evt.num = 0}\n", "a"),
            "a:1:25: error: macro a: the macro `unknown` is not known",
        ),
        (
            with("- {macro: a, condition: evt.num =}\n", "a"),
            "a:1:34: error: macro a: expected a value, a transformer or `val(field)`, found the end",
        ),
        (
            with("- list: l\n  items: [x, a=b]\n", "proc.name in (l)"),
            "a:2:15: error: list l: `a=b` is no value: expected `,` or the end, found `=` \
             (quotes of its own make it one: '\"…\"')",
        ),
        (
            with("- list: l\n  items: ['']\n", "proc.name in (l)"),
            "a:2:11: error: list l: `` is no value: expected a value, found the end (quotes of its own make it one: '\"…\"')",
        ),
    ];
    for (file, expected) in corpus {
        assert_eq!(problems(&loaded(&[&file])), [expected], "{expected}");
        assert!(loaded(&[&file]).is_refused());
    }
}

#[test]
fn all_findings_are_told_in_the_order_of_their_places() {
    let library = loaded(&[
        "- macro: a\n  condition: x and y\n- list: l\n  itmes: []\n- macro: b\n  condition: (a\n",
        &rule("not z", "  tag: [t]\n"),
    ]);
    let found = problems(&library);
    let places: Vec<_> = found
        .iter()
        .map(|problem| problem.split(' ').next().unwrap_or_default())
        .collect();
    assert_eq!(
        places,
        ["a:2:14:", "a:2:20:", "a:3:3:", "a:4:3:", "a:6:16:", "b:3:18:", "b:6:3:"],
        "{found:#?}"
    );
}

#[test]
fn what_a_host_does_not_watch_is_left_out() {
    let library = loaded(&[
        &rule("ka.verb = get", "  source: k8s_audit\n"),
        "- {rule: R, enabled: false}\n",
    ]);
    assert!(library.rules.is_empty() && !library.is_refused());
    let told = "a:1:9: warning: rule R: watches `k8s_audit`, which is not seen here: it is left out";
    assert_eq!(problems(&library)[0], told);
}

#[test]
fn versions_are_checked_and_reported() {
    let library = fine(&["- required_engine_version: 0.57.0\n- required_engine_version: 13\n\
                          - required_plugin_versions: [{name: container, version: 0.4.0}]\n"]);
    assert_eq!(
        library.engine.map(|version| version.to_string()).as_deref(),
        Some("0.57.0")
    );
    assert_eq!(library.plugins[0][0].name, "container");
    let told = "a:1:28: error: needs version 1.0.0 of the rule language; this is 0.63.0";
    assert_eq!(problems(&loaded(&["- required_engine_version: 1.0.0\n"])), [told]);
    assert!(loaded(&["- required_engine_version: 0.64.0\n"]).is_refused());
}

/// Loads what must not take more time or memory than there is.
#[track_caller]
fn hostile(file: &str) -> Library {
    let start = Instant::now();
    let library = loaded(&[file]);
    let spent = start.elapsed();
    assert!(
        spent < Duration::from_secs(if cfg!(debug_assertions) { 4 } else { 1 }),
        "took {spent:?}"
    );
    library
}

#[test]
fn what_grows_without_end_is_refused() {
    let mut laughs = "- {macro: m0, condition: evt.num = 0}\n".to_owned();
    (1..200).for_each(|n| {
        let before = n - 1;
        laughs.push_str(&format!("- {{macro: m{n}, condition: m{before} and m{before}}}\n"));
    });
    let library = hostile(&with(&laughs, "m199"));
    let told = "the condition has more than 100000 parts when its macros and lists are put in";
    assert!(problems(&library)[0].ends_with(told), "{:?}", problems(&library)[0]);

    let mut lists = "- {list: l0, items: [x, y]}\n".to_owned();
    (1..200).for_each(|n| lists.push_str(&format!("- {{list: l{n}, items: [l{0}, l{0}]}}\n", n - 1)));
    let library = hostile(&with(&lists, "proc.name in (l199)"));
    assert!(
        problems(&library)[0].ends_with("has more than 100000 members"),
        "{:?}",
        problems(&library)[0]
    );

    let long = format!("- {{list: l, items: [{}]}}\n", "x, ".repeat(50_000));
    let uses: String = (0..100)
        .map(|n| rule("proc.name in (l)", "").replacen('R', &format!("R{n}"), 1))
        .collect();
    let library = hostile(&format!("{long}{uses}"));
    let told = "makes more than 1000000 parts together with the conditions before it";
    assert!(problems(&library)[0].ends_with(told), "{:?}", problems(&library)[0]);
    assert!(library.rules.len() < 20);
}

#[test]
fn long_chains_are_refused_without_an_overflow() {
    let mut chain = "- {macro: m0, condition: evt.num = 0}\n- {list: l0, items: [x]}\n".to_owned();
    (1..5_000).for_each(|n| {
        chain.push_str(&format!(
            "- {{macro: m{n}, condition: not (m{})}}\n- {{list: l{n}, items: [l{}]}}\n",
            n - 1,
            n - 1
        ));
    });
    let library = hostile(&with(&chain, "m4999 and proc.name in (l4999)"));
    assert!(problems(&library)[0].ends_with("is nested deeper than 500 when its macros are put in"));
    let circle: String = (0..15_000)
        .map(|n| format!("- {{macro: m{n}, condition: m{}}}\n", (n + 1) % 15_000))
        .collect();
    assert!(problems(&hostile(&circle))[0].contains("the macro holds itself"));
    let deepest: String = (0..100).map(|_| "not (a or b and ").collect::<String>() + "a" + &")".repeat(100);
    let macros = "- {macro: a, condition: evt.num = 0}\n- {macro: b, condition: evt.num = 1}\n";
    assert!(!fine(&[&with(macros, &deepest)]).rules.is_empty());
}

#[test]
fn many_unknown_names_are_told_in_time() {
    let many: String = (0..15_000)
        .map(|n| format!("- {{macro: some_macro_{n}, condition: same_macro_{n}}}\n"))
        .collect();
    assert_eq!(hostile(&many).problems.len(), 15_000);
}
