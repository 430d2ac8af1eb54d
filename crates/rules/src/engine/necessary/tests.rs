//! Wherever a rule matches or is unknown, what is necessary holds; and what is necessary says what it should.

use proptest::prelude::*;

use super::{Axis, Means, Necessary, Part, Patterns, Seen, Values, Vocabulary, Word};
use crate::catalogue::EventType;
use crate::engine::tests::property;
use crate::engine::{Outcome, Scratch, Subject};
use crate::field::Field;
use crate::host::{Event, all, catalogue, compiled, rule};
use crate::value::{Answer, Value};

const fn axis(name: &'static str, classes: &'static [&'static str]) -> Axis {
    Axis {
        name,
        classes,
        certain: false,
    }
}

static READS: Axis = axis("reads", &["no", "yes"]);
static RESULT: Axis = axis("result", &["failed", "zero", "one", "more"]);
static NUMBER: Axis = Axis {
    certain: true,
    ..axis("number", &["small", "zero", "others"])
};
static NAME: Axis = axis("name", &["a", "b", "others"]);
static PATH: Axis = axis("path", &[]);
static EXE: Axis = axis("exe", &[]);
static TRUNCATES: Axis = axis("truncates", &["no", "yes"]);
static CREATES: Axis = axis("creates", &["no", "yes"]);

static FLAGS: [Word; 3] = [
    Word {
        text: "O_TRUNC",
        axis: Some(&TRUNCATES),
    },
    Word {
        text: "O_CREAT",
        axis: Some(&CREATES),
    },
    Word {
        text: "O_RDWR",
        axis: None,
    },
];

/// What the tests' host can test.
#[derive(Debug, Clone)]
struct Filter {
    patterns: Patterns,
    most: usize,
}

impl Filter {
    const PREFIXES: Self = Self {
        patterns: Patterns::PREFIXES,
        most: 16,
    };

    fn rows(&self) -> Vec<(&'static str, Means)> {
        let text = |axis, part, clean| Means::Text {
            axis,
            part,
            patterns: self.patterns,
            clean,
        };
        let classes = |axis, values| Means::Classes { axis, values };
        vec![
            (
                "evt.is_open_read",
                classes(&READS, &[Values::Truth(false), Values::Truth(true)]),
            ),
            (
                "evt.rawres",
                classes(
                    &RESULT,
                    &[
                        Values::Numbers(&[i64::MIN..=-2, -1..=-1]),
                        Values::Numbers(&[0..=0]),
                        Values::Numbers(&[1..=1]),
                        Values::Numbers(&[2..=i64::MAX]),
                    ],
                ),
            ),
            (
                "fd.num",
                classes(
                    &NUMBER,
                    &[
                        Values::Numbers(&[i64::MIN..=-1]),
                        Values::Numbers(&[0..=0]),
                        Values::Others,
                    ],
                ),
            ),
            (
                "proc.name",
                classes(
                    &NAME,
                    &[Values::Texts(&["a", "ab", "A"]), Values::Texts(&["b"]), Values::Others],
                ),
            ),
            ("fd.name", text(&PATH, Part::Whole, true)),
            ("fd.directory", text(&PATH, Part::Directory, true)),
            ("fd.filename", text(&PATH, Part::Name, true)),
            ("proc.exe", text(&EXE, Part::Whole, false)),
            (
                "evt.arg.flags",
                Means::Words {
                    separator: b'|',
                    words: &FLAGS,
                },
            ),
        ]
    }

    /// What a filter would see of an event.
    fn seen<'e>(&self, event: &'e Event, axis: &Axis) -> Seen<'e> {
        let of = |name: &str| match event.0.get(name) {
            Some(answer) => answer,
            None => &Answer::Absent,
        };
        for (name, means) in self.rows() {
            match (means, of(name)) {
                (Means::Classes { axis: it, values }, answer) if it == axis => {
                    return match answer {
                        Answer::Known(value) => Seen::Class(class(value, values)),
                        Answer::Absent => Seen::Absent,
                        _ => Seen::Unknown,
                    };
                }
                (Means::Words { words, .. }, answer) => {
                    let Some(word) = words.iter().find(|word| word.axis == Some(axis)) else {
                        continue;
                    };
                    return match answer {
                        Answer::Known(Value::Text(text)) => {
                            let there = text.split(|byte| *byte == b'|').any(|it| it == word.text.as_bytes());
                            Seen::Class(usize::from(there))
                        }
                        Answer::Absent => Seen::Absent,
                        _ => Seen::Unknown,
                    };
                }
                (
                    Means::Text {
                        axis: it,
                        part: Part::Whole,
                        ..
                    },
                    answer,
                ) if it == axis => {
                    return match answer {
                        Answer::Known(Value::Text(text)) => Seen::Text(text),
                        Answer::Absent => Seen::Absent,
                        _ => Seen::Unknown,
                    };
                }
                _ => {}
            }
        }
        panic!("no field has the axis {}", axis.name)
    }
}

