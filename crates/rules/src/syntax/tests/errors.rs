//! What is refused, where, and with which words.

use super::tree;

#[test]
fn errors_say_what_was_expected_where() {
    let corpus = [
        ("", "1:1: expected a field, a macro, `not` or `(`, found the end"),
        ("  ", "1:1: expected a field, a macro, `not` or `(`, found the end"),
        ("a and", "1:6: expected a field, a macro, `not` or `(`, found the end"),
        (
            "a and and b",
            "1:7: expected a field, a macro, `not` or `(`, found `and`",
        ),
        ("and a", "1:1: expected a field, a macro, `not` or `(`, found `and`"),
        ("a b", "1:3: expected `and`, `or` or the end, found `b`"),
        ("a\nand b\nor (c", "3:6: expected `and`, `or` or `)`, found the end"),
        ("a)", "1:2: expected `and`, `or` or the end, found `)`"),
        ("()", "1:2: expected a field, a macro, `not` or `(`, found `)`"),
        (
            "a and \"b\"",
            "1:7: expected a field, a macro, `not` or `(`, found `\"`",
        ),
        ("a or orb c", "1:10: expected `and`, `or` or the end, found `c`"),
        (
            "proc.name",
            "1:10: expected an operator such as `=`, `in`, `contains` or `exists`, found the end",
        ),
        (
            "proc.name. = a",
            "1:10: expected an operator such as `=`, `in`, `contains` or `exists`, found `.`",
        ),
        (
            "proc.name startwith a",
            "1:11: expected an operator such as `=`, `in`, `contains` or `exists`, found `startwith` \
             (did you mean `startswith`?)",
        ),
        (
            "proc.name inside (a)",
            "1:11: expected an operator such as `=`, `in`, `contains` or `exists`, found `inside`",
        ),
        (
            "proc.name =",
            "1:12: expected a value, a transformer or `val(field)`, found the end",
        ),
        (
            "proc.name = ,",
            "1:13: expected a value, a transformer or `val(field)`, found `,`",
        ),
        (
            "proc.name = (a)",
            "1:13: expected a value, a transformer or `val(field)`, found `(`",
        ),
        ("proc.name = a,", "1:14: expected `and`, `or` or the end, found `,`"),
        ("proc.name = \"a\"b", "1:16: expected `and`, `or` or the end, found `b`"),
        (
            "fd.num > many",
            "1:10: expected a number, a transformer or `val(field)`, found `many`",
        ),
        ("fd.num > 5k", "1:11: expected `and`, `or` or the end, found `k`"),
        ("proc.name in 5", "1:14: expected a list in brackets, found `5`"),
        ("proc.name in (a", "1:16: expected `,` or `)`, found the end"),
        ("proc.name in (a b)", "1:17: expected `,` or `)`, found `b`"),
        ("proc.name in (a,)", "1:17: expected a value, found `)`"),
        ("proc.name in (,a)", "1:15: expected a value, found `,`"),
        (
            "proc.name in anyof (a)",
            "1:14: `anyof` does not go with `in`, which takes a list itself",
        ),
        ("proc.aname[2 = a", "1:13: expected `]`, found a blank"),
        (
            "proc.aname[] = a",
            "1:12: expected what the field is asked for, found `]`",
        ),
        (
            "proc.aname [2] = a",
            "1:12: expected an operator such as `=`, `in`, `contains` or `exists`, found `[2]`",
        ),
        ("proc.name = \"a", "1:13: expected a closing \", found the end"),
        ("proc.name = 'a\\'", "1:13: expected a closing ', found the end"),
        (
            r#"proc.name = "a\q""#,
            r#"1:15: the escape `\q` is not known between ""#,
        ),
        (r#"proc.name = "\'""#, r#"1:14: the escape `\'` is not known between ""#),
        (r#"proc.name = '\"'"#, r#"1:14: the escape `\"` is not known between '"#),
        (
            r#"proc.name = "\x4""#,
            r"1:14: expected two hexadecimal digits behind `\x`",
        ),
        (
            r#"proc.name = "a\xff""#,
            "1:15: bytes that are no UTF-8 cannot be compared here",
        ),
        ("tolower(proc.name", "1:18: expected `,` or `)`, found the end"),
        (
            "tolower() = a",
            "1:9: expected a field, a transformer, a number or a value in quotes, found `)`",
        ),
        (
            "tolower(name) = a",
            "1:9: expected a field, a transformer, a number or a value in quotes, found `name`",
        ),
        (
            "tolower(proc.name, proc.exe) = a",
            "1:1: `tolower` takes one operand, not 2",
        ),
        ("join(\",\") = a", "1:1: `join` takes at least 2 operands, not 1"),
        ("getopt(proc.args) = a", "1:1: `getopt` takes 2 or 3 operands, not 1"),
        (
            "tolwer(proc.name) = a",
            "1:1: `tolwer` is no transformer (`tolower` is one)",
        ),
        ("val(proc.name) = a", "1:1: `val` is no transformer"),
        ("proc.name = val(name)", "1:17: expected a field, found `name`"),
        ("proc.name = val(proc.name", "1:26: expected `)`, found the end"),
        (
            "name = a",
            "1:1: `name` is compared but is no field: those have a dot in their names",
        ),
        (
            "a and\n  uid != 0",
            "2:3: `uid` is compared but is no field: those have a dot in their names",
        ),
        ("é", "1:1: expected a field, a macro, `not` or `(`, found `é`"),
        (
            "proc.name = é and é",
            "1:19: expected a field, a macro, `not` or `(`, found `é`",
        ),
    ];
    let wrong: Vec<_> = corpus
        .iter()
        .filter_map(|(condition, expected)| {
            let found = tree(condition);
            (found != *expected).then(|| format!("{condition:?}\n  expected {expected}\n  found    {found}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn brackets_are_bounded() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(tree(&nested(100)), "a");
    assert_eq!(tree(&nested(101)), "1:101: brackets are nested deeper than 100");
    assert_eq!(tree(&nested(100_000)), "1:101: brackets are nested deeper than 100");
    let transformers = format!("{}proc.name{} = a", "tolower(".repeat(101), ")".repeat(101));
    assert!(
        tree(&transformers).ends_with("brackets are nested deeper than 100"),
        "{}",
        tree(&transformers)
    );
    let negations = format!("{}a", "not ".repeat(50_000));
    assert_eq!(tree(&negations), "a");
}

#[test]
fn length_is_bounded() {
    assert_eq!(tree(&"a".repeat(256 * 1024 + 1)), "1:1: is longer than 256 KiB");
}
