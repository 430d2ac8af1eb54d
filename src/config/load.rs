//! Merging the layers: defaults ← profile ← file ← environment ← flags. The only file that knows figment.
//!
//! Every layer is checked for unknown keys before it is merged, and every value carries the name of its layer, so each
//! error names the key, where its value came from, the value, and what is allowed. Files, environment and host facts are
//! handed in by [`Sources`]; nothing here looks at the process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::keys::{self, KEYS, Key, VARIABLE_PREFIX};
use super::nearest::nearest;
use super::settings::Settings;
use super::validate::{Problem, validate};
use crate::platform::{self, profile};

/// The file that is read when no other is named; it need not exist.
pub const DEFAULT_FILE: &str = "/etc/pinhole/agent.toml";

/// The variable that names the file, as `--config` does.
pub const FILE_VARIABLE: &str = "PINHOLE_CONFIG";

/// A larger file is an error.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The origin of a value that nothing set.
const DEFAULT_ORIGIN: &str = "built-in default";

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
    /// `detected`, or the origin of the setting.
    pub source: String,
    /// What the detection rests on; empty when the profile was named.
    pub evidence: Vec<String>,
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
    /// No profile has the name that a layer asks for.
    #[error("profile from {origin}: {source}")]
    UnknownProfile {
        /// The layer.
        origin: String,
        /// The name, and the known ones.
        source: profile::UnknownProfile,
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
            Self::Value { origin, .. } | Self::UnknownProfile { origin, .. } => origin.starts_with("flag "),
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
    let chosen = choose_profile(&above, &sources.facts)?;
    let profile = Layer::parse(format!("profile {}", chosen.name), profile_text(&chosen)?)?;

    let mut figment = Figment::from(Layer {
        origin: DEFAULT_ORIGIN.to_owned(),
        dict: defaults()?,
    })
    .merge(&profile);
    if let Some(node) = environment.node_name {
        figment = figment.merge(&node);
    }
    figment = above.iter().fold(figment, |figment, layer| figment.merge(layer));

    let settings: Settings = figment.extract().map_err(|error| explain(&figment, error))?;
    let origins = KEYS
        .iter()
        .map(|key| (key.name.to_owned(), origin_of(&figment, key.name)))
        .collect();
    validate(&settings).map_err(|problem| refuse(&figment, problem))?;
    Ok(Loaded {
        settings,
        origins,
        file,
        profile: chosen,
    })
}

fn choose_profile(layers: &[Layer], facts: &platform::Facts) -> Result<ProfileChoice, Error> {
    let named = layers.iter().rev().find_map(|layer| match layer.dict.get("profile")? {
        Value::String(_, name) => Some((name.as_str(), &layer.origin)),
        // Of another type: the merge says so.
        _ => None,
    });
    match named {
        Some((name, origin)) if name != "auto" => {
            let profile = profile::get(name).map_err(|source| Error::UnknownProfile {
                origin: origin.clone(),
                source,
            })?;
            Ok(ProfileChoice {
                name: profile.name,
                source: origin.clone(),
                evidence: Vec::new(),
            })
        }
        _ => {
            let detection = platform::detect(facts);
            let source = "detected".to_owned();
            Ok(ProfileChoice {
                name: detection.profile,
                source,
                evidence: detection.evidence,
            })
        }
    }
}

fn profile_text(choice: &ProfileChoice) -> Result<&'static str, Error> {
    let origin = || choice.source.clone();
    profile::get(choice.name)
        .map(|profile| profile.settings)
        .map_err(|source| Error::UnknownProfile {
            origin: origin(),
            source,
        })
}

fn defaults() -> Result<Dict, Error> {
    let value = Serialized::defaults(Settings::default());
    let data = value.data().map_err(|error| Error::Merge(Box::new(error)))?;
    Ok(data.into_values().next().unwrap_or_default())
}

fn read_file(path: &Path) -> Result<Layer, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(failed)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Error::TooLarge { path: path.to_owned() });
    }
    let origin = format!("file {}", path.display());
    match String::from_utf8(bytes) {
        Ok(text) => Layer::parse(origin, &text),
        Err(error) => Err(Error::Syntax {
            origin,
            message: error.to_string(),
        }),
    }
}

/// Some settings and the name of where they came from.
#[derive(Debug)]
struct Layer {
    origin: String,
    dict: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.dict.clone())]))
    }
}

impl Layer {
    /// TOML text whose keys are all known.
    fn parse(origin: String, text: &str) -> Result<Self, Error> {
        match Toml::from_str::<Dict>(text) {
            Ok(dict) => {
                require_known(&origin, "", &dict)?;
                Ok(Self { origin, dict })
            }
            Err(error) => Err(Error::Syntax {
                origin,
                message: error.to_string().trim_end().to_owned(),
            }),
        }
    }