fn class(value: &Value<'_>, values: &[Values]) -> usize {
    let has = |class: &Values| match (class, value) {
        (Values::Texts(texts), Value::Text(text)) => texts.iter().any(|it| it.as_bytes() == &**text),
        (Values::Numbers(ranges), Value::Number(number)) => ranges.iter().any(|it| it.contains(number)),
        (Values::Truth(one), Value::Boolean(two)) => one == two,
        _ => false,
    };
    let others = || values.iter().position(|class| matches!(class, Values::Others));
    values.iter().position(has).or_else(others).expect("a class for all")
}

impl Vocabulary for Filter {
    fn means(&self, _: EventType, field: &Field) -> Option<Means> {
        let name = catalogue().name(field);
        self.rows()
            .into_iter()
            .find(|(it, _)| *it == name)
            .map(|(_, means)| means)
    }

    fn most(&self) -> usize {
        self.most
    }
}

const PATHS: [&str; 9] = ["/", "/a", "/a/b", "/a/b/c", "/ab", "/ab/a", "/b/a.log", "/b/.x/a", "/c"];

/// Comparisons of what can be tested.
fn testable() -> impl Strategy<Value = String> {
    let quoted = |word: &str| format!("\"{word}\"");
    let path = move || {
        prop::sample::select(vec![
            "/", "/a", "/a/", "/a/b", "/ab", "a", "b/", ".log", "", "/b/.x", "/c", "x/a",
        ])
        .prop_map(quoted)
    };
    let paths = move || prop::collection::vec(path(), 1..4).prop_map(|paths| format!("({})", paths.join(", ")));
    let pattern = prop::sample::select(vec![
        "/a/*", "/a/?", "*/b", "*/.x/*", "/b/*.log", "/a", "[/]a*", "*", "/*/a*", "/a[*]",
    ])
    .prop_map(quoted);
    let pathy = || prop::sample::select(vec!["fd.name", "fd.directory", "fd.filename", "proc.exe"]);
    let operator = prop::sample::select(vec!["=", "!=", "startswith", "endswith", "contains", "icontains"]);
    let members = prop::sample::select(vec!["/a", "/*/b", "/", "/b/.*", "a", "/a//b"]).prop_map(quoted);
    let pmatch = prop::collection::vec(members, 1..3).prop_map(|paths| format!("({})", paths.join(", ")));
    let flag = prop::sample::select(vec!["O_TRUNC", "O_", "T|O_T", "O_CREAT", "o_rdwr", "x", ""]).prop_map(quoted);
    let flags = prop::sample::select(vec!["contains", "icontains", "=", "!=", "startswith"]);
    prop_oneof![
        4 => (pathy(), operator, path()).prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
        2 => (pathy(), paths()).prop_map(|(left, right)| format!("{left} in {right}")),
        2 => (pathy(), pattern).prop_map(|(left, right)| format!("{left} glob {right}")),
        1 => (pathy(), pmatch).prop_map(|(left, right)| format!("{left} pmatch {right}")),
        2 => (flags, flag).prop_map(|(operator, right)| format!("evt.arg.flags {operator} {right}")),
        1 => (pathy(), paths()).prop_map(|(left, right)| format!("{left} startswith oneof {right}")),
        1 => prop::sample::select(vec!["evt.is_open_read exists", "fd.name exists", "evt.is_open_read = true"])
            .prop_map(str::to_owned),
        2 => property::comparison(),
    ]
}

fn answer(texts: &'static [&'static str]) -> impl Strategy<Value = Answer<'static>> {
    let known = |text: &str| Answer::Known(Value::Text(text.as_bytes().to_vec().into()));
    prop_oneof![
        4 => prop::sample::select(texts).prop_map(known),
        1 => Just(Answer::Absent),
        1 => Just(Answer::Unknown("why")),
    ]
}

fn slash(path: &[u8]) -> usize {
    path.iter().rposition(|byte| *byte == b'/').expect("a path")
}

/// Events whose file has one path, of which the other fields are parts.
fn event() -> impl Strategy<Value = Event> {
    let flags = answer(&["O_TRUNC", "O_CREAT|O_TRUNC", "O_CREAT", "O_RDWR", "O_RDWR|O_TRUNC", ""]);
    (property::event(), answer(&PATHS), flags, -2_i64..3).prop_map(|(event, path, flags, number)| {
        let part = |part: fn(&[u8]) -> &[u8]| match &path {
            Answer::Known(Value::Text(text)) => Answer::Known(Value::Text(part(text).to_vec().into())),
            other => other.clone(),
        };
        let directory = part(|text| &text[..slash(text).max(1)]);
        let name = part(|text| &text[slash(text) + 1..]);
        event
            .with("fd.name", path)
            .with("fd.directory", directory)
            .with("fd.filename", name)
            .with("evt.arg.flags", flags)
            .number("fd.num", number)
    })
}

