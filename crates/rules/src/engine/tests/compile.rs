//! What is told of rules that are compiled, and which events meet them.

use crate::engine::{RuleSet, Scratch, Subject};
use crate::field::Field;
use crate::host::{Event, all, catalogue, compiled, outcomes, rule, shown};
use crate::value::{Answer, Truth};

fn problems(condition: &str) -> Vec<String> {
    shown(&RuleSet::compile(&[rule("R", condition)], &catalogue(), &all()).1)
}

#[test]
fn tells_what_is_wrong_and_where() {
    for (condition, wanted) in [
        (
            "proc.name = a and proc.nam = b",
            "rules.yaml:1:19: error: rule R: the field `proc.nam` is not known (did you mean `proc.name`?)",
        ),
        (
            "evt.type in (open, opennat)",
            "rules.yaml:1:20: error: rule R: there is no type of events `opennat` (did you mean `openat`?)",
        ),
        (
            "fd.num = many",
            "rules.yaml:1:10: error: rule R: `many` is not a whole number",
        ),
        (
            "evt.is_open_read = yes",
            "rules.yaml:1:20: error: rule R: `yes` is not true or false",
        ),
        (
            "fd.sip = localhost",
            "rules.yaml:1:10: error: rule R: `localhost` is not an address or a network as address/prefix",
        ),
        (
            "fd.num contains 3",
            "rules.yaml:1:8: error: rule R: this operator does not compare numbers",
        ),
        (
            "proc.args = x",
            "rules.yaml:1:11: error: rule R: lists are compared with in, intersects and exists only",
        ),
        (
            "proc.name[1] = x",
            "rules.yaml:1:1: error: rule R: `proc.name` takes nothing in brackets",
        ),
        (
            "proc.aname[x] = x",
            "rules.yaml:1:1: error: rule R: `proc.aname` takes a number from 0 in brackets, not `x`",
        ),
        (
            "k8s.pod.label = x",
            "rules.yaml:1:1: error: rule R: `k8s.pod.label` needs a word in brackets",
        ),
        (
            "proc.name bcontains 6",
            "rules.yaml:1:11: error: rule R: this operator takes bytes as pairs of hexadecimal digits",
        ),
        (
            "proc.name = val(fd.num)",
            "rules.yaml:1:1: error: rule R: the fields on both sides are not of the same type",
        ),
        (
            "proc.name pmatch val(proc.exe)",
            "rules.yaml:1:1: error: rule R: this operator takes constants only on its right side",
        ),
        (
            "toupper(fd.num) = X",
            "rules.yaml:1:1: error: rule R: this function takes one text",
        ),
        (
            "evt.type = semop",
            "rules.yaml:1:12: warning: rule R: no event of the type `semop` is ever seen: nothing watches it",
        ),
        (
            "thread.cpu > 3 or proc.name = x",
            "rules.yaml:1:1: warning: rule R: `thread.cpu` never has a value: no program measures it \
             (a comparison with it is never true)",
        ),
        (
            "evt.rawarg.whence = 0 or proc.name = x",
            "rules.yaml:1:1: warning: rule R: `evt.rawarg.whence` never has a value: nothing reads it \
             (a comparison with it is never true)",
        ),
        (
            "evt.rawarg.flag = 0",
            "rules.yaml:1:1: error: rule R: the field `evt.rawarg.flag` is not known (did you mean `evt.rawarg.flags`?)",
        ),
        (
            "evt.dir in ('>', '') or proc.name = x",
            "rules.yaml:1:1: warning: rule R: `evt.dir` is always `<`, so this never holds",
        ),
    ] {
        assert_eq!(problems(condition), [wanted], "{condition}");
    }
    let wrong = problems("proc.name regex '('");
    assert!(wrong[0].contains("this is no regular expression"), "{wrong:?}");
}

#[test]
fn nothing_is_told_of_what_can_be() {
    for condition in [
        "evt.rawarg.flags = 0",
        "evt.dir = '<' and proc.name = x",
        "evt.dir != '>' and proc.name = x",
        "evt.dir in ('>', '<') and proc.name = x",
    ] {
        assert!(problems(condition).is_empty(), "{condition}: {:?}", problems(condition));
    }
    assert_eq!(problems("evt.dir = '>' and proc.name = x").len(), 2);
}

#[test]
fn tells_all_that_is_wrong() {
    let told = problems("proc.nam = a or (fd.nun = 3 and not fd.num = x) or evt.typ exists");
    assert_eq!(told.len(), 4, "{told:#?}");
}

#[test]
fn a_rule_that_hangs_on_what_is_never_known_cannot_match() {
    let told = problems("thread.cpu > 3 and proc.name = x");
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[1].contains("no event can match this rule"), "{told:#?}");
    let told = problems("evt.type = open and evt.type = execve");
    assert!(told[0].contains("no event can match this rule"), "{told:#?}");
}

