//! Fields of ancestors: one of them by its level, or all of them, of which any may fit.

use std::borrow::Cow;

use pinhole_rules::field::Given;
use pinhole_rules::value::{Answer, Value};

use super::looked;
use crate::rules::lineage::{Image, Looked};
use crate::rules::reasons;
use crate::rules::subject::Subject;

/// What a field takes from an image.
type Take<'s> = fn(Image<'s>) -> Looked<Value<'s>>;

/// With a level in brackets that one's value, the process itself being 0; without, those of all ancestors.
fn ancestors<'s>(subject: &'s Subject<'_>, given: &Given, take: Take<'s>) -> Answer<'s> {
    match given {
        Given::Index(level) => {
            let image = subject.image(*level);
            looked(image.and_then(|image| image.map_or(Ok(None), take)), Answer::Known)
        }
        Given::Nothing | Given::Key(_) => all(subject, take),
    }
}

fn all<'s>(subject: &'s Subject<'_>, take: Take<'s>) -> Answer<'s> {
    let Some(process) = subject.process else {
        return Answer::Unknown(reasons::PROCESS_UNKNOWN);
    };
    let line = &process.ancestors;
    let mut values = Vec::with_capacity(line.len());
    let mut unknown = line.is_cut().then_some(reasons::ANCESTORS_UNKNOWN);
    for ancestor in line.iter() {
        match take(Image::of_ancestor(ancestor, subject.table)) {
            Ok(value) => values.extend(value),
            Err(why) => unknown = unknown.or(Some(why)),
        }
    }
    match unknown {
        None if values.is_empty() => Answer::Absent,
        None => Answer::Known(Value::List(values)),
        Some(why) if values.is_empty() => Answer::Unknown(why),
        Some(why) => Answer::Partly(values, why),
    }
}

fn borrowed(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text.as_bytes()))
}

fn made<'s>(text: String) -> Value<'s> {
    Value::Text(Cow::Owned(text.into_bytes()))
}

/// Names.
pub(super) fn names<'s>(subject: &'s Subject<'_>, given: &Given) -> Answer<'s> {
    ancestors(subject, given, |image| Ok(Some(borrowed(image.name))))
}

/// argv[0].
pub(super) fn firsts<'s>(subject: &'s Subject<'_>, given: &Given) -> Answer<'s> {
    ancestors(subject, given, |image| image.first().map(borrowed).map(Some))
}

/// Paths of executables.
pub(super) fn paths<'s>(subject: &'s Subject<'_>, given: &Given) -> Answer<'s> {
    ancestors(subject, given, |image| image.exe.map(borrowed).map(Some))
}

/// Arguments without argv[0].
pub(super) fn arguments<'s>(subject: &'s Subject<'_>, given: &Given) -> Answer<'s> {
    ancestors(subject, given, |image| {
        let arguments = image.arguments()?;
        Ok(Some(made(arguments.join(" "))))
    })
}

/// Command lines.
pub(super) fn commands<'s>(subject: &'s Subject<'_>, given: &Given) -> Answer<'s> {
    ancestors(subject, given, |image| image.command().map(made).map(Some))
}

/// Process ids.
pub(super) fn pids<'s>(subject: &'s Subject<'_>, given: &Given) -> Answer<'s> {
    ancestors(subject, given, |image| Ok(Some(Value::Number(image.key.pid.into()))))
}
