//! `agent rules check`: everything that is wrong, and what the rules would capture.

use std::io::{self, Write};

use pinhole_rules::problem::{Problem, Severity};
use serde_json::{Value, json};

use crate::capture::Plan;
use crate::cli::args::{ReportFormat, RulesCheckArgs, Threshold};
use crate::cli::exit::Exit;
use crate::cli::{complain, say};
use crate::config::settings::Rules;
use crate::rules::loaded::{self, Examined};
use crate::rules::prefilter;

/// Looks at the files and prints the report.
pub(super) fn run(arguments: &RulesCheckArgs, rules: &Rules) -> Exit {
    let examined = loaded::examine(rules);
    let mut page = Vec::new();
    let written = match arguments.format {
        ReportFormat::Text => text(&mut page, &examined),
        ReportFormat::Json => crate::output::json::append(&mut page, &as_json(&examined)).map_err(Into::into),
    };
    if let Err(error) = written {
        return complain(&error, Exit::Internal);
    }
    let threshold = match arguments.fail_on {
        Threshold::Warning => Severity::Warning,
        Threshold::Error => Severity::Error,
    };
    let said = say(&page);
    if said == Exit::Success && !examined.unread.is_empty() {
        return Exit::Configuration;
    }
    if said == Exit::Success && examined.problems.iter().any(|problem| problem.severity >= threshold) {
        return Exit::Findings;
    }
    said
}

fn text(out: &mut Vec<u8>, examined: &Examined) -> io::Result<()> {
    for error in &examined.unread {
        writeln!(out, "error: {error}")?;
    }
    for problem in &examined.problems {
        writeln!(out, "{problem}")?;
    }
    let count = |severity| examined.problems.iter().filter(|it| it.severity == severity).count();
    let off = examined.rules.iter().filter(|rule| !rule.enabled).count();
    let left = examined.loaded.as_ref().map(|loaded| loaded.set.rules().len());
    let less = match left.map(|left| examined.rules.len().saturating_sub(off + left)) {
        None | Some(0) => String::new(),
        Some(less) => format!(", {less} less urgent than rules.priority"),
    };
    writeln!(
        out,
        "{} in {}, {off} of them switched off{less}: {}, {}",
        counted(examined.rules.len(), "rule"),
        counted(examined.files, "file"),
        counted(examined.unread.len() + count(Severity::Error), "error"),
        counted(count(Severity::Warning), "warning"),
    )?;
    let Some(loaded) = &examined.loaded else {
        return Ok(());
    };
    if loaded.set.rules().is_empty() {
        return writeln!(
            out,
            "no rule is left that is switched on and at least as urgent as rules.priority"
        );
    }
    let mut plan = Plan::default();
    loaded.ask(&mut plan);
    writeln!(out, "\n{:<16} captured for", "hook")?;
    for (hook, why) in plan.reasons() {
        writeln!(out, "{:<16} {}", hook.name(), why.join("; "))?;
    }
    writeln!(
        out,
        "\n{:<16} told only where this may hold, as far as the kernel side can tell",
        "hook"
    )?;
    for (hook, _) in loaded.hooks().calls() {
        if let Some(told) = prefilter::told(loaded, hook) {
            writeln!(
                out,
                "{:<16} {}",
                hook.name(),
                told.replace('\n', &format!("\n{:17}", ""))
            )?;
        }
    }
    Ok(())
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn as_json(examined: &Examined) -> Value {
    let rules: Vec<Value> = examined.rules.iter().map(rule).collect();
    let mut plan = Plan::default();
    if let Some(loaded) = &examined.loaded {
        loaded.ask(&mut plan);
    }
    let hooks: Vec<Value> = plan
        .reasons()
        .map(|(hook, why)| {
            let told = examined
                .loaded
                .as_ref()
                .and_then(|loaded| prefilter::told(loaded, hook));
            json!({"name": hook.name(), "why": why, "told_where": told})
        })
        .collect();
    json!({
        "files": examined.files,
        "unread": examined.unread.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "usable": examined.loaded.is_some(),
        "required_engine_version": examined.engine.as_ref().map(ToString::to_string),
        "problems": examined.problems.iter().map(problem).collect::<Vec<_>>(),
        "rules": rules,
        "hooks": hooks,
    })
}

fn rule(rule: &pinhole_rules::library::Rule) -> Value {
    json!({
        "name": rule.name,
        "priority": rule.priority.as_str(),
        "tags": rule.tags,
        "enabled": rule.enabled,
        "file": rule.span.source.name,
        "line": rule.span.position().line,
    })
}

fn problem(problem: &Problem) -> Value {
    let at = problem.span.position();
    json!({
        "severity": match problem.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        },
        "file": problem.span.source.name,
        "line": at.line,
        "column": at.column,
        "item": problem.item,
        "message": problem.message,
        "help": problem.help,
    })
}
