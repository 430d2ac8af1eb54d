//! YAML documents as trees of nodes with their places: bounded, whatever the file says.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, options};

use super::place;
use crate::source::{Source, Span};
use crate::text::Text;

/// The longest file, in bytes. The public rule files have less than 512 KiB together.
const LENGTH: usize = 16 * 1024 * 1024;
/// The most values and collections in a file, those counted as often as an alias names them.
const NODES: usize = 100_000;
/// The most parts of scalars whose places are kept, e.g. lines; what comes behind has its beginning as its place.
const PIECES: usize = 1_000_000;
/// The most values that have names for aliases.
const ANCHORS: usize = 1000;
/// How deep collections go; a rule file needs nine levels.
const DEPTH: usize = 32;

/// A value of a document.
#[derive(Debug)]
pub(super) struct Yaml {
    /// What it is.
    pub(super) kind: Kind,
    /// Where it begins, for a collection; where it stands, for a scalar.
    pub(super) span: Span,
    /// How many values it has, itself included.
    size: usize,
}

/// What a value can be.
#[derive(Debug)]
pub(super) enum Kind {
    /// Nothing: an empty value, `~` or `null` without quotes.
    Null,
    /// Anything else that is no collection.
    Scalar(Text),
    /// `- a` or `[a]`.
    Sequence(Vec<Rc<Yaml>>),
    /// `a: b` or `{a: b}`, in the order of the file.
    Mapping(Vec<(Rc<Yaml>, Rc<Yaml>)>),
}

/// Why a file is no YAML that is read here.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) span: Span,
    pub(super) message: String,
}

/// Reads the documents of a file.
pub(super) fn documents(source: &Arc<Source>) -> Result<Vec<Rc<Yaml>>, Refused> {
    let mut builder = Builder {
        source,
        open: Vec::new(),
        anchors: HashMap::new(),
        documents: Vec::new(),
        nodes: 0,
        pieces: 0,
    };
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    let shift = source.text.len() - text.len();
    if text.len() > LENGTH {
        return Err(builder.refused(0, format!("is longer than {} MiB", LENGTH >> 20)));
    }
    let options = options! {
        emit_comments: false,
        flow_nesting_limit: DEPTH,
        block_nesting_limit: DEPTH,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| {
            let at = error.marker().byte_offset().unwrap_or_default();
            builder.refused(at + shift, format!("is no YAML: {}", error.info()))
        })?;
        let range = span.byte_range().unwrap_or_default();
        builder.event(event, range.start + shift..range.end + shift)?;
    }
    Ok(builder.documents)
}

/// A collection whose end is not seen yet.
struct Open {
    mapping: bool,
    anchor: usize,
    start: usize,
    members: Vec<Rc<Yaml>>,
}

struct Builder<'a> {
    source: &'a Arc<Source>,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Yaml>>,
    documents: Vec<Rc<Yaml>>,
    nodes: usize,
    pieces: usize,
}

impl Builder<'_> {
    fn refused(&self, at: usize, message: String) -> Refused {
        let mut at = at.min(self.source.text.len());
        while !self.source.text.is_char_boundary(at) {
            at -= 1;
        }
        Refused {
            span: self.span(at..at),
            message,
        }
    }

    fn span(&self, range: std::ops::Range<usize>) -> Span {
        Span {
            source: Arc::clone(self.source),
            range,
        }
    }

    fn event(&mut self, event: Event<'_>, range: std::ops::Range<usize>) -> Result<(), Refused> {
        match event {
            Event::Scalar(value, style, anchor, _) => {
                let null = style == ScalarStyle::Plain && matches!(&*value, "" | "~" | "null" | "Null" | "NULL");
                let span = self.span(range.clone());
                let kind = if null {
                    Kind::Null
                } else {
                    Kind::Scalar(self.text(range, &value, style))
                };
                self.value(kind, span, 1, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(false, anchor, range.start),
            Event::MappingStart(_, anchor, _) => self.begin(true, anchor, range.start),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                // An anchor of a collection that is still open: it would hold itself.
                let Some(target) = self.anchors.get(&anchor).map(Rc::clone) else {
                    return Err(self.refused(range.start, "an alias stands within what it names".to_owned()));
                };
                self.count(target.size, range.start)?;
                self.put(target);
                Ok(())
            }
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            // Nothing else is emitted with these options, or it tells nothing.
            _ => Ok(()),
        }
    }

    fn text(&mut self, range: std::ops::Range<usize>, value: &str, style: ScalarStyle) -> Text {
        if self.pieces >= PIECES || range.len() > PIECES {
            return Text::new(value, self.span(range));
        }
        let text = place::text(self.source, range, value, style);
        self.pieces += text.pieces();
        text
    }

    fn begin(&mut self, mapping: bool, anchor: usize, start: usize) -> Result<(), Refused> {
        if self.open.len() == DEPTH {
            return Err(self.refused(start, format!("collections are nested deeper than {DEPTH}")));
        }
        self.open.push(Open {
            mapping,
            anchor,
            start,
            members: Vec::new(),
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refused> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let size = open.members.iter().map(|member| member.size).sum::<usize>() + 1;
        let kind = if open.mapping {
            let mut pairs = Vec::with_capacity(open.members.len() / 2);
            let mut members = open.members.into_iter();
            while let (Some(key), Some(value)) = (members.next(), members.next()) {
                pairs.push((key, value));
            }
            Kind::Mapping(pairs)
        } else {
            Kind::Sequence(open.members)
        };
        self.value(kind, self.span(open.start..open.start), size, open.anchor)
    }

    /// Takes a finished value, of which `size` are new or, for a collection, only itself is.
    fn value(&mut self, kind: Kind, span: Span, size: usize, anchor: usize) -> Result<(), Refused> {
        self.count(1, span.range.start)?;
        let value = Rc::new(Yaml { kind, span, size });
        if anchor > 0 {
            if self.anchors.len() == ANCHORS {
                return Err(self.refused(value.span.range.start, format!("has more than {ANCHORS} anchors")));
            }
            self.anchors.insert(anchor, Rc::clone(&value));
        }
        self.put(value);
        Ok(())
    }

    fn count(&mut self, nodes: usize, at: usize) -> Result<(), Refused> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES {
            return Err(self.refused(at, format!("has more than {NODES} values")));
        }
        Ok(())
    }

    fn put(&mut self, value: Rc<Yaml>) {
        match self.open.last_mut() {
            Some(open) => open.members.push(value),
            None => self.documents.push(value),
        }
    }
}
