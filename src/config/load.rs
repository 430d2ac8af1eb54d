//! Merging the layers: defaults ← profile ← file ← environment ← flags. This module alone knows figment.
//!
//! Every layer is checked for unknown keys before it is merged, and every value carries the name of its layer, so each
//! error names the key, where its value came from, the value, and what is allowed. Files, environment and host facts are
//! handed in by [`Sources`]; nothing here looks at the process.

mod environment;
mod layer;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use figment::providers::Serialized;
use figment::value::{Dict, Value};
use figment::{Figment, Provider};

use self::environment::Environment;
use self::layer::{Layer, read_file};
use super::keys::{self, KEYS, Key};
use super::settings::{EventClass, Settings};
use super::validate::{Problem, validate};
use crate::platform::{self, profile};

/// The file that is read when no other is named; it need not exist.
pub const DEFAULT_FILE: &str = "/etc/pinhole/agent.toml";

/// The variable that names the file, as `--config` does.
pub const FILE_VARIABLE: &str = "PINHOLE_CONFIG";

/// A larger file is an error.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The source of a profile that nobody named.
pub const DETECTED: &str = "detected";

/// What the name of a file's layer begins with, before the path.
pub const FILE_ORIGIN: &str = "file ";

/// What the name of a profile's layer begins with, before the profile.
pub const PROFILE_ORIGIN: &str = "profile ";

/// The origin of a value that nothing set.
pub const DEFAULT_ORIGIN: &str = "built-in default";

/// Settings given as flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// By key, the values in the order in which they were given.
    pub values: BTreeMap<&'static str, Vec<String>>,
}

/// Everything outside the command line that settings come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The environment, or as much of it as may matter.
    pub environment: Vec<(OsString, OsString)>,
    /// The directory that [`DEFAULT_FILE`] is looked up under, normally `/`.
    pub root: PathBuf,
    /// What `profile = auto` is decided from.
    pub facts: platform::Facts,
}

impl Sources {
    /// Those of this process on this host.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self {
            environment: std::env::vars_os().collect(),
            root: PathBuf::from("/"),
            facts: platform::Facts::of_this_host(),
        }
    }
}

/// Which profile is in force, who chose it, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileChoice {
    /// Its name, never `auto`.
    pub name: &'static str,
    /// [`DETECTED`], or the origin of the setting.
    pub source: String,
    /// What the platform looks like, whoever chose.
    pub detection: platform::Detection,
}

impl ProfileChoice {
    /// Whether nobody named it.
    #[must_use]
    pub fn is_detected(&self) -> bool {
        self.source == DETECTED
    }

    /// What to say where the profile was named and is another platform's.
    #[must_use]
    pub fn mismatch(&self) -> Option<String> {
        self.detection.mismatch(self.name)
    }
}

/// The merged settings and where they came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings, within their limits.
    pub settings: Settings,
    /// For every key the layer that its value comes from.
    pub origins: BTreeMap<String, String>,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// The profile.
    pub profile: ProfileChoice,
    /// What a profile is detected from, with what lies below the host prefix.
    pub facts: platform::Facts,
}

/// Why there are no settings. Every one is the mistake of whoever configures the agent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A layer has a key that does not exist.
    #[error("unknown key {key} in {origin}{}", suggestion(.nearest.as_deref()))]
    UnknownKey {
        /// The key.
        key: String,
        /// The layer.
        origin: String,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// A value stands where a section belongs.
    #[error("{key} in {origin} is a section, not a value: write [{key}] and its keys below")]
    NotASection {
        /// The section.
        key: String,
        /// The layer.
        origin: String,
    },
    /// A value of the wrong type or outside its limits.
    #[error("{key} = {value} from {origin} cannot be used: {problem}. Allowed: {allowed}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value as it was given.
        value: String,
        /// The layer.
        origin: String,
        /// What is wrong with it.
        problem: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A variable with the agent's prefix that means nothing.
    #[error("unknown environment variable {name}{}", suggestion(.nearest.as_deref()))]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The variable that was probably meant.
        nearest: Option<String>,
    },
    /// A variable whose value is no text.
    #[error("environment variable {name} is not valid UTF-8")]
    VariableNotText {
        /// The variable.
        name: String,
    },
    /// The file could not be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory, a FIFO, a device.
    #[error("the configuration file {} is not a regular file", path.display())]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// The file is too large to be a configuration.
    #[error("the configuration file {} is larger than {MAX_FILE_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is no TOML.
    #[error("{origin} is not valid TOML: {message}")]
    Syntax {
        /// The layer.
        origin: String,
        /// What the parser says, with line and column.
        message: String,
    },
    /// There is no profile as a layer asks for it.
    #[error("profile from {origin}: {source}")]
    Profile {
        /// The layer.
        origin: String,
        /// The name, and the known ones.
        source: profile::Error,
    },
    /// The layers are fine one by one and yet not together; only a defect of the agent can cause it.
    #[error("cannot merge the configuration: {0}")]
    Merge(Box<figment::Error>),
}

