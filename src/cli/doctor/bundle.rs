//! `agent doctor bundle`: an examination, packed up with what explains it.

use std::fs::{File as OpenFile, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::confine::confine;
use super::input::Given;
use super::run::{self, Examined};
use super::{complain, say};
use crate::cli::args::{BundleArgs, Redact, VERSION};
use crate::cli::exit::Exit;
use crate::cli::plan;
use crate::doctor::bundle::{Bundle, File, LeftOut, sha256};
use crate::doctor::facts::{LiveFacts, SettingFact};
use crate::doctor::render::{self, Format, Look, render};
use crate::doctor::{FailOn, redact};
use crate::privilege::seccomp::{AGENT_DELIVERY, AGENT_DELIVERY_PROGRAM, AGENT_DOCTOR, AGENT_RUN, AGENT_SETUP};

/// How the report for people looks in a file.
const PLAIN: Look = Look {
    color: false,
    unicode: false,
    width: 100,
};

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The file cannot be made.
    #[error("cannot make {}: {source}{}", path.display(), hint(.source))]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nobody reads an archive on a terminal.
    #[error("standard output is a terminal: name a file with --file, or pipe the archive somewhere")]
    Terminal,
    /// There is no report.
    #[error(transparent)]
    Examination(#[from] run::Error),
    /// The report could not be written down.
    #[error(transparent)]
    Render(#[from] render::Error),
    /// Something could not be made JSON.
    #[error("cannot make JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The archive could not be written.
    #[error("cannot write the bundle, and what there is of it cannot be used: {0}")]
    Write(#[source] io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AlreadyExists => "; nothing is overwritten: name another file with --file",
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            "; `--file -` writes to standard output: kubectl exec POD -- /agent doctor bundle --file - > doctor.tar"
        }
        _ => "",
    }
}

impl Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Create { .. } | Self::Terminal => Exit::Usage,
            Self::Examination(error) => error.exit(),
            Self::Render(_) | Self::Json(_) | Self::Write(_) => Exit::Internal,
        }
    }
}

/// Packs, and says what went in; success once it is written, whatever was found.
pub(super) fn run(arguments: &BundleArgs) -> Exit {
    match packed(arguments) {
        Ok(exit) => exit,
        Err(error) => complain(&error, error.exit()),
    }
}

fn packed(arguments: &BundleArgs) -> Result<Exit, Error> {
    // Before the doctor is confined: afterwards nothing can be opened for writing.
    let out = if arguments.list {
        None
    } else {
        Some(open(&arguments.file)?)
    };
    let (process, confined) = confine();
    let given = Given {
        process,
        suppressions: None,
        live_timeout: arguments.live_timeout,
        timeout: arguments.timeout,
    };
    let quiet = !io::stderr().is_terminal();
    let examined = run::examine(&arguments.overrides, &given, &confined, quiet)?;
    let redacted = arguments.redact == Redact::On;
    let (files, left_out) = files(&examined, redacted)?;
    let bundle = Bundle::pack(files, left_out, &examined.report.time, redacted, arguments.max_size)?;
    let Some(out) = out else {
        return Ok(say(listed(&bundle).as_bytes()));
    };
    bundle.write(io::BufWriter::new(out)).map_err(Error::Write)?;
    let _ = write!(io::stderr(), "{}", listed(&bundle));
    Ok(Exit::Success)
}

fn open(path: &Path) -> Result<Box<dyn Write>, Error> {
    if path == Path::new("-") {
        return if io::stdout().is_terminal() {
            Err(Error::Terminal)
        } else {
            Ok(Box::new(io::stdout()))
        };
    }
    let file: OpenFile = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| Error::Create {
            path: path.to_owned(),
            source,
        })?;
    Ok(Box::new(file))
}