#[test]
fn leaves_out_what_is_to_be_skipped() {
    let mut skipped = rule("skipped", "proc.nam = a");
    skipped.skip_if_unknown = true;
    let mut disabled = rule("disabled", "proc.nam = a");
    disabled.enabled = false;
    let rules = [skipped, disabled, rule("kept", "proc.name = a")];
    let (set, told) = RuleSet::compile(&rules, &catalogue(), &all());
    let set = set.expect("a set of rules");
    assert_eq!(set.rules().len(), 1);
    assert_eq!(told.len(), 2, "{told:#?}");
}

#[test]
fn warns_of_rules_that_meet_everything() {
    let mut every = rule("every", "proc.name = a");
    every.warn_event_types = true;
    let (_, told) = RuleSet::compile(&[every], &catalogue(), &all());
    assert!(told[0].message.contains("every type"), "{told:#?}");
}

#[test]
fn an_event_meets_only_its_rules() {
    let rules = [
        rule("opens", "evt.type in (open, openat) and fd.num >= 0"),
        rule("not opens", "not evt.type startswith open and fd.num >= 0"),
        rule(
            "either",
            "(evt.type = execve and proc.name = a) or (evt.type = open and proc.name = b)",
        ),
        rule("different", "evt.type != execve and proc.name = a"),
        rule(
            "by itself",
            "evt.type = val(evt.type) and evt.type exists and toupper(evt.type) = PTRACE",
        ),
    ];
    let set = compiled(&rules, &all());
    let of = |event: &str| -> Vec<u32> { set.rules_of(catalogue().event(event).expect("a type")).collect() };
    assert_eq!(of("open"), [0, 2, 3]);
    assert_eq!(of("openat"), [0, 3]);
    assert_eq!(of("execve"), [1, 2]);
    assert_eq!(of("connect"), [1, 3]);
    assert_eq!(of("ptrace"), [1, 3, 4]);
    let event = Event::of("execve").text("proc.name", "b");
    assert_eq!(outcomes(&set, &event), []);
    let event = Event::of("open").text("proc.name", "b");
    assert_eq!(outcomes(&set, &event), [("either".to_owned(), Truth::True)]);
}

/// Counts how often it is asked.
struct Counting<'e>(&'e Event, std::cell::Cell<u32>);

impl Subject for Counting<'_> {
    fn answer(&self, field: &Field) -> Answer<'_> {
        self.1.set(self.1.get() + 1);
        self.0.answer(field)
    }
}

#[test]
fn asks_once_for_what_many_rules_compare() {
    let rules: Vec<_> = (0..50)
        .map(|number| {
            rule(
                &number.to_string(),
                &format!("proc.name = x{number} or proc.name in (y, z{number}) or fd.name startswith /{number}"),
            )
        })
        .collect();
    let set = compiled(&rules, &all());
    let event = Event::of("open").text("proc.name", "none").text("fd.name", "none");
    let counting = Counting(&event, std::cell::Cell::new(0));
    set.evaluate(event.kind(), &counting, &mut Scratch::default(), |outcome| {
        panic!("{outcome:?}");
    });
    assert_eq!(counting.1.get(), 2);
}

/// The scratch of one event says nothing to the next one.
#[test]
fn forgets_the_last_event() {
    let set = compiled(
        &[
            rule("one", "(proc.name = a or fd.num = 1) and evt.rawres = 0"),
            rule("two", "(proc.name = a or fd.num = 1) and evt.rawres = 1"),
        ],
        &all(),
    );
    let mut scratch = Scratch::default();
    let mut matches = |name: &str, rawres| {
        let event = Event::of("open").text("proc.name", name).number("evt.rawres", rawres);
        let mut matches = 0;
        set.evaluate(event.kind(), &event, &mut scratch, |_| matches += 1);
        matches
    };
    assert_eq!(
        [matches("a", 0), matches("b", 0), matches("a", 1), matches("b", 1)],
        [1, 0, 1, 0]
    );
}

#[test]
fn conditions_that_nest_too_deeply_are_refused() {
    let mut deep = rule("deep", "proc.name = a");
    for _ in 0..10_000 {
        let span = deep.condition.span.clone();
        deep.condition = crate::syntax::Node {
            span,
            expression: crate::syntax::Expression::Not(Box::new(deep.condition)),
        };
    }
    let (set, told) = RuleSet::compile(std::slice::from_ref(&deep), &catalogue(), &all());
    assert!(set.is_none() && told[0].message.contains("nests deeper"), "{told:#?}");
}

/// What exceptions of a rule come to.
#[test]
fn many_alternatives_are_compiled_in_time() {
    let alternatives: Vec<_> = (0..3000)
        .map(|number| {
            format!(
                "(proc.name = n{} and fd.name = /f{number} and proc.exe startswith /e{})",
                number % 70,
                number % 300
            )
        })
        .collect();
    let condition = format!("evt.type in (open, openat) and not ({})", alternatives.join(" or "));
    let rule = rule("many", &condition);
    let begun = std::time::Instant::now();
    let set = compiled(&[rule], &all());
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    let event = |name: &str, path: &str| {
        Event::of("open")
            .text("proc.name", name)
            .text("fd.name", path)
            .text("proc.exe", "/e3")
    };
    assert_eq!(outcomes(&set, &event("n3", "/f3")), []);
    assert_eq!(outcomes(&set, &event("n4", "/f3")).len(), 1);
}
