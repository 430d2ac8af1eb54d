use super::super::pages;
use super::super::registry::checks;
use super::*;

const PLAIN: Look = Look {
    color: false,
    unicode: false,
    width: 60,
};

#[test]
fn a_page_is_readable_without_markup() {
    let page = "# PIN-XXX-001: A title\n\n| | |\n|---|---|\n| Area | run |\n| Looks at | [PIN-A-001](PIN-A-001.md), `a|b` |\n\n\
                Looks at *every* candidate: `*.sock` counts, 2 * 3 * 4 does not,\nand [the rank](../configuration.md#x) is **told**.\n\n\
                ## Causes and fixes\n\n* *permission*: give it the group that owns the socket; no capability is\n  needed for it\n\
                * other\n  1. first\n  2. second\n\n    kubectl get pods  # verbatim, however long it may be, because it is to be copied\n\n\
                | What | Why | Fix |\n|---|:-:|---|\n| a\\|b | because | one that is long enough to be wrapped in its column |\n";
    let wanted = "\
PIN-XXX-001: A title

Area      run
Looks at  PIN-A-001, `a|b`

Looks at every candidate: `*.sock` counts, 2 * 3 * 4 does
not, and the rank is told.

Causes and fixes

* permission: give it the group that owns the socket; no
  capability is needed for it
* other
  1. first
  2. second

    kubectl get pods  # verbatim, however long it may be, because it is to be copied

What  Why      Fix
a|b   because  one that is long enough to be wrapped in its
               column
";
    // A bar in code needs an escape in a table, as everywhere in Markdown.
    let page = page.replace("`a|b`", "`a\\|b`");
    assert_eq!(text(&page, PLAIN), wanted);
}

#[test]
fn a_table_without_room_for_columns_becomes_records() {
    let wide = "a cause that takes up so much room that no column is left";
    let page = format!("| Cause | Fix |\n|---|---|\n| {wide} | mend it |\n| short | leave it |\n");
    let wanted = format!("{wide}\n  Fix: mend it\nshort\n  Fix: leave it\n");
    assert_eq!(text(&page, PLAIN), wanted);
}

#[test]
fn a_list_stands_off_what_is_before_it() {
    assert_eq!(text("a:\n\n* b\n* c\n\nd\n", PLAIN), "a:\n\n* b\n* c\n\nd\n");
}

#[test]
fn fences_are_code() {
    assert_eq!(
        text("a\n\n```sh\n# no heading\n| x |\n```\nb\n", PLAIN),
        "a\n\n    # no heading\n    | x |\n\nb\n"
    );
}

#[test]
fn every_page_of_the_registry_fits_a_terminal() {
    for definition in checks() {
        let page = text(&pages::page(definition), PLAIN);
        assert!(page.is_ascii() && page.starts_with(definition.id), "{page}");
        for line in page.lines() {
            // Code and the title are not broken.
            let code = line.starts_with("    ") || line.starts_with(definition.id);
            assert!(code || line.chars().count() <= 60, "{}: {line:?}", definition.id);
            assert!(
                !line.starts_with('|') && !line.contains("](") && !line.starts_with('#'),
                "{}: {line:?}",
                definition.id
            );
        }
    }
}

#[test]
fn colour_marks_headings_only_where_it_is_wanted() {
    let look = Look { color: true, ..PLAIN };
    assert_eq!(text("# T\n\np\n", look), "\u{1b}[1mT\u{1b}[0m\n\np\n");
}
