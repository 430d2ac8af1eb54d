//! The table says what it is told to say, and both sides agree on where it stands.

use std::collections::BTreeSet;

use super::*;

fn hook(name: &str) -> Hook {
    Hook::of_call(name).unwrap()
}

fn name(path: &str) -> Name {
    Name::First(path.as_bytes().into())
}

fn asking_for(names: impl IntoIterator<Item = Name>) -> Prefilter {
    Prefilter {
        conditions: vec![Condition {
            names: Some(names.into_iter().collect()),
            ..Condition::default()
        }],
        ..Prefilter::default()
    }
}

#[test]
fn hooks_with_the_same_conditions_share_them() {
    let filters = Prefilters(vec![
        (hook("open"), asking_for([name("etc")])),
        (hook("openat"), asking_for([name("etc")])),
        (hook("connect"), Prefilter::default()),
    ]);
    let table = filters.table();
    let of = |name: &str| table.of_hook[hook(name).index()];
    assert_eq!((of("open"), of("openat"), of("connect"), of("bind")), (1, 1, 2, 0));
    assert_eq!((table.each[1].conditions, table.each[1].by_path), (1, 1));
    assert_eq!(table.each[2].conditions, 0, "never told");
    assert_eq!(table.names.iter().filter(|slot| slot.of != 0).count(), 1);
    assert_eq!(filters.hooks().calls().count(), 3);
}

/// As the kernel side looks for it.
fn find(table: &raw::Prefilters, number: u32, name: &Name) -> (u32, u32) {
    let (kind, names) = name.key();
    let of = number | kind << 8;
    (0..PROBES)
        .map(|step| &table.names[(place_of(of, names) + step) % SLOTS])
        .take_while(|slot| slot.of != 0)
        .find(|slot| slot.of == of && slot.names == names)
        .map_or((0, 0), |slot| (slot.conditions, slot.below))
}

#[test]
fn every_name_is_found_with_the_conditions_that_ask_for_it() {
    let second = |two: &str| Name::Second((*b"etc").into(), two.as_bytes().into());
    let ending = |text: &str| Name::Ending(text.as_bytes().into());
    let one = BTreeSet::from([name("root"), second("shadow"), ending("release_agent")]);
    let two = BTreeSet::from([second("shadow"), ending(".log")]);
    let filter = Prefilter {
        conditions: [one, two]
            .map(|names| Condition {
                names: Some(names),
                ..Condition::default()
            })
            .into(),
        ..Prefilter::default()
    };
    let table = Prefilters(vec![(hook("openat"), filter)]).table();
    for (name, alone, below) in [
        (name("root"), 0b01, 0),
        (second("shadow"), 0b11, 0),
        (second("shadows"), 0, 0),
        (ending("se_agent"), 0b01, 0),
        (ending(".log"), 0b10, 0),
        // A first name is found wherever a second counts.
        (name("etc"), 0, 0b11),
        (name("var"), 0, 0),
    ] {
        assert_eq!(find(&table, 1, &name), (alone, below), "{name:?}");
        assert_eq!(find(&table, 2, &name), (0, 0), "of another one: {name:?}");
    }
    assert_eq!(table.each[1].endings, 1 << 8 | 1 << 4);
    assert_eq!(table.each[1].by_ending, 0b11);
}

#[test]
fn where_there_is_no_room_paths_are_not_looked_at() {
    let many = (0..SLOTS as u32 + 1).map(|number| name(&format!("name{number}")));
    let table = Prefilters(vec![(hook("openat"), asking_for(many))]).table();
    assert_eq!((table.each[1].conditions, table.each[1].by_path), (1, 0));
    // As many as rules have are no difficulty.
    let some = (0..300).map(|number| name(&format!("name{number}")));
    let table = Prefilters(vec![(hook("openat"), asking_for(some))]).table();
    assert_eq!(table.each[1].by_path, 1);
}

#[test]
fn a_value_that_stands_in_several_places_is_refused_in_each() {
    let filter = Prefilter {
        conditions: vec![Condition {
            refused_by: BTreeSet::from([Fact::Value(1), Fact::OtherValue]),
            ..Condition::default()
        }],
        values: vec![4, 5],
        ..Prefilter::default()
    };
    let raw = filter.raw();
    assert_eq!(raw.values[..3], [4, 5, 5]);
    let refusing: Vec<usize> = (0..FACTS).filter(|fact| raw.refusing[*fact] == 1).collect();
    assert_eq!(refusing, (13..=24).collect::<Vec<_>>());
}

#[test]
fn both_sides_number_alike() {
    let header = include_str!("../../ebpf/include/prefilter.h");
    for (name, value) in [
        ("PREFILTERS", PREFILTERS),
        ("NAME_SLOTS", SLOTS),
        ("NAME_PROBES", PROBES),
        ("VALUES", VALUES),
        ("HOST_SLOTS", HOSTS),
    ] {
        assert!(header.contains(&format!("#define {name} {value}\n")), "{name}");
    }
    // The order of the facts, with the places that a range takes.
    let facts = header.split_once("enum fact {").unwrap().1.split_once("};").unwrap().0;
    let mut next = 0;
    let mut numbers = Vec::new();
    for line in facts.lines().map(str::trim).filter(|line| line.starts_with("FACT_")) {
        let (name, value) = line
            .trim_end_matches(',')
            .split_once(" = ")
            .unwrap_or((line.trim_end_matches(','), ""));
        next = match value {
            "" => next,
            "FACT_ACCESS + 4" => 8,
            "FACT_VALUE + VALUES" => 12 + VALUES,
            other => panic!("{other}"),
        };
        numbers.push((name, next));
        next += 1;
    }
    let ours = [
        ("FACT_FAILED", Fact::Failed.index()),
        ("FACT_IN_PROGRESS", Fact::InProgress.index()),
        ("FACT_STANDARD", Fact::Standard.index()),
        ("FACT_MORE", Fact::More.index()),
        ("FACT_ACCESS", Fact::Access(0).index()),
        ("FACT_KEEPS", Fact::Keeps.index()),
        ("FACT_TRUNCATES", Fact::Truncates.index()),
        ("FACT_INTERNET", Fact::Internet.index()),
        ("FACT_ELSE", Fact::Else.index()),
        ("FACT_VALUE", Fact::Value(0).index()),
        ("FACT_OTHER_VALUE", Fact::OtherValue.index()),
        ("FACT_HOST", Fact::Host.index()),
        ("FACT_NONE", Fact::NONE),
    ];
    assert_eq!(numbers, ours);
    for (constant, value) in [("O_ACCMODE", libc::O_ACCMODE), ("EINPROGRESS", libc::EINPROGRESS)] {
        assert!(header.contains(&format!("#define {constant} {value}\n")));
    }
    assert!(header.contains(&format!("#define O_TRUNC 0{:o}\n", libc::O_TRUNC)));
}