/// Mostly short ones: of many parts little is necessary.
fn condition() -> impl Strategy<Value = String> {
    let all = |joined: &'static str| {
        prop::collection::vec(testable(), 2..4).prop_map(move |parts| format!("({})", parts.join(joined)))
    };
    prop_oneof![
        2 => testable(),
        1 => testable().prop_map(|of| format!("not {of}")),
        3 => all(" and "),
        1 => all(" or "),
        1 => all(" or ").prop_map(|of| format!("not {of}")),
        2 => property::joined(testable()),
    ]
}

const ALL: Patterns = Patterns {
    equal: true,
    name: true,
    begins: true,
    ends: true,
    contains: true,
};

fn filter() -> impl Strategy<Value = Filter> {
    let some = any::<[bool; 5]>().prop_map(|[equal, name, begins, ends, contains]| Patterns {
        equal,
        name,
        begins,
        ends,
        contains,
    });
    (prop_oneof![2 => Just(ALL), 1 => some], 1_usize..6).prop_map(|(patterns, most)| Filter { patterns, most })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn holds_where_a_rule_does(
        conditions in prop::collection::vec(condition(), 1..3),
        events in prop::collection::vec(event(), 1..16),
        filter in filter(),
    ) {
        let rules: Vec<_> = (0..).zip(&conditions).map(|(number, it)| rule(&format!("{number}"), it)).collect();
        let set = compiled(&rules, &all());
        for event in &events {
            let necessary = set.necessary(event.kind(), &filter);
            prop_assert!(necessary.any.len() <= filter.most);
            let seen = |axis: &Axis| filter.seen(event, axis);
            set.evaluate(event.kind(), event, &mut Scratch::default(), |outcome| {
                let (Outcome::Match { number, .. } | Outcome::Unknown { number, .. }) = outcome;
                let holds = necessary.any.iter().any(|it| it.rules.contains(&number) && it.holds(&seen));
                assert!(holds, "{necessary}\n{}\n{event:?}", conditions[number as usize]);
            });
        }
    }
}

fn of(conditions: &[&str], filter: &Filter) -> Necessary {
    let rules: Vec<_> = (0..)
        .zip(conditions)
        .map(|(number, it)| rule(&format!("{number}"), it))
        .collect();
    let set = compiled(&rules, &all());
    set.necessary(Event::of("openat").kind(), filter)
}

#[test]
fn says_what_it_should() {
    for (conditions, wanted) in [
        (&["evt.type = execve and fd.name = /a"][..], "never"),
        (&["proc.pname = x"], "always"),
        (&["proc.pname = x and fd.name = /a"], "path in (/a)"),
        (
            &["fd.name startswith /a and evt.is_open_read = true"],
            "path in (/a*) and reads in (yes)",
        ),
        // What is absent is not equal, and so neither is it not.
        (&["not evt.is_open_read = true"], "reads in (no, absent)"),
        (&["evt.is_open_read != true"], "reads in (no)"),
        (&["evt.is_open_read exists or not evt.is_open_read = true"], "always"),
        (&["evt.rawres = oneof (0, 1)"], "result in (zero, one)"),
        (&["not evt.rawres = oneof (0, 1)"], "always"),
        (
            &["fd.directory in (/a, /b) or fd.name = /a/x or fd.name = /c"],
            "path in (/a, /b, /c, /a/*, /b/*)",
        ),
        (&["fd.name pmatch (/a, /b/*/c)"], "path in (/a, /a/*, /b/*)"),
        (&["fd.directory pmatch (/a, /b/*/c)"], "path in (/a, /a/*, /b/*)"),
        (&["fd.name pmatch (/)"], "always"),
        (&["fd.name glob '/home/*/.ssh/*'"], "path in (/home/*)"),
        // A filter that knows prefixes only.
        (&["fd.name endswith .log"], "always"),
        (&["fd.name glob '*.log'"], "always"),
        (&["not fd.name startswith /a"], "always"),
        (&["fd.name contains x and fd.name startswith /a"], "path in (/a*)"),
        (
            &["fd.name startswith /a/b and fd.directory in (/a, /c)"],
            "path in (/a/b*)",
        ),
        // Of an unknown path it is unknown whether it is so.
        (&["fd.name startswith /a and fd.name startswith /b"], "path in ()"),
        (&["fd.name = /a and fd.name = /b or fd.name = /c"], "path in (/c)"),
        (&["fd.num = 0 and fd.num > 3"], "never"),
        (&["evt.rawres in (0, 1)"], "result in (zero, one)"),
        (&["evt.rawres < 0"], "result in (failed)"),
        (&["evt.rawres > 0"], "result in (one, more)"),
        (&["not evt.rawres >= 0"], "result in (failed, absent)"),
        (&["evt.rawres in (1, 7)"], "result in (one, more)"),
        (&["proc.name in (a, ab, A)"], "name in (a)"),
        (&["proc.name startswith a"], "name in (a, others)"),
        (&["not proc.name in (a, ab, A)"], "name in (b, others, absent)"),
        (&["evt.arg.flags contains O_TRUNC"], "truncates in (yes)"),
        (&["evt.arg.flags contains RDWR"], "always"),
        (&["evt.arg.flags contains O_NOTHING"], "truncates in ()"),
        // Bits without a name are told as a number.
        (&["evt.arg.flags contains 0x80"], "always"),
        (&["evt.arg.flags icontains C"], "always"),
        (
            &["not (evt.arg.flags icontains o_trunc or evt.arg.flags contains CREAT)"],
            "creates in (no, absent) and truncates in (no, absent)",
        ),
        // Of several rules: what one says is within what another says, or goes along with it.
        (
            &[
                "fd.name = /a/b and evt.is_open_read = true",
                "fd.name startswith /a",
                "fd.name = /c",
            ],
            "path in (/c, /a*)",
        ),
        (
            &[
                "fd.name = /a and evt.is_open_read = true",
                "fd.name = /b and evt.is_open_read = false",
            ],
            "path in (/a) and reads in (yes)\nor path in (/b) and reads in (no)",
        ),
        (&["fd.name = /a", "proc.pname = x"], "always"),
    ] {
        assert_eq!(of(conditions, &Filter::PREFIXES).to_string(), wanted, "{conditions:?}");
    }
}

