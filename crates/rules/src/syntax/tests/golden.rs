//! Conditions and their trees.

use super::{super::parse_members, Text, parse, tree};

/// Conditions with what they must become.
#[track_caller]
fn golden(corpus: &[(&str, &str)]) {
    let wrong: Vec<_> = corpus
        .iter()
        .filter_map(|(condition, expected)| {
            let found = tree(condition);
            (found != *expected).then(|| format!("{condition}\n  expected {expected}\n  found    {found}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn precedence() {
    golden(&[
        ("a", "a"),
        ("a and b", "(and a b)"),
        ("a or b", "(or a b)"),
        ("a and b and c", "(and a b c)"),
        ("a or b or c", "(or a b c)"),
        ("a or b and c", "(or a (and b c))"),
        ("a and b or c", "(or (and a b) c)"),
        ("a and b or c and d", "(or (and a b) (and c d))"),
        ("(a or b) and c", "(and (or a b) c)"),
        ("a and (b or c)", "(and a (or b c))"),
        ("a and (b and c)", "(and a (and b c))"),
        ("not a and b", "(and (not a) b)"),
        ("not a or b", "(or (not a) b)"),
        ("not (a and b)", "(not (and a b))"),
        ("a and not b or not c", "(or (and a (not b)) (not c))"),
        ("((a))", "a"),
        ("  ( a )\n\tor\r\n( b ) ", "(or a b)"),
        ("a and(b)", "(and a b)"),
        ("a or(b)", "(or a b)"),
        ("a or(b) and c", "(or a (and b c))"),
        ("(a)and(b)or(c)", "(or (and a b) c)"),
    ]);
}

#[test]
fn negation() {
    golden(&[
        ("not a", "(not a)"),
        ("not not a", "a"),
        ("not not not a", "(not a)"),
        ("not(a)", "(not a)"),
        ("not not(a)", "a"),
        ("not(not(a))", "(not (not a))"),
        ("not (not a or not (b))", "(not (or (not a) (not b)))"),
        ("not\n  a", "(not a)"),
        ("not proc.name exists", "(not (exists proc.name))"),
        ("not proc.name = x", "(not (= proc.name x))"),
        ("not proc.name in (x) and y", "(and (not (in proc.name x)) y)"),
        ("not_a and nota", "(and not_a nota)"),
        ("order or android", "(or order android)"),
    ]);
}

#[test]
fn every_operator() {
    golden(&[
        ("proc.name exists", "(exists proc.name)"),
        ("proc.name=x", "(= proc.name x)"),
        ("proc.name = x", "(= proc.name x)"),
        ("proc.name == x", "(= proc.name x)"),
        ("proc.name != x", "(!= proc.name x)"),
        ("proc.name!=x", "(!= proc.name x)"),
        ("fd.num < 3", "(< fd.num 3)"),
        ("fd.num <= 3", "(<= fd.num 3)"),
        ("fd.num > 3", "(> fd.num 3)"),
        ("fd.num>=0", "(>= fd.num 0)"),
        ("proc.name contains x", "(contains proc.name x)"),
        ("proc.name icontains x", "(icontains proc.name x)"),
        ("evt.buffer bcontains cafe", "(bcontains evt.buffer cafe)"),
        ("proc.name startswith x", "(startswith proc.name x)"),
        ("evt.buffer bstartswith 012AB3CC", "(bstartswith evt.buffer 012AB3CC)"),
        ("proc.name endswith x", "(endswith proc.name x)"),
        ("fd.name glob /home/*/.ssh/*", "(glob fd.name /home/*/.ssh/*)"),
        ("fd.name iglob '/HOME/*'", r#"(iglob fd.name "/HOME/*")"#),
        (
            r"proc.name regex '[a-z]*/proc/\\d+/cmdline'",
            r#"(regex proc.name "[a-z]*/proc/\\d+/cmdline")"#,
        ),
        ("proc.name in (a)", "(in proc.name a)"),
        ("proc.aname intersects (a, b)", "(intersects proc.aname a b)"),
        ("fd.name pmatch (/var/run, /etc)", "(pmatch fd.name /var/run /etc)"),
        ("proc.name startswith\n  x", "(startswith proc.name x)"),
    ]);
}

#[test]
fn numbers() {
    golden(&[
        ("evt.rawres >= -1", "(>= evt.rawres -1)"),
        ("evt.rawres > +7", "(> evt.rawres +7)"),
        ("evt.rawres > 0x1F", "(> evt.rawres 0x1F)"),
        ("evt.rawres < 1.5", "(< evt.rawres 1.5)"),
        ("evt.rawres < 1.5e+10", "(< evt.rawres 1.5e+10)"),
        ("evt.rawres < 2e-3", "(< evt.rawres 2e-3)"),
        ("proc.duration <= 5000000000", "(<= proc.duration 5000000000)"),
        ("fd.num = -1", "(= fd.num -1)"),
        ("evt.rawres in (0, 1, 2)", "(in evt.rawres 0 1 2)"),
    ]);
}

#[test]
fn values_without_quotes() {
    golden(&[
        ("proc.name = runc:[0:PARENT]", "(= proc.name runc:[0:PARENT])"),
        ("proc.name startswith /usr/bin/*", "(startswith proc.name /usr/bin/*)"),
        ("evt.dir = <", "(= evt.dir <)"),
        ("evt.dir=>", "(= evt.dir >)"),
        ("proc.cmdline contains -jar", "(contains proc.cmdline -jar)"),
        ("fd.snet = 10.0.0.0/8", "(= fd.snet 10.0.0.0/8)"),
        ("fd.ip = ::1", "(= fd.ip ::1)"),
        ("proc.name = and", "(= proc.name and)"),
        ("proc.name = anyof", "(= proc.name anyof)"),
        ("proc.name = tolower", "(= proc.name tolower)"),
        ("proc.name = évt", "(= proc.name évt)"),
        ("proc.name = a\\b", "(= proc.name a\\b)"),
        (
            "fd.typechar='f' and fd.num>=0",
            r#"(and (= fd.typechar "f") (>= fd.num 0))"#,
        ),
    ]);
}

#[test]
fn quotes_and_escapes() {
    golden(&[
        (r#"proc.name = "a b""#, r#"(= proc.name "a b")"#),
        (r#"proc.name="""#, r#"(= proc.name "")"#),
        ("proc.name = ''", r#"(= proc.name "")"#),
        (r#"proc.name = "it's""#, r#"(= proc.name "it's")"#),
        (r#"proc.name = 'say "a"'"#, r#"(= proc.name "say \"a\"")"#),
        (r#"proc.name = "say \"a\"""#, r#"(= proc.name "say \"a\"")"#),
        (r"proc.name = 'it\'s'", r#"(= proc.name "it's")"#),
        (r#"proc.name = "\b\f\n\r\t""#, r#"(= proc.name "\u{8}\u{c}\n\r\t")"#),
        (r#"proc.name = "\\""#, r#"(= proc.name "\\")"#),
        (r#"proc.name = "a\\" and b"#, r#"(and (= proc.name "a\\") b)"#),
        (r#"proc.name = "\/a""#, r#"(= proc.name "/a")"#),
        (r#"proc.name = "\ a""#, r#"(= proc.name "\\a")"#),
        (r#"proc.name = "\x41\xc3\xA9""#, r#"(= proc.name "Aé")"#),
        (r#"proc.name = "(and)""#, r#"(= proc.name "(and)")"#),
        (r#"proc.name in ("<NA>","N/A")"#, r#"(in proc.name "<NA>" "N/A")"#),
        ("proc.name = \"a\nb\"", r#"(= proc.name "a\nb")"#),
        (
            r#"proc.cmdline startswith "sh -c envdir \"/run/etc/wal-e.d/env\" wal-g wal-push""#,
            r#"(startswith proc.cmdline "sh -c envdir \"/run/etc/wal-e.d/env\" wal-g wal-push")"#,
        ),
    ]);
}

#[test]
fn lists() {
    golden(&[
        ("proc.name in ()", "(in proc.name)"),
        ("proc.name in ( )", "(in proc.name)"),
        ("proc.name in(a,b)", "(in proc.name a b)"),
        ("proc.name in ( a , 'b c' , d )", r#"(in proc.name a "b c" d)"#),
        ("proc.name in (\n  a,\n  b\n)", "(in proc.name a b)"),
        ("proc.name in some_list", "(in proc.name some_list)"),
        ("proc.name in (in.proftpd, not, or)", "(in proc.name in.proftpd not or)"),
        (
            "proc.pname in (runc:[0:PARENT], runc:[1:CHILD], runc)",
            "(in proc.pname runc:[0:PARENT] runc:[1:CHILD] runc)",
        ),
        ("proc.aname in (val(proc.name))", "1:19: expected `,` or `)`, found `(`"),
    ]);
}

#[test]
fn field_arguments() {
    golden(&[
        ("proc.aname[2] = x", "(= proc.aname[2] x)"),
        ("proc.aname[2]=x", "(= proc.aname[2] x)"),
        ("k8s.pod.label[app] = x", "(= k8s.pod.label[app] x)"),
        (
            "k8s.pod.label[app.kubernetes.io/name] = x",
            "(= k8s.pod.label[app.kubernetes.io/name] x)",
        ),
        (r#"k8s.pod.label["a b"] = x"#, r#"(= k8s.pod.label["a b"] x)"#),
        ("k8s.pod.label['a]b'] = x", r#"(= k8s.pod.label["a]b"] x)"#),
        (
            "container.mount.dest[/proc*] exists",
            "(exists container.mount.dest[/proc*])",
        ),
        ("evt.arg.flags contains O_TRUNC", "(contains evt.arg.flags O_TRUNC)"),
        ("evt.arg[0] in (a)", "(in evt.arg[0] a)"),
        ("json.value[/a/b,c=(d)] = 1", "(= json.value[/a/b,c=(d)] 1)"),
        (
            "proc.exe_ino.ctime_duration_proc_start > 0",
            "(> proc.exe_ino.ctime_duration_proc_start 0)",
        ),
    ]);
}

#[test]
fn transformers() {
    golden(&[
        ("tolower(proc.name) = x", "(= tolower(proc.name) x)"),
        ("toupper( proc.name )=X", "(= toupper(proc.name) X)"),
        ("b64(proc.name) = x", "(= b64(proc.name) x)"),
        ("basename(proc.exepath) in (a, b)", "(in basename(proc.exepath) a b)"),
        ("len(proc.args) > 3", "(> len(proc.args) 3)"),
        (
            "tolower(b64(proc.name)) contains x",
            "(contains tolower(b64(proc.name)) x)",
        ),
        ("tolower(proc.aname[2]) exists", "(exists tolower(proc.aname[2]))"),
        (
            r#"join(",", (proc.name, proc.exe)) = x"#,
            r#"(= join("," proc.name proc.exe) x)"#,
        ),
        (r#"join(",", proc.aname) = x"#, r#"(= join("," proc.aname) x)"#),
        (
            r#"concat(proc.name, "/", 5, tolower(proc.exe)) = x"#,
            r#"(= concat(proc.name "/" 5 tolower(proc.exe)) x)"#,
        ),
        (
            r#"getopt(proc.args, "nt:") intersects (n, t)"#,
            r#"(intersects getopt(proc.args "nt:") n t)"#,
        ),
        (
            r#"getopt(proc.args, "nt:", "t") = x"#,
            r#"(= getopt(proc.args "nt:" "t") x)"#,
        ),
        (
            "not tolower(proc.name) = x and y",
            "(and (not (= tolower(proc.name) x)) y)",
        ),
    ]);
}

#[test]
fn computed_right_sides() {
    golden(&[
        ("proc.name = val(proc.pname)", "(= proc.name val(proc.pname))"),
        ("proc.name = val( proc.aname[2] )", "(= proc.name val(proc.aname[2]))"),
        ("fd.sport < val(fd.cport)", "(< fd.sport val(fd.cport))"),
        (
            "proc.name startswith tolower(proc.exe)",
            "(startswith proc.name tolower(proc.exe))",
        ),
        ("proc.name in val(proc.aname)", "(in proc.name val(proc.aname))"),
        (
            "tolower(proc.name) = tolower(proc.pname) and a",
            "(and (= tolower(proc.name) tolower(proc.pname)) a)",
        ),
        ("proc.name = value", "(= proc.name value)"),
    ]);
}

#[test]
fn quantifiers() {
    golden(&[
        ("proc.name startswith anyof (a, b)", "(startswith/anyof proc.name a b)"),
        (
            "proc.name contains oneof ('a b')",
            r#"(contains/oneof proc.name "a b")"#,
        ),
        (
            "proc.cmdline contains allof(curl, bash)",
            "(contains/allof proc.cmdline curl bash)",
        ),
        ("proc.name != allof (a, b) and c", "(and (!=/allof proc.name a b) c)"),
        ("proc.name=anyof (a)", "(=/anyof proc.name a)"),
        ("proc.name regex anyof ()", "(regex/anyof proc.name)"),
        ("fd.num >= allof (1, 2)", "(>=/allof fd.num 1 2)"),
    ]);
}

#[test]
fn members_of_lists() {
    let members = |text: &str| {
        let words = parse_members(&Text::whole("items", text)).expect("members");
        words
            .into_iter()
            .map(|word| (word.text, word.quoted))
            .collect::<Vec<_>>()
    };
    assert_eq!(members("a"), [("a".to_owned(), false)]);
    assert_eq!(members("\"(systemd)\""), [("(systemd)".to_owned(), true)]);
    assert_eq!(members("a, 'b c'"), [("a".to_owned(), false), ("b c".to_owned(), true)]);
}

#[test]
fn parts_know_their_places() {
    let text = "a and\n  (proc.name in (x, \"y z\") or not b)  ";
    let node = parse(&Text::whole("condition", text)).expect("a condition");
    assert_eq!(node.span.text(), "a and\n  (proc.name in (x, \"y z\") or not b)");
    let super::Expression::And(parts) = &node.expression else {
        panic!("{node:?}")
    };
    let super::Expression::Or(inner) = &parts[1].expression else {
        panic!("{node:?}")
    };
    assert_eq!(inner[0].span.text(), "proc.name in (x, \"y z\")");
    assert_eq!(inner[1].span.text(), "not b");
    let super::Expression::Compare(comparison) = &inner[0].expression else {
        panic!("{node:?}")
    };
    assert_eq!(comparison.span.text(), "in");
    let super::Operand::Constant(word) = &comparison.right[1] else {
        panic!("{node:?}")
    };
    assert_eq!(word.span.text(), "\"y z\"");
    assert_eq!((word.span.position().line, word.span.position().column), (2, 21));
}
