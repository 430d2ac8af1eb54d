//! Rules that are ready: read, compiled against the catalogue, with what they need of the kernel side.

use std::fmt;
use std::sync::Arc;

use pinhole_rules::catalogue::EventType;
use pinhole_rules::engine::{Matching, Options, Policy, RuleSet, WhenUnknown};
use pinhole_rules::file::{Requirement, Version};
use pinhole_rules::library;
use pinhole_rules::output::Template;
use pinhole_rules::problem::{Problem, Severity};

use super::catalogue::CATALOGUE;
use super::{fields, files};
use crate::capture::{HookSet, Plan};
use crate::config::settings::{self, RuleMatching, Rules};

/// The kind of events that rules may watch here.
const SOURCE: &str = "syscall";

/// Plugins of upstream whose fields are answered here without one.
const PROVIDED: [&str; 2] = ["container", "k8smeta"];

/// Rules, compiled.
#[derive(Debug)]
pub struct Loaded {
    /// The rules.
    pub set: RuleSet,
    /// What is appended to the output of each.
    pub append: Option<Template>,
    /// What a reader should know: warnings. Filled by [`load`].
    pub warnings: Vec<Problem>,
    /// The rules as they were written, for whoever compares them with later ones. Filled by [`load`].
    pub sources: Vec<library::Rule>,
}

/// Why rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Files cannot be read.
    #[error("{}", Unread(.0))]
    Files(Vec<files::Error>),
    /// Something is wrong with them.
    #[error("{}", Told(.0))]
    Refused(Vec<Problem>),
}

/// Why files cannot be read, a line each.
struct Unread<'a>(&'a [files::Error]);

impl fmt::Display for Unread<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{error}")?;
        }
        Ok(())
    }
}

/// All problems, and how many of them are errors.
struct Told<'a>(&'a [Problem]);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.0.iter().filter(|it| it.severity == Severity::Error).count();
        let word = if errors == 1 { "error" } else { "errors" };
        write!(f, "the rules cannot be used: {errors} {word}")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

/// Rule files, looked at in full: what is usable of them, and everything that is wrong.
#[derive(Debug)]
pub struct Examined {
    /// How many files were read.
    pub files: usize,
    /// Why others were not.
    pub unread: Vec<files::Error>,
    /// All rules that nothing is wrong with, those that are not evaluated among them.
    pub rules: Vec<library::Rule>,
    /// The newest language that a file asks for.
    pub engine: Option<Version>,
    /// Everything that is wrong, errors and warnings.
    pub problems: Vec<Problem>,
    /// The rules, where there is no error and every file was read.
    pub loaded: Option<Loaded>,
}

/// Loads the rules that the settings name. None where they name none.
///
/// # Errors
/// See [`Error`].
pub fn load(settings: &Rules) -> Result<Option<Loaded>, Error> {
    if settings.files.is_empty() {
        return Ok(None);
    }
    let Examined {
        loaded,
        rules,
        unread,
        mut problems,
        ..
    } = examine(settings);
    if !unread.is_empty() {
        return Err(Error::Files(unread));
    }
    match loaded {
        Some(mut loaded) => {
            loaded.warnings = problems;
            loaded.sources = rules;
            Ok(Some(loaded))
        }
        None => {
            // Whoever mends the files wants to see first what forbids them.
            problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
            Err(Error::Refused(problems))
        }
    }
}

/// Looks at everything in the files that the settings name.
#[must_use]
pub fn examine(settings: &Rules) -> Examined {
    let files::Found {
        files: sources,
        errors: unread,
    } = files::read(&settings.files);
    let library = library::load(&sources, &[SOURCE]);
    let mut problems = library.problems;
    problems.extend(plugins(&library.plugins));
    problems.extend(strangers(settings, &library.rules));
    let least = settings.priority;
    let (wanted, left_out): (Vec<_>, Vec<_>) = library.rules.into_iter().partition(|rule| rule.priority <= least);
    let options = Options {
        matching: match settings.matching {
            RuleMatching::First => Matching::First,
            RuleMatching::All => Matching::All,
        },
        policy: policy(settings),
    };
    let (set, more) = RuleSet::compile(&wanted, &CATALOGUE, &options);
    problems.extend(more);
    let append = Some(settings.append_output.trim()).filter(|text| !text.is_empty());
    let append = append.map(|text| Template::parse("rules.append_output", text, &CATALOGUE));
    let append = append.transpose().unwrap_or_else(|wrong| {
        problems.extend(wrong);
        None
    });
    let place = |problem: &Problem| {
        let file = sources.iter().position(|it| Arc::ptr_eq(it, &problem.span.source));
        (file.unwrap_or(usize::MAX), problem.span.range.start)
    };
    problems.sort_by_key(place);
    let fine = unread.is_empty() && problems.iter().all(|problem| problem.severity == Severity::Warning);
    Examined {
        files: sources.len(),
        engine: library.engine,
        loaded: set.filter(|_| fine).map(|set| Loaded {
            set,
            append,
            warnings: Vec::new(),
            sources: Vec::new(),
        }),
        rules: wanted.into_iter().chain(left_out).collect(),
        unread,
        problems,
    }
}

