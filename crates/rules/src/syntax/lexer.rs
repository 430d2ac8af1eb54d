//! The words of a condition: which characters stand together, and nothing about what they mean.

use std::ops::Range;

use winnow::Parser;
use winnow::combinator::{opt, repeat};
use winnow::error::{ErrMode, ModalError, ParserError};
use winnow::stream::{LocatingSlice, Location, Stateful, Stream};
use winnow::token::{one_of, take_while};

use super::escape;
use super::tree::Word;
use crate::text::Text;

/// A condition and how far its reading got.
pub(super) type Input<'a> = Stateful<LocatingSlice<&'a str>, State<'a>>;
/// What a parser returns.
pub(super) type Parsed<T> = Result<T, ErrMode<Failure>>;

/// What the parsers know besides the rest of the text.
#[derive(Debug, Clone)]
pub(super) struct State<'a> {
    /// Where the text comes from.
    pub(super) text: &'a Text,
    /// How many brackets are open.
    pub(super) depth: usize,
}

/// Why reading stopped, in bytes of the text.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) range: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Failure {
    /// A failure after which nothing else is tried.
    pub(super) fn cut(range: Range<usize>, message: String, help: Option<String>) -> ErrMode<Self> {
        ErrMode::Cut(Self { range, message, help })
    }

    /// `what` was expected where the input stands.
    pub(super) fn expected(input: &Input<'_>, what: &str) -> ErrMode<Self> {
        let start = input.current_token_start();
        let rest: &str = input;
        let found = rest
            .split(|c: char| is_blank(c) || "()\"'=,".contains(c))
            .next()
            .unwrap_or_default();
        let (length, found) = if rest.is_empty() {
            (0, "the end".to_owned())
        } else if found.is_empty() {
            let first = rest.chars().next().unwrap_or_default();
            let shown = if is_blank(first) {
                "a blank".to_owned()
            } else {
                format!("`{first}`")
            };
            (first.len_utf8(), shown)
        } else {
            (found.len(), format!("`{found}`"))
        };
        Self::cut(start..start + length, format!("expected {what}, found {found}"), None)
    }
}

impl<'a> ParserError<Input<'a>> for Failure {
    type Inner = Self;

    fn from_input(input: &Input<'a>) -> Self {
        let at = input.current_token_start();
        Self {
            range: at..at,
            message: "unexpected text".to_owned(),
            help: None,
        }
    }

    fn into_inner(self) -> Result<Self::Inner, Self> {
        Ok(self)
    }
}

impl ModalError for Failure {
    fn cut(self) -> Self {
        self
    }

    fn backtrack(self) -> Self {
        self
    }
}

/// A character that separates words.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{8}' | '\n' | '\r')
}

/// A character of a name.
pub(super) fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Passes blanks.
pub(super) fn blanks(input: &mut Input<'_>) -> Parsed<()> {
    take_while(0.., is_blank).void().parse_next(input)
}

/// `macro_name`.
pub(super) fn name<'a>(input: &mut Input<'a>) -> Parsed<&'a str> {
    (one_of(|c: char| c.is_ascii_alphabetic()), take_while(0.., is_name))
        .take()
        .parse_next(input)
}

/// `field.name`.
pub(super) fn field_name<'a>(input: &mut Input<'a>) -> Parsed<&'a str> {
    (name, repeat::<_, _, (), _, _>(1.., ('.', name)))
        .take()
        .parse_next(input)
}

/// A value without quotes.
fn bare<'a>(input: &mut Input<'a>) -> Parsed<&'a str> {
    take_while(1.., |c: char| !is_blank(c) && !"()\"'=,\u{b}\u{c}".contains(c)).parse_next(input)
}

/// What may stand in brackets behind a field without quotes.
fn bare_argument<'a>(input: &mut Input<'a>) -> Parsed<&'a str> {
    take_while(1.., |c: char| !c.is_ascii_whitespace() && !"[]\"'\u{b}".contains(c)).parse_next(input)
}

/// `0x1f`, `-12`, `1.5e+3`.
fn digits<'a>(input: &mut Input<'a>) -> Parsed<&'a str> {
    let hexadecimal = (
        '0',
        one_of(['x', 'X']),
        take_while(1.., |c: char| c.is_ascii_alphanumeric()),
    )
        .take();
    let whole = |input: &mut Input<'a>| take_while(1.., |c: char| c.is_ascii_digit()).parse_next(input);
    let decimal = (
        opt(one_of(['+', '-'])),
        whole,
        opt('.'),
        take_while(0.., |c: char| c.is_ascii_digit()),
        opt((
            one_of(['e', 'E']),
            one_of(['+', '-']),
            take_while(1.., |c: char| c.is_ascii_digit()),
        )),
    )
        .take();
    winnow::combinator::alt((hexadecimal, decimal)).parse_next(input)
}

/// A value in single or double quotes.
pub(super) fn quoted(input: &mut Input<'_>) -> Parsed<Word> {
    let start = input.current_token_start();
    let rest: &str = input;
    let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        return Err(ErrMode::Backtrack(Failure::from_input(input)));
    };
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|&(_, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    let Some((end, _)) = end else {
        return Err(Failure::cut(
            start..start + 1,
            format!("expected a closing {quote}, found the end"),
            None,
        ));
    };
    let text = escape::resolve(&rest[1..end], quote).map_err(|wrong| {
        Failure::cut(
            start + 1 + wrong.range.start..start + 1 + wrong.range.end,
            wrong.message,
            None,
        )
    })?;
    input.next_slice(end + 1);
    Ok(word(input, start..start + end + 1, text, true))
}

/// A value, in quotes or not.
pub(super) fn value(input: &mut Input<'_>) -> Parsed<Word> {
    winnow::combinator::alt((quoted, plain(bare))).parse_next(input)
}

/// What stands in brackets.
pub(super) fn argument(input: &mut Input<'_>) -> Parsed<Word> {
    winnow::combinator::alt((quoted, plain(bare_argument))).parse_next(input)
}

/// A number.
pub(super) fn number(input: &mut Input<'_>) -> Parsed<Word> {
    plain(digits).parse_next(input)
}

/// The words that a parser finds as one without quotes.
pub(super) fn plain<'a, P>(mut parser: P) -> impl FnMut(&mut Input<'a>) -> Parsed<Word>
where
    P: Parser<Input<'a>, &'a str, ErrMode<Failure>>,
{
    move |input| {
        let start = input.current_token_start();
        let text = parser.parse_next(input)?;
        Ok(word(input, start..start + text.len(), text.to_owned(), false))
    }
}

/// A word with its place.
fn word(input: &Input<'_>, range: Range<usize>, text: String, quoted: bool) -> Word {
    Word {
        text,
        quoted,
        span: input.state.text.span(range),
    }
}
