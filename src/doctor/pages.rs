//! The page of a check: made of its entry in the registry and its prose, the same for `docs/checks/`, for `agent doctor
//! explain ID`, and for whoever reads the source.

use std::fmt::Write as _;

use super::registry::{Definition, Edge, checks};

/// The page of one check, Markdown.
#[must_use]
pub fn page(definition: &Definition) -> String {
    let Definition { id, area, title, .. } = definition;
    let mut page = format!("# {id}: {title}\n\n| | |\n|---|---|\n");
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(page, "| {name} | {value} |");
        }
    };
    row("Area", (*area).to_owned());
    row("Weight", definition.weight.words().to_owned());
    let needs: Vec<&str> = definition.needs.iter().map(|need| need.words()).collect();
    row("Looks at", needs.join(", "));
    row("Judged", judged(definition));
    row(
        "Skipped when one of these fails",
        edges(definition, |edge| matches!(edge, Edge::Needs(_))),
    );
    row(
        "Its facts come through",
        edges(definition, |edge| matches!(edge, Edge::Through(_))),
    );
    row("Waiting for it", followers(id));
    page.push('\n');
    page.push_str(definition.page.trim());
    page.push('\n');
    page
}

/// The list of all checks, Markdown, in the order of the report.
#[must_use]
pub fn index() -> String {
    let mut page = String::from(
        "# Checks of the doctor\n\nMade from the registry. `agent doctor explain ID` prints a page without a network. An id is \
         never given to another check.\n\n| Id | Area | What it examines |\n|---|---|---|\n",
    );
    for Definition { id, area, title, .. } in checks() {
        let _ = writeln!(page, "| [{id}]({id}.md) | {area} | {title} |");
    }
    page
}

fn judged(definition: &Definition) -> String {
    match (definition.judge, definition.offline) {
        (Some(_), Some(_)) => "on a node, and in manifests before they are applied",
        (None, _) => "in manifests before they are applied",
        (Some(_), None) => "on a node",
    }
    .to_owned()
}

fn edges(definition: &Definition, wanted: impl Fn(&Edge) -> bool) -> String {
    let ids: Vec<String> = definition
        .depends_on
        .iter()
        .filter(|edge| wanted(edge))
        .map(|edge| link(edge.id()))
        .collect();
    ids.join(", ")
}

fn followers(id: &str) -> String {
    let ids: Vec<String> = checks()
        .filter(|other| other.depends_on.iter().any(|edge| edge.id() == id))
        .map(|other| link(other.id))
        .collect();
    ids.join(", ")
}

fn link(id: &str) -> String {
    format!("[{id}]({id}.md)")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    /// `PINHOLE_BLESS=1` writes the pages anew.
    #[test]
    fn the_pages_in_the_tree_are_those_of_the_registry() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/checks");
        let mut wanted: BTreeSet<String> = checks().map(|definition| format!("{}.md", definition.id)).collect();
        wanted.insert("README.md".to_owned());
        let pages = checks().map(|definition| (format!("{}.md", definition.id), page(definition)));
        let all: Vec<(String, String)> = pages.chain([("README.md".to_owned(), index())]).collect();
        let present = || -> BTreeSet<String> {
            let entries = fs::read_dir(&folder).into_iter().flatten();
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        };
        if std::env::var_os("PINHOLE_BLESS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            for stale in present().difference(&wanted) {
                fs::remove_file(folder.join(stale)).unwrap();
            }
            for (name, text) in &all {
                fs::write(folder.join(name), text).unwrap();
            }
        }
        assert_eq!(
            present(),
            wanted,
            "PINHOLE_BLESS=1 cargo test --lib doctor::pages writes them"
        );
        for (name, text) in all {
            assert!(
                fs::read_to_string(folder.join(&name)).unwrap() == text,
                "docs/checks/{name} is not what the registry says: PINHOLE_BLESS=1 cargo test --lib doctor::pages"
            );
        }
    }

    #[test]
    fn every_page_says_what_it_examines_and_what_mends_it() {
        for definition in checks() {
            assert!(definition.page.len() > 80, "{}: hardly a page", definition.id);
            assert!(
                !definition.page.starts_with('#'),
                "{}: the title is made",
                definition.id
            );
        }
    }

    /// The table of reported failures names checks that are there.
    #[test]
    fn the_failures_that_users_reported_are_found_by_checks_that_exist() {
        let table = include_str!("../../docs/failures.md");
        let named: BTreeSet<&str> = table
            .split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-'))
            .filter(|word| word.starts_with("PIN-") && word.len() > "PIN-".len())
            .collect();
        assert!(named.len() > 40, "{named:?}");
        for id in named {
            assert!(super::super::registry::find(id).is_some(), "{id} is no check");
        }
    }
}