    /// One key with values that were given as text.
    fn of_key(origin: String, key: &Key, texts: &[String]) -> Self {
        let mut value = typed(key, texts);
        for part in key.name.rsplit('.') {
            value = Value::from(Dict::from([(part.to_owned(), value)]));
        }
        Self {
            origin,
            dict: value.into_dict().unwrap_or_default(),
        }
    }
}

/// The shape of the default decides what text becomes: a list splits at commas, a number is read as one. Text that is
/// no number stays text, so that the merge reports it with the type that was expected.
fn typed(key: &Key, texts: &[String]) -> Value {
    let last = texts.last().map_or("", String::as_str);
    match key.default() {
        serde_json::Value::Array(_) => {
            let items = texts
                .iter()
                .flat_map(|text| text.split(','))
                .map(str::trim)
                .filter(|item| !item.is_empty());
            Value::from(items.map(Value::from).collect::<Vec<_>>())
        }
        serde_json::Value::Number(_) => last
            .trim()
            .parse::<i64>()
            .map_or_else(|_| Value::from(last), Value::from),
        _ => Value::from(last),
    }
}

fn require_known(origin: &str, above: &str, dict: &Dict) -> Result<(), Error> {
    for (name, value) in dict {
        let key = if above.is_empty() {
            name.clone()
        } else {
            format!("{above}.{name}")
        };
        if keys::find(&key).is_some() {
            continue;
        }
        let section = format!("{key}.");
        if !KEYS.iter().any(|known| known.name.starts_with(&section)) {
            let nearest = nearest(&key, KEYS.iter().map(|key| key.name)).map(str::to_owned);
            return Err(Error::UnknownKey {
                key,
                origin: origin.to_owned(),
                nearest,
            });
        }
        match value {
            Value::Dict(_, below) => require_known(origin, &key, below)?,
            _ => {
                return Err(Error::NotASection {
                    key,
                    origin: origin.to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// What the environment says.
struct Environment {
    layers: Vec<Layer>,
    /// Lower than the file: the pod's manifest sets it for every agent, the file for this one.
    node_name: Option<Layer>,
    file: Option<PathBuf>,
}

impl Environment {
    fn read(variables: &[(OsString, OsString)]) -> Result<Self, Error> {
        let mut environment = Self {
            layers: Vec::new(),
            node_name: None,
            file: None,
        };
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            if name != "NODE_NAME" && !name.starts_with(VARIABLE_PREFIX) {
                continue;
            }
            if name == FILE_VARIABLE {
                environment.file = Some(PathBuf::from(value));
                continue;
            }
            let origin = format!("environment variable {name}");
            let key = KEYS.iter().find(|key| {
                if name == "NODE_NAME" {
                    key.name == "node.name"
                } else {
                    key.variable() == name
                }
            });
            let Some(key) = key else {
                if is_service_link(name) {
                    continue;
                }
                let known: Vec<String> = KEYS
                    .iter()
                    .map(Key::variable)
                    .chain([FILE_VARIABLE.to_owned()])
                    .collect();
                let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
                return Err(Error::UnknownVariable {
                    name: name.to_owned(),
                    nearest,
                });
            };
            let Some(text) = value.to_str() else {
                return Err(Error::VariableNotText { name: name.to_owned() });
            };
            let layer = Layer::of_key(origin, key, &[text.to_owned()]);
            match name {
                "NODE_NAME" if text.is_empty() => {}
                "NODE_NAME" => environment.node_name = Some(layer),
                _ => environment.layers.push(layer),
            }
        }
        Ok(environment)
    }
}

/// Kubernetes gives every container variables for each Service of its namespace, so a Service named `pinhole-agent`
/// makes `PINHOLE_AGENT_SERVICE_HOST`, `PINHOLE_AGENT_PORT_9090_TCP_ADDR` and the like. They are not meant for us.
fn is_service_link(name: &str) -> bool {
    let parts: Vec<&str> = name.split('_').collect();
    let service = parts
        .windows(2)
        .any(|pair| matches!(pair, ["SERVICE", "HOST" | "PORT"]));
    let link = parts
        .windows(3)
        .any(|link| link[0] == "PORT" && link[1].parse::<u16>().is_ok() && matches!(link[2], "TCP" | "UDP" | "SCTP"));
    service || link || parts.last() == Some(&"PORT")
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
        .and_then(|value| serde_json::to_string(&value).ok());
    let value = value.unwrap_or_else(|| "(unprintable)".to_owned());
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
