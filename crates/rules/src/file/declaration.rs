//! What a rule file declares, in its order.

use super::version::Version;
use crate::source::Span;
use crate::text::Text;
use pinhole_priority::Priority;

/// An entry of a rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declaration {
    /// `required_engine_version`: which language the file needs.
    Engine(Version, Span),
    /// An entry of `required_plugin_versions`: any of these will do.
    Plugin(Vec<Requirement>),
    /// `list`.
    List(List),
    /// `macro`.
    Macro(Macro),
    /// `rule`.
    Rule(Rule),
}

/// A plugin that a file needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Its name.
    pub name: String,
    /// The least version.
    pub version: Version,
    /// Where it is declared.
    pub span: Span,
}

/// A list of values, or more for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Its name.
    pub name: Text,
    /// What it holds; names of lists among them.
    pub items: Vec<Text>,
    /// Whether the items come to those that an earlier one has.
    pub append: bool,
}

/// A named condition, or more for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Macro {
    /// Its name.
    pub name: Text,
    /// The condition.
    pub condition: Text,
    /// Whether the condition is put behind the earlier one's.
    pub append: bool,
}

/// A rule, or a change of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: Text,
    /// Which.
    pub change: Change,
}

/// What a declaration does to the rule of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is this from now on.
    Define(Box<Definition>),
    /// Parts of it are others.
    Amend(Box<Amendment>),
    /// It is switched on or off.
    Enable(bool),
}

/// A whole rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// When it holds.
    pub condition: Text,
    /// The template of its message.
    pub output: Text,
    /// What it is for.
    pub description: Text,
    /// How urgent it is.
    pub priority: Priority,
    /// Its tags.
    pub tags: Vec<Text>,
    /// The kind of events that it watches; `syscall` where none is written.
    pub source: String,
    /// Whether it is evaluated.
    pub enabled: bool,
    /// `skip-if-unknown-filter`.
    pub skip_if_unknown: bool,
    /// `warn_evttypes`.
    pub warn_event_types: bool,
    /// When it does not hold although its condition does.
    pub exceptions: Vec<Exception>,
}

/// Parts of a rule that come to the earlier ones, and parts that stand in their place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Amendment {
    /// What is added.
    pub append: Parts,
    /// What is replaced.
    pub replace: Parts,
}

/// Parts of a rule, where they are given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts {
    /// When it holds.
    pub condition: Option<Text>,
    /// The template of its message.
    pub output: Option<Text>,
    /// What it is for.
    pub description: Option<Text>,
    /// How urgent it is.
    pub priority: Option<Priority>,
    /// Its tags.
    pub tags: Option<Vec<Text>>,
    /// Whether it is evaluated.
    pub enabled: Option<bool>,
    /// `skip-if-unknown-filter`.
    pub skip_if_unknown: Option<bool>,
    /// `warn_evttypes`.
    pub warn_event_types: Option<bool>,
    /// When it does not hold although its condition does.
    pub exceptions: Option<Vec<Exception>>,
}

/// An exception of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Its name.
    pub name: Text,
    /// The fields: one, or several; an amendment of an earlier exception has none.
    pub fields: Option<Values>,
    /// How each field is compared.
    pub comparisons: Option<Values>,
    /// What with, in rows: any row makes an exception.
    pub rows: Vec<Row>,
}

/// One value, or several in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// One.
    One(Text),
    /// Several.
    Many(Vec<Text>, Span),
}

/// A row of values of an exception.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A value for the one field.
    One(Text),
    /// A value, or several, for each of the fields.
    Many(Vec<Values>, Span),
}

impl Values {
    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::One(text) => text.whole_span(),
            Self::Many(_, span) => span.clone(),
        }
    }
}

impl Row {
    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::One(text) => text.whole_span(),
            Self::Many(_, span) => span.clone(),
        }
    }
}