impl Error {
    /// Whether the mistake is on the command line itself, so that the exit code is that of wrong usage.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Value { origin, .. } | Self::Profile { origin, .. } => origin.starts_with("flag "),
            _ => false,
        }
    }
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest
        .map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default()
}

/// Merges all layers.
///
/// # Errors
/// The first mistake, see [`Error`].
pub fn load(overrides: &Overrides, sources: &Sources) -> Result<Loaded, Error> {
    merge(overrides, sources, &read_file)
}

/// The same with the text of the one file that there may be, by its path, in the place of any file system: as a ConfigMap
/// would put it there.
///
/// # Errors
/// As [`load`].
pub fn load_text(overrides: &Overrides, sources: &Sources, file: Option<(&Path, &str)>) -> Result<Loaded, Error> {
    merge(overrides, sources, &|path| match file {
        Some((at, text)) if at == path => Layer::parse(format!("file {}", path.display()), text),
        _ => Err(Error::Read {
            path: path.to_owned(),
            source: io::ErrorKind::NotFound.into(),
        }),
    })
}

fn merge(
    overrides: &Overrides,
    sources: &Sources,
    read_file: &dyn Fn(&Path) -> Result<Layer, Error>,
) -> Result<Loaded, Error> {
    let environment = Environment::read(&sources.environment)?;
    let (file, file_layer) = match overrides.config.as_ref().or(environment.file.as_ref()) {
        Some(path) => (Some(path.clone()), Some(read_file(path)?)),
        None => {
            let path = sources.root.join(DEFAULT_FILE.trim_start_matches('/'));
            match read_file(&path) {
                Ok(layer) => (Some(path), Some(layer)),
                Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => (None, None),
                Err(error) => return Err(error),
            }
        }
    };
    let flags = overrides.values.iter().filter_map(|(name, values)| {
        let key = keys::find(name)?;
        Some(Layer::of_key(format!("flag --{}", key.flag), key, values))
    });
    let above: Vec<Layer> = file_layer.into_iter().chain(environment.layers).chain(flags).collect();

    // The profile is the lowest layer but one, and which it is may be said by any layer above it.
    let facts = match host_prefix(&above) {
        Some(prefix) => sources
            .facts
            .clone()
            .with_host(&below(&sources.root, Path::new(prefix))),
        None => sources.facts.clone(),
    };
    let chosen = choose_profile(&above, &facts)?;
    let profile = Layer::parse(format!("{PROFILE_ORIGIN}{}", chosen.name), profile_text(&chosen)?)?;

    let mut figment = Figment::from(Layer {
        origin: DEFAULT_ORIGIN.to_owned(),
        dict: defaults()?,
    })
    .merge(&profile);
    if let Some(node) = environment.node_name {
        figment = figment.merge(&node);
    }
    figment = above.iter().fold(figment, |figment, layer| figment.merge(layer));

    let mut settings: Settings = figment.extract().map_err(|error| explain(&figment, error))?;
    // Whoever names a socket says where it is here; a profile knows only where the host has it.
    let runtime = &mut settings.runtime;
    if !runtime.host_prefix.as_os_str().is_empty() && origin_of(&figment, "runtime.socket") == profile.origin {
        for socket in &mut runtime.socket {
            *socket = below(&runtime.host_prefix, socket);
        }
    }
    let mut origins: BTreeMap<_, _> = KEYS
        .iter()
        .map(|key| (key.name.to_owned(), origin_of(&figment, key.name)))
        .collect();
    // With rules it is alerts that are asked for, unless somebody says otherwise.
    if !settings.rules.files.is_empty() && origin_of(&figment, "events") == DEFAULT_ORIGIN {
        settings.events = vec![EventClass::None];
        origins.insert("events".to_owned(), format!("{DEFAULT_ORIGIN} where there are rules"));
    }
    validate(&settings).map_err(|problem| refuse(&figment, problem))?;
    Ok(Loaded {
        settings,
        origins,
        file,
        profile: chosen,
        facts,
    })
}