impl Loaded {
    /// Asks for the hooks of the events that the rules can hold for, naming the rules.
    pub fn ask(&self, plan: &mut Plan) {
        for (hooks, rules) in self.wants() {
            let names: Vec<&str> = rules.iter().map(|&rule| self.name(rule)).collect();
            plan.ask(hooks, &format!("rules: {}", names.join(", ")));
        }
    }

    /// The hooks of the events that the rules can hold for.
    #[must_use]
    pub fn hooks(&self) -> HookSet {
        self.wants()
            .iter()
            .fold(HookSet::NONE, |all, (hooks, _)| all.or(*hooks))
    }

    /// The hooks that are wanted and not among these, each with the names of the rules that want it.
    #[must_use]
    pub fn beyond(&self, attached: HookSet) -> Vec<(&'static str, String)> {
        let mut plan = Plan::default();
        self.ask(&mut plan);
        let missing = self.hooks().without(attached);
        plan.reasons()
            .filter(|(hook, _)| missing.contains(*hook))
            .map(|(hook, why)| (hook.name(), why.join("; ")))
            .collect()
    }

    /// By type of events the hooks that tell it, and the numbers of the rules that can hold for it.
    fn wants(&self) -> Vec<(HookSet, Vec<u32>)> {
        self.events()
            .map(|event| (fields::hooks(event), self.set.rules_of(event).collect()))
            .collect()
    }

    /// The types of events that a rule can hold for.
    pub(super) fn events(&self) -> impl Iterator<Item = EventType> {
        let all = CATALOGUE.events().map(|(event, _)| event);
        all.filter(|event| self.set.rules_of(*event).next().is_some())
    }

    /// Logs what a reader should know.
    pub fn warn(&self) {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
        if self.set.rules().is_empty() {
            tracing::warn!(
                "no rule is left that is switched on and at least as urgent as rules.priority: nothing can be alerted"
            );
        }
    }

    fn name(&self, rule: u32) -> &str {
        self.set.rules().get(rule as usize).map_or("", |rule| &rule.name)
    }
}

fn policy(settings: &Rules) -> Policy {
    let named = |names: &[String], what| {
        let names = names.to_vec();
        names.into_iter().map(move |name| (name, what))
    };
    Policy {
        otherwise: match settings.unknown {
            settings::WhenUnknown::Alert => WhenUnknown::Alert,
            settings::WhenUnknown::Hold => WhenUnknown::Hold,
        },
        rules: named(&settings.unknown_alert, WhenUnknown::Alert)
            .chain(named(&settings.unknown_hold, WhenUnknown::Hold))
            .collect(),
    }
}

/// Names in the settings that no rule has: a rule that was renamed would otherwise be treated as nobody asked for.
fn strangers(settings: &Rules, rules: &[library::Rule]) -> Vec<Problem> {
    let lists = [
        ("rules.unknown_alert", &settings.unknown_alert),
        ("rules.unknown_hold", &settings.unknown_hold),
    ];
    let mut problems = Vec::new();
    for (key, names) in lists {
        for name in names.iter().filter(|name| rules.iter().all(|rule| rule.name != **name)) {
            let help = pinhole_rules::problem::did_you_mean(name, rules.iter().map(|rule| rule.name.as_str()));
            problems.push(told(key, format!("there is no rule `{name}`")).with_help(help));
        }
    }
    problems
}

/// Plugins that files ask for and whose fields nothing here answers.
fn plugins(wanted: &[Vec<Requirement>]) -> Vec<Problem> {
    let absent = |any: &&Vec<Requirement>| !any.iter().any(|it| PROVIDED.contains(&it.name.as_str()));
    let told = |any: &Vec<Requirement>| {
        let names: Vec<&str> = any.iter().map(|it| it.name.as_str()).collect();
        let what = format!(
            "the plugin {} is asked for, and there are no plugins here",
            names.join(" or ")
        );
        Some(Problem::warning(any.first()?.span.clone(), "", what))
    };
    wanted.iter().filter(absent).filter_map(told).collect()
}

fn told(place: &str, message: String) -> Problem {
    let source = pinhole_rules::source::Source {
        name: place.to_owned(),
        text: String::new(),
    };
    let span = pinhole_rules::source::Span {
        source: source.into(),
        range: 0..0,
    };
    Problem::warning(span, "", message)
}
