//! `docs/events.md` has a row for every call, in the order of the table, and says the right things about it.

use crate::capture::calls::{CALLS, Class};

#[test]
fn every_call_is_documented() {
    let page = include_str!("../../../docs/events.md");
    let documented: Vec<[&str; 3]> = page
        .split("\n### Calls\n")
        .nth(1)
        .unwrap()
        .split("\n### ")
        .next()
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            std::array::from_fn(|_| cells.next().unwrap())
        })
        .collect();
    let ours: Vec<[String; 3]> = CALLS
        .iter()
        .map(|call| {
            let class = match call.class {
                Class::Process => "process",
                Class::File => "file",
                Class::Network => "network",
                Class::Privilege => "privilege",
                Class::Module => "module",
            };
            let narrow = if call.i386.is_empty() { "no" } else { "yes" };
            [format!("`{}`", call.name), class.to_owned(), narrow.to_owned()]
        })
        .collect();
    assert_eq!(documented, ours);
}

#[test]
fn every_note_and_key_is_documented() {
    let page = include_str!("../../../docs/events.md");
    for (_, word) in crate::event::file::Notes::WORDS {
        assert!(page.contains(&format!("`{word}`")), "{word}");
    }
    for key in [
        "syscall.unread",
        "syscall.truncated",
        "syscall.abi",
        "file.directory",
        "file.type",
        "network.type",
    ] {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
}