/// Where the host's root directory is mounted, by the topmost layer that says so.
fn host_prefix(layers: &[Layer]) -> Option<&str> {
    let set = layers.iter().rev().find_map(|layer| {
        let runtime = layer.dict.get("runtime")?.as_dict()?;
        runtime.get("host_prefix")
    });
    set?.as_str().filter(|prefix| !prefix.is_empty())
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn choose_profile(layers: &[Layer], facts: &platform::Facts) -> Result<ProfileChoice, Error> {
    let refused = |origin: &str| {
        let origin = origin.to_owned();
        move |source| Error::Profile { origin, source }
    };
    let detection = platform::detect(facts).map_err(refused(DETECTED))?;
    let named = layers.iter().rev().find_map(|layer| match layer.dict.get("profile")? {
        Value::String(_, name) => Some((name.as_str(), &layer.origin)),
        // Of another type: the merge says so.
        _ => None,
    });
    let (name, source) = match named {
        Some((name, origin)) if name != "auto" => (profile::get(name).map_err(refused(origin))?.name, origin.clone()),
        _ => (detection.profile, DETECTED.to_owned()),
    };
    Ok(ProfileChoice {
        name,
        source,
        detection,
    })
}

fn profile_text(choice: &ProfileChoice) -> Result<&'static str, Error> {
    let origin = || choice.source.clone();
    profile::get(choice.name)
        .map(|profile| profile.settings)
        .map_err(|source| Error::Profile {
            origin: origin(),
            source,
        })
}

fn defaults() -> Result<Dict, Error> {
    let value = Serialized::defaults(Settings::default());
    let data = value.data().map_err(|error| Error::Merge(Box::new(error)))?;
    Ok(data.into_values().next().unwrap_or_default())
}

fn origin_of(figment: &Figment, key: &str) -> String {
    figment
        .find_metadata(key)
        .map_or_else(|| DEFAULT_ORIGIN.to_owned(), |found| found.name.to_string())
}

/// figment's error in the agent's words.
fn explain(figment: &Figment, error: figment::Error) -> Error {
    let path = error.path.join(".");
    // The path of a list's item ends with its index.
    match KEYS
        .iter()
        .find(|key| path == key.name || path.starts_with(&format!("{}.", key.name)))
    {
        // The words would repeat the value.
        Some(key) if key.is_secret() => at_key(figment, key, "it is no table of texts".to_owned()),
        Some(key) => at_key(figment, key, error.kind.to_string()),
        None => Error::Merge(Box::new(error)),
    }
}

fn refuse(figment: &Figment, problem: Problem) -> Error {
    match keys::find(problem.key) {
        Some(key) => at_key(figment, key, problem.problem),
        None => Error::Merge(Box::new(figment::Error::from(problem.problem))),
    }
}

fn at_key(figment: &Figment, key: &'static Key, problem: String) -> Error {
    let value = figment
        .find_value(key.name)
        .ok()
        .and_then(|value| serde_json::to_value(&value).ok());
    let value = match key.is_secret() {
        true => "(secret)".to_owned(),
        false => value.map_or_else(|| "(unprintable)".to_owned(), |value| key.shown(value).to_string()),
    };
    Error::Value {
        key: key.name,
        value,
        origin: origin_of(figment, key.name),
        problem,
        allowed: key.allowed,
    }
}

#[cfg(test)]
mod tests;
