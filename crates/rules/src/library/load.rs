//! From rule files to rules.

use std::collections::HashMap;
use std::sync::Arc;

use super::collect::{Collected, called};
use super::exceptions::{condition, excluded};
use super::lists::expand;
use super::macros::Resolver;
use super::rule::Rule;
use crate::file::{self, Definition, Requirement, Version};
use crate::problem::{Problem, Severity, did_you_mean, shortened};
use crate::source::Source;
use crate::text::Text;

/// The rule language that is understood here, by Falco's count (`userspace/engine/falco_engine_version.h`).
pub const ENGINE: Version = Version {
    major: 0,
    minor: 63,
    patch: 0,
};

/// What rule files come to.
#[derive(Debug)]
pub struct Library {
    /// The rules, in the order in which they are declared first; those that are switched off among them, and those of which
    /// a part is wrong, without it.
    pub rules: Vec<Rule>,
    /// The newest language that a file asks for.
    pub engine: Option<Version>,
    /// The plugins that files ask for: of each entry, one will do. Whether they are there is for the host to say.
    pub plugins: Vec<Vec<Requirement>>,
    /// Everything that is wrong, in the order of the files and their lines.
    pub problems: Vec<Problem>,
}

impl Library {
    /// Whether something is wrong that forbids to use these files.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }
}

/// Loads rule files in their order. Rules for other kinds of events than those that are `watched`, e.g. `syscall`, are left
/// out with a warning.
#[must_use]
pub fn load(sources: &[Arc<Source>], watched: &[&str]) -> Library {
    let mut collected = Collected::new();
    for source in sources {
        let (declarations, problems) = file::read(source);
        collected.problems.extend(problems);
        declarations
            .into_iter()
            .for_each(|declaration| collected.take(declaration));
    }
    let Collected {
        lists,
        macros,
        rules,
        engine,
        plugins,
        mut problems,
    } = collected;
    let lists = expand(&lists, &mut problems);
    let mut resolver = Resolver::new(&macros, &lists, &mut problems);
    let mut resolved = Vec::with_capacity(rules.all().len());
    for (name, definition) in rules.all() {
        if !watched.contains(&definition.source.as_str()) {
            let message = format!(
                "watches `{}`, which is not seen here: it is left out",
                shortened(&definition.source)
            );
            let help = did_you_mean(&definition.source, watched.iter().copied());
            let problem = Problem::warning(name.whole_span(), &called("rule", name), message).with_help(help);
            resolver.problems.push(problem);
            continue;
        }
        resolved.extend(rule(name, definition, &mut resolver));
    }
    sort(&mut problems, sources);
    Library {
        rules: resolved,
        engine,
        plugins,
        problems,
    }
}

fn rule(name: &Text, definition: &Definition, resolver: &mut Resolver<'_>) -> Option<Rule> {
    let item = called("rule", name);
    let told = resolver.problems.len();
    let parsed = resolver.parse(&definition.condition, &item);
    let mut exceptions = Vec::new();
    let mut fine = true;
    for exception in &definition.exceptions {
        match condition(exception, &item) {
            Ok(node) => exceptions.extend(node),
            Err(problems) => {
                resolver.problems.extend(problems);
                fine = false;
            }
        }
    }
    let condition = resolver.condition(excluded(parsed?, exceptions), &item)?;
    let whole = resolver.problems[told..]
        .iter()
        .all(|problem| problem.severity == Severity::Warning);
    fine.then(|| Rule {
        whole,
        name: name.as_str().to_owned(),
        description: definition.description.trimmed().as_str().to_owned(),
        condition,
        output: definition.output.clone(),
        priority: definition.priority,
        tags: definition.tags.iter().map(|tag| tag.as_str().to_owned()).collect(),
        source: definition.source.clone(),
        enabled: definition.enabled,
        skip_if_unknown: definition.skip_if_unknown,
        warn_event_types: definition.warn_event_types,
        span: name.whole_span(),
    })
}

/// Sorts problems by where they are.
fn sort(problems: &mut [Problem], sources: &[Arc<Source>]) {
    let order: HashMap<_, _> = sources
        .iter()
        .enumerate()
        .map(|(at, source)| (Arc::as_ptr(source), at))
        .collect();
    problems.sort_by_key(|problem| {
        let source = order
            .get(&Arc::as_ptr(&problem.span.source))
            .copied()
            .unwrap_or(usize::MAX);
        (source, problem.span.range.start)
    });
}
