//! Files that are meant to do harm.

use std::time::{Duration, Instant};

use super::declared;

#[test]
fn hostile_files_are_refused_in_time() {
    const SIZE: usize = 10 * 1024 * 1024;
    let fill = |text: &str| text.repeat(SIZE / text.len());
    let mut laughs = "- &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    (1..40).for_each(|n| {
        let aliases = vec![format!("*a{}", n - 1); 9].join(", ");
        laughs.push_str(&format!("- &a{n} [{aliases}]\n"));
    });
    let corpus = [
        ("brackets", fill("["), "f:1:"),
        ("braces", fill("{a: "), "f:1:"),
        ("blocks", fill("- "), "f:1:"),
        ("laughs", laughs, "has more than 100000 values"),
        (
            "aliases",
            format!("- &a [x]\n{}", fill("- *a\n")),
            "has more than 100000 values",
        ),
        (
            "an alias in itself",
            "- &a [*a]\n".to_owned(),
            "an alias stands within what it names",
        ),
        ("no anchor", "- *a\n".to_owned(), "unknown anchor"),
        (
            "items",
            format!("- list: l\n  items: [{}]", fill("a, ")),
            "has more than 100000 values",
        ),
        ("anchors", fill("- &a x\n"), "has more than 1000 anchors"),
        (
            "keys",
            format!("- a: b\n{}", fill("  c: d\n")),
            "has more than 100000 values",
        ),
        ("one scalar", format!("- macro: m\n  condition: {}", fill("x")), ""),
        ("escapes", format!("- macro: m\n  condition: \"{}\"", fill("\\n")), ""),
        ("lines", format!("- macro: m\n  condition: >\n{}", fill("    x\n")), ""),
        ("an open quote", format!("- \"{}", fill("x")), "f:1:"),
        ("comments", fill("# x\n"), ""),
        ("nothing", fill("\n"), ""),
        ("tabs", fill("\t"), ""),
        ("too much", fill("\n").repeat(2), "is longer than 16 MiB"),
    ];
    for (name, text, expected) in corpus {
        let start = Instant::now();
        let (_, problems) = declared(&text);
        let spent = start.elapsed();
        assert!(problems.join("\n").contains(expected), "{name}: {:?}", problems.first());
        // A second, and more where nothing is optimised and other tests run beside this one.
        assert!(
            spent < Duration::from_secs(if cfg!(debug_assertions) { 4 } else { 1 }),
            "{name} took {spent:?}"
        );
        println!("{name}: {spent:?}, {:?}", problems.first());
    }
}