#[test]
fn more_kinds_of_patterns_say_more() {
    let filter = Filter {
        patterns: ALL,
        most: 16,
    };
    for (condition, wanted) in [
        ("fd.name endswith .log", "path in (*.log)"),
        ("fd.filename in (a, b)", "path in (**/a, **/b)"),
        ("fd.directory = / or fd.filename = a", "path in (**/a, /*)"),
        ("fd.name glob '*../*../*'", "path in (*../*)"),
        ("fd.name glob '/*/shadow'", "path in (*/shadow)"),
        ("fd.filename startswith a", "path in (*a*)"),
    ] {
        assert_eq!(of(&[condition], &filter).to_string(), wanted, "{condition}");
    }
}

/// What is joined to stay short is weaker, and tells of which rules it comes.
#[test]
fn is_short() {
    let conditions: Vec<_> = (0..20)
        .map(|number| {
            format!(
                "fd.name = /{number} and evt.rawres = {} and fd.num = {}",
                number % 3,
                number % 2
            )
        })
        .collect();
    let conditions: Vec<_> = conditions.iter().map(String::as_str).collect();
    let few = Filter {
        most: 2,
        ..Filter::PREFIXES
    };
    let necessary = of(&conditions, &few);
    assert_eq!(necessary.any.len(), 2, "{necessary}");
    assert!(!necessary.is_always());
    let rules: usize = necessary.any.iter().map(|it| it.rules.len()).sum();
    assert_eq!(rules, 20);
    let many: Vec<_> = (0..1000).map(|number| format!("/{number}/x")).collect();
    let long = format!("fd.name in ({}) and evt.is_open_read = true", many.join(", "));
    assert_eq!(of(&[&long], &Filter::PREFIXES).to_string(), "reads in (yes)");
}

#[test]
fn is_asked_for_with_any_type() {
    let set = compiled(&[rule("it", "fd.name = /a")], &all());
    assert!(set.necessary(EventType(u16::MAX), &Filter::PREFIXES).is_never());
    let _ = Event::default().answer(&catalogue().field("fd.name", None).expect("a field"));
}

/// However long a condition is, what is necessary is soon said.
#[test]
fn takes_its_time_and_no_more() {
    let part = |number: usize| {
        let name = if number.is_multiple_of(2) {
            "fd.name startswith"
        } else {
            "proc.exe ="
        };
        format!(
            "({name} /{number} and evt.rawres = {} and fd.num = {})",
            number % 5,
            number % 4
        )
    };
    let parts: Vec<_> = (0..2000).map(part).collect();
    let set = compiled(
        &[rule("it", &parts.join(" or ")), rule("other", &parts.join(" and "))],
        &all(),
    );
    let begun = std::time::Instant::now();
    let necessary = set.necessary(Event::of("openat").kind(), &Filter::PREFIXES);
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert!(!necessary.is_never());
}
