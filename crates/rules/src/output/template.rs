//! Templates: text with fields as `%proc.name`, `%proc.aname[2]` or `%toupper(proc.name)` (falcosecurity/libs,
//! eventformatter.cpp). A number behind the percent sign is a width: what is shorter is filled up, what is longer cut off.
//! There is no way to write a percent sign, as there is none upstream.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::ops::Range;

use serde_json::Map;

use crate::catalogue::Catalogue;
use crate::engine::{Compiler, Operand, Shape, Subject, shape};
use crate::field::{Kind, Several};
use crate::problem::{Problem, Severity};
use crate::syntax::Transformer;
use crate::text::Text;
use crate::value::{Answer, Value};

/// What stands for a value that is not there, as upstream writes it.
const NOTHING: &str = "<NA>";

/// Functions within functions, at most.
const DEEPEST: usize = 8;

/// The widest field, so that no template makes a message of any size.
const WIDEST: usize = 4096;

/// What outputs had where the container was to be shown. Upstream has put that behind every output ever since there is an option
/// for it, and takes this out (falcosecurity/falco, rule_loader_compiler.cpp).
const CONTAINER_INFO: &str = "container.info";

/// A template.
#[derive(Debug)]
pub struct Template(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(String),
    Field {
        /// As it is written, without the percent sign: the name in the map of fields.
        name: String,
        operand: Operand,
        width: Option<usize>,
        /// Whether it has several values, be it one of them.
        is_list: bool,
    },
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The text. What is absent and what is unknown is `<NA>` in it.
    pub text: String,
    /// The fields by their names as the template has them. What is absent and what is unknown is null.
    pub fields: Map<String, serde_json::Value>,
    /// The names of those that could not be found out, and why.
    pub unknown: Vec<(String, String)>,
}

impl Template {
    /// Reads a template; tells what is wrong.
    pub(crate) fn compile(text: &Text, compiler: &mut Compiler<'_>) -> Option<Self> {
        let told = compiler.problems.len();
        // A star says that values may be missing, which here they always may, as in the rules of the upstream engine.
        let start = usize::from(text.as_str().starts_with('*'));
        let mut reader = Reader {
            text,
            at: start,
            compiler,
        };
        let parts = reader.parts();
        let compiler = reader.compiler;
        let broken = compiler.problems[told..]
            .iter()
            .any(|problem| problem.severity == Severity::Error);
        (!broken).then_some(Self(parts))
    }

    /// Reads a template that stands in no rule; `name` is how problems name where it stands.
    ///
    /// # Errors
    ///
    /// All that is wrong with it.
    pub fn parse(name: &str, template: &str, catalogue: &Catalogue) -> Result<Self, Vec<Problem>> {
        let mut compiler = Compiler::new(catalogue);
        match Self::compile(&Text::whole(name, template), &mut compiler) {
            Some(template) => Ok(template),
            None => Err(compiler.problems),
        }
    }

    /// The message for an event.
    pub fn render<S: Subject + ?Sized>(&self, subject: &S) -> Rendered {
        let mut rendered = Rendered {
            text: String::new(),
            fields: Map::new(),
            unknown: Vec::new(),
        };
        for part in &self.0 {
            let is_several;
            let (name, operand, width) = match part {
                Part::Text(text) => {
                    rendered.text.push_str(text);
                    continue;
                }
                Part::Field {
                    name,
                    operand,
                    width,
                    is_list,
                } => {
                    is_several = *is_list;
                    (name, operand, width)
                }
            };
            let (shown, value) = match operand.answer(subject) {
                Answer::Known(value) => (text(&value), json(&value)),
                Answer::Absent => (NOTHING.to_owned(), serde_json::Value::Null),
                Answer::Unknown(why) => {
                    rendered.unknown(name, why);
                    (NOTHING.to_owned(), serde_json::Value::Null)
                }
                Answer::Partly(values, why) if values.is_empty() => {
                    rendered.unknown(name, why);
                    (NOTHING.to_owned(), serde_json::Value::Null)
                }
                Answer::Partly(mut values, why) => {
                    rendered.unknown(name, why);
                    // A field has the same type in every alert: whoever stores them relies on it.
                    let value = match (is_several, values.pop()) {
                        (false, Some(value)) if values.is_empty() => value,
                        (_, last) => Value::List(values.into_iter().chain(last).collect()),
                    };
                    (text(&value), json(&value))
                }
            };
            match width {
                None => rendered.text.push_str(&shown),
                Some(width) => {
                    let filled = shown.chars().chain(std::iter::repeat(' ')).take(*width);
                    rendered.text.extend(filled);
                }
            }
            rendered.fields.insert(name.clone(), value);
        }
        rendered
    }

    /// The names of its fields, as they are written.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Field { name, .. } => Some(name.as_str()),
        })
    }
}

impl Rendered {
    fn unknown(&mut self, name: &str, why: &str) {
        if !self.unknown.iter().any(|(known, _)| known == name) {
            self.unknown.push((name.to_owned(), why.to_owned()));
        }
    }
}

/// A value in a text.
fn text(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
        Value::Number(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Address(address) => address.to_string(),
        Value::List(values) => {
            let mut all = String::from("(");
            for (at, value) in values.iter().enumerate() {
                let comma = if at == 0 { "" } else { "," };
                // Writing to a string does not fail.
                let _ = write!(all, "{comma}{}", text(value));
            }
            all.push(')');
            all
        }
    }
}