/// What the bundle holds, what is wanted first coming first, and what could not be had.
fn files(examined: &Examined, redacted: bool) -> Result<(Vec<File>, Vec<LeftOut>), Error> {
    let Examined {
        report,
        facts,
        settings,
    } = examined;
    let report = if redacted {
        redact::report(report)
    } else {
        report.clone()
    };
    let page = |format| render(&report, format, FailOn::Warn, PLAIN).map(String::into_bytes);
    let mut left_out = Vec::new();
    let mut files = vec![
        file(
            "report.json",
            "the report, docs/doctor-report.schema.json",
            page(Format::Json)?,
        ),
        file("report.txt", "the same for people", page(Format::Text)?),
    ];
    // What may hold names goes through this first.
    let shown = |value: Value| if redacted { redact::json(&value) } else { value };
    let mut add = |name, about, value: Result<Value, &str>| match value {
        Ok(value) => files.push(file(name, about, (format!("{value:#}") + "\n").into_bytes())),
        Err(reason) => left_out.push(LeftOut {
            name,
            reason: reason.to_owned(),
        }),
    };
    let status = match &facts.live.value {
        Ok(LiveFacts::Answers(agent)) => Ok(shown(serde_json::to_value(&agent.second)?)),
        _ => Err("no running agent answered"),
    };
    add("status.json", "what the running agent tells of itself", status);
    let loaded = facts.config.problem.is_none();
    let unloaded = "the settings cannot be loaded: see PIN-CFG-001 in the report";
    let line = |setting: &SettingFact| json!({ "key": setting.key, "value": setting.value, "origin": setting.origin });
    let lines: Vec<Value> = facts.config.settings.iter().map(line).collect();
    let lines = loaded.then(|| shown(Value::from(lines))).ok_or(unloaded);
    add(
        "settings.json",
        "every setting, its value as TOML and where it is from",
        lines,
    );
    let hooks = if loaded {
        Ok(plan::value(settings)?)
    } else {
        Err(unloaded)
    };
    add("hooks.json", "the hooks that these settings ask for, and why", hooks);
    let profile = &facts.profile;
    let detection = json!({
        "profile": profile.name,
        "source": profile.source,
        "detected": profile.detected.as_ref().ok().cloned().flatten(),
        "confidence": profile.confidence,
        "evidence": profile.evidence,
    });
    add(
        "profile.json",
        "the profile, and what speaks for it",
        Ok(shown(detection)),
    );
    add(
        "versions.json",
        "versions and the hashes of the seccomp policies",
        Ok(versions(&report)),
    );
    files.push(file(
        "report.md",
        "the report for an issue; always redacted",
        page(Format::Markdown)?,
    ));
    files.push(file("report.html", "the report for a browser", page(Format::Html)?));
    Ok((files, left_out))
}

/// Of a report that is redacted already, where it is to be; hashes would be taken for ids.
fn versions(report: &crate::doctor::Report) -> Value {
    let policies = [
        ("agent-setup.json", AGENT_SETUP),
        ("agent-run.json", AGENT_RUN),
        ("agent-delivery.json", AGENT_DELIVERY),
        ("agent-delivery-program.json", AGENT_DELIVERY_PROGRAM),
        ("agent-doctor.json", AGENT_DOCTOR),
    ];
    json!({
        "agent": VERSION,
        "running_agent": report.agent.running_version,
        "kernel": report.host.kernel,
        "arch": report.host.arch,
        "report_schema": report.schema_version,
        "seccomp_sha256": policies.map(|(name, text)| (name.to_owned(), Value::from(sha256(text.as_bytes()))))
            .into_iter().collect::<serde_json::Map<_, _>>(),
    })
}

fn file(name: &'static str, about: &'static str, bytes: Vec<u8>) -> File {
    File { name, about, bytes }
}

/// One line per file, and the size of the whole.
fn listed(bundle: &Bundle) -> String {
    let mut page = String::new();
    for file in &bundle.files {
        page.push_str(&format!("{:>9}  {:<14}  {}\n", file.bytes.len(), file.name, file.about));
    }
    for left in &bundle.left_out {
        page.push_str(&format!("{:>9}  {:<14}  left out: {}\n", "-", left.name, left.reason));
    }
    page + &format!("{:>9}  in all, as an archive\n", bundle.size())
}
