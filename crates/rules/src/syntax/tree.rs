//! The syntax tree of a condition. Names are not looked up here: a macro, a list and a field are words.

use crate::source::Span;

/// A condition or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub expression: Expression,
}

/// What a part of a condition can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// All of these; at least two.
    And(Vec<Node>),
    /// Any of these; at least two.
    Or(Vec<Node>),
    /// Not this.
    Not(Box<Node>),
    /// The condition of a macro: a name that stands alone.
    Macro(String),
    /// Whether a field has a value.
    Exists(Operand),
    /// A comparison.
    Compare(Box<Comparison>),
}

/// `left operator right`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// What stands left: never a constant.
    pub left: Operand,
    /// With how many of the right side's members it must hold; without members it never does.
    pub quantifier: Option<Quantifier>,
    /// How they are compared.
    pub operator: Operator,
    /// What stands right: one, or the members of a list in parentheses.
    pub right: Vec<Operand>,
    /// Where the operator stands.
    pub span: Span,
}

/// A side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// A constant; right of an operator for lists an unquoted one may name a list.
    Constant(Word),
    /// `name` or `name[argument]`; on the right side written as `val(name)`.
    Field {
        /// Its name, e.g. `proc.aname`.
        name: Word,
        /// What stands in brackets.
        argument: Option<Word>,
    },
    /// `transformer(operands)`.
    Transformed {
        /// Which.
        transformer: Transformer,
        /// Where the transformer stands.
        span: Span,
        /// Of what.
        operands: Vec<Operand>,
    },
}

/// A word with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Without quotes, escapes resolved.
    pub text: String,
    /// Whether it stood in quotes, so that it names nothing.
    pub quoted: bool,
    /// Where.
    pub span: Span,
}

/// Operators of comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `=`, `==`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
    /// `contains`.
    Contains,
    /// `icontains`: without regard to ASCII case.
    ContainsIgnoringCase,
    /// `bcontains`: bytes in hexadecimal.
    ContainsBytes,
    /// `startswith`.
    StartsWith,
    /// `bstartswith`: bytes in hexadecimal.
    StartsWithBytes,
    /// `endswith`.
    EndsWith,
    /// `glob`.
    Glob,
    /// `iglob`: without regard to case.
    GlobIgnoringCase,
    /// `regex`: the whole value.
    Regex,
    /// `in`.
    In,
    /// `intersects`.
    Intersects,
    /// `pmatch`: a path, or one above it.
    PathMatch,
}

/// Quantifiers over the members of a list on the right side: `name startswith anyof (a, b)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// `oneof`: exactly one.
    OneOf,
    /// `anyof`.
    AnyOf,
    /// `allof`.
    AllOf,
}

/// Functions of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transformer {
    /// `tolower`.
    ToLower,
    /// `toupper`.
    ToUpper,
    /// `b64`: decoded.
    Base64,
    /// `basename`.
    BaseName,
    /// `len`.
    Length,
    /// `join`: a separator, then what it stands between; brackets around that are gone.
    Join,
    /// `concat`.
    Concat,
    /// `getopt`: the options in a command line, e.g. `getopt(proc.args, "nt:")`, or the arguments of the one that is named
    /// third.
    GetOpt,
}