/// A value among the fields.
fn json(value: &Value<'_>) -> serde_json::Value {
    match value {
        Value::Number(number) => (*number).into(),
        Value::Boolean(truth) => (*truth).into(),
        Value::Text(_) | Value::Address(IpAddr::V4(_) | IpAddr::V6(_)) => text(value).into(),
        Value::List(values) => values.iter().map(json).collect(),
    }
}

/// Reads a template.
struct Reader<'t, 'k, 'c> {
    text: &'t Text,
    at: usize,
    compiler: &'k mut Compiler<'c>,
}

/// Told already.
struct Broken;

impl<'t> Reader<'t, '_, '_> {
    fn rest(&self) -> &'t str {
        self.text.as_str().get(self.at..).unwrap_or_default()
    }

    fn parts(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        while !self.rest().is_empty() {
            let rest = self.rest();
            let text = rest.find('%').unwrap_or(rest.len());
            if text > 0 {
                parts.push(Part::Text(rest[..text].to_owned()));
                self.at += text;
                continue;
            }
            self.at += 1;
            let width = self.width();
            let from = self.at;
            if self.rest().starts_with(CONTAINER_INFO) && word(self.rest()) == CONTAINER_INFO.len() {
                self.at += CONTAINER_INFO.len();
                let span = self.text.span(from..self.at);
                let message = format!("output: %{CONTAINER_INFO} stands for nothing any more: it can be left out");
                self.compiler.tell(Severity::Warning, &span, message, None);
                continue;
            }
            if let Ok((operand, shape)) = self.operand(0) {
                parts.push(Part::Field {
                    name: self.text.as_str()[from..self.at].to_owned(),
                    operand,
                    width,
                    is_list: shape.several != Several::One,
                });
            }
        }
        parts
    }

    fn width(&mut self) -> Option<usize> {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let width = self.rest()[..digits].parse::<usize>();
        self.at += digits;
        (digits > 0).then(|| width.unwrap_or(WIDEST).min(WIDEST))
    }

    /// A field, or a function of operands.
    fn operand(&mut self, depth: usize) -> Result<(Operand, Shape), Broken> {
        let from = self.at;
        let word = word(self.rest());
        if word == 0 {
            return Err(self.error(
                from..from,
                "a field's name is expected behind %, which cannot stand for itself",
            ));
        }
        let name = &self.rest()[..word];
        if self.rest()[word..].starts_with('(')
            && let Some(transformer) = Transformer::parse(name)
        {
            self.at += word + 1;
            return self.function(transformer, from, depth);
        }
        self.field(name)
    }

    fn field(&mut self, word: &'t str) -> Result<(Operand, Shape), Broken> {
        let from = self.at;
        // The longest name that is known; what follows a dot behind it is text again, e.g. the end of a sentence.
        let names = word
            .match_indices('.')
            .map(|(at, _)| at)
            .chain([word.len()])
            .map(|end| &word[..end]);
        let argument = |name: &str| -> Result<Option<&'t str>, ()> {
            match self.rest()[name.len()..].strip_prefix('[') {
                None => Ok(None),
                Some(rest) => rest.find(']').map(|end| Some(&rest[..end])).ok_or(()),
            }
        };
        let known = |name: &&str| match argument(name) {
            Ok(argument) => self.compiler.catalogue.field(name, argument).is_ok(),
            Err(()) => false,
        };
        let name = names.rev().find(known).unwrap_or(word);
        let Ok(argument) = argument(name) else {
            self.at += word.len();
            return Err(self.error(from..self.at, "the bracket behind this field is not closed"));
        };
        self.at += name.len() + argument.map_or(0, |it| it.len() + 2);
        let span = self.text.span(from..self.at);
        self.compiler.field(name, argument, &span).map_err(|_| Broken)
    }

    fn function(&mut self, transformer: Transformer, from: usize, depth: usize) -> Result<(Operand, Shape), Broken> {
        if depth >= DEEPEST {
            return Err(self.error(from..self.at, "functions nest too deeply"));
        }
        let (mut operands, mut shapes) = (Vec::new(), Vec::new());
        loop {
            self.blanks();
            let (operand, shape) = match self.rest().chars().next() {
                Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
                _ => self.operand(depth + 1)?,
            };
            operands.push(operand);
            shapes.push(shape);
            self.blanks();
            let next = self.rest().chars().next();
            match next {
                Some(',') => self.at += 1,
                Some(')') => {
                    self.at += 1;
                    break;
                }
                _ => return Err(self.error(from..self.at, "the parenthesis of this function is not closed")),
            }
        }
        match shape(transformer, &shapes) {
            Ok(shape) => Ok((Operand::Transformed(transformer, operands.into()), shape)),
            Err(what) => Err(self.error(from..self.at, &format!("this function takes {what}"))),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<(Operand, Shape), Broken> {
        let from = self.at;
        self.at += 1;
        let Some(end) = self.rest().find(quote) else {
            return Err(self.error(from..self.at, "this quote is not closed"));
        };
        let text = &self.rest()[..end];
        self.at += end + 1;
        let shape = Shape {
            kind: Kind::Text,
            several: Several::One,
        };
        Ok((Operand::Text(text.as_bytes().into()), shape))
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn error(&mut self, part: Range<usize>, message: &str) -> Broken {
        let span = self.text.span(part);
        self.compiler.error(&span, format!("output: {message}"), None);
        Broken
    }
}

/// The length of the name at the beginning: words with single dots between them.
fn word(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut end = 0;
    loop {
        match bytes.get(end) {
            Some(byte) if byte.is_ascii_alphanumeric() || *byte == b'_' => end += 1,
            Some(b'.') if end > 0 && bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric) => end += 1,
            _ => return end,
        }
    }
}
