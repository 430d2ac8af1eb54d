//! The settings that the agent would have in its pod: its command line, its variables and its file, put together by the
//! agent's own code.
//!
//! Of a ConfigMap only the one file is looked at that the agent would read, of variables only the agent's own. What stands in
//! a Secret is not read.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::facts::manifests::{AgentPod, Culprit, SettingsFacts, SettingsProblem, Unseen};
use super::agent::{is_wrapped, words};
use crate::config::keys::{KEYS, Key, VARIABLE_PREFIX};
use crate::config::load::{DEFAULT_FILE, FILE_VARIABLE};
use crate::config::{self, Overrides, Settings, Sources, load_text};
use crate::kubernetes::Source;
use crate::platform::profile::Profile;

/// Stands for the name that a node gives the pod by the downward API.
pub const NODE: &str = "$(spec.nodeName)";

/// The agent's own reader of command lines: the words behind the program's name to the flags that are settings.
pub type CommandLine<'a> = dyn Fn(&[String]) -> Result<Overrides, WrongCommandLine> + 'a;

/// A command line that the agent refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WrongCommandLine {
    /// Its words for it.
    pub message: String,
    /// The flag that is wrong, where one is.
    pub flag: Option<String>,
}

/// What the manifests say, before a profile is chosen.
pub(super) struct Written {
    overrides: Overrides,
    sources: Sources,
    /// The file's path and text.
    file: Option<(PathBuf, String)>,
    config_map: Option<(String, String)>,
    unseen: Option<Unseen>,
    problem: Option<SettingsProblem>,
    declared: Option<(String, String)>,
}

impl Written {
    pub(super) fn of(agent: Option<&AgentPod>, values: &[(Source, Value)], command_line: &CommandLine<'_>) -> Self {
        let mut written = Self {
            overrides: Overrides::default(),
            sources: Sources {
                root: PathBuf::from("/"),
                ..Sources::default()
            },
            file: None,
            config_map: None,
            unseen: None,
            problem: None,
            declared: None,
        };
        let Some(agent) = agent else {
            written.unseen = Some(Unseen::NoAgent);
            return written;
        };
        written.look(&View { agent, values }, command_line);
        if written.problem.is_none() {
            match written.load(&written.overrides) {
                Ok(loaded) if loaded.profile.is_detected() => {}
                Ok(loaded) => written.declared = Some((loaded.profile.name.to_owned(), loaded.profile.source)),
                Err(error) => written.problem = Some(problem(&error)),
            }
        }
        written
    }

    /// The profile that they name, and where.
    pub(super) fn profile(&self) -> Option<(String, String)> {
        self.declared.clone()
    }

    /// The settings on the platform of this profile.
    pub(super) fn on(self, profile: &Profile) -> SettingsFacts {
        let named = |mut overrides: Overrides| {
            overrides.values.insert("profile", vec![profile.name.to_owned()]);
            overrides
        };
        let usable = self.problem.is_none();
        let loaded = match (&self.declared, usable) {
            (Some(_), true) => self.load(&self.overrides),
            (None, true) => self.load(&named(self.overrides.clone())),
            (_, false) => load_text(&named(Overrides::default()), &Sources::default(), None),
        };
        let (settings, late) = match loaded {
            Ok(loaded) => (loaded.settings, None),
            Err(error) => (Settings::default(), Some(problem(&error))),
        };
        SettingsFacts {
            settings,
            declared: self.declared,
            problem: self.problem.or(late),
            unseen: self.unseen,
            file: self.config_map,
        }
    }

    fn load(&self, overrides: &Overrides) -> Result<config::Loaded, config::Error> {
        let file = self.file.as_ref().map(|(path, text)| (path.as_path(), text.as_str()));
        load_text(overrides, &self.sources, file)
    }

    fn look(&mut self, view: &View<'_>, command_line: &CommandLine<'_>) {
        let container = view.container();
        let variables = view.variables();
        for (name, variable) in &variables {
            if name != "NODE_NAME" && !name.starts_with(VARIABLE_PREFIX) {
                continue;
            }
            let known = name == FILE_VARIABLE || KEYS.iter().any(|key| key.variable() == *name);
            let value = match variable {
                Variable::Text(text) => text.clone(),
                // A variable that means nothing is refused whatever it holds.
                Variable::Unseen(_) if !known && name != "NODE_NAME" => String::new(),
                Variable::Unseen(why) => {
                    self.unseen = Some(Unseen::Elsewhere(format!("the value of {name} is {why}")));
                    continue;
                }
            };
            self.sources
                .environment
                .push((OsString::from(name), OsString::from(value)));
        }
        if is_wrapped(container) {
            let program = container["command"][0].as_str().unwrap_or_default();
            self.unseen = Some(Unseen::Elsewhere(format!(
                "{program} starts the agent, and in what way is not told"
            )));
        } else {
            let expanded: Option<Vec<String>> = words(container).iter().map(|word| expand(word, &variables)).collect();
            match expanded.map(|words| command_line(&words)) {
                None => {
                    self.unseen = Some(Unseen::Elsewhere(
                        "the command line takes the value of a variable that manifests do not tell".to_owned(),
                    ));
                }
                Some(Ok(overrides)) => self.overrides = overrides,
                Some(Err(wrong)) => {
                    self.problem = Some(SettingsProblem {
                        message: wrong.message,
                        at: wrong.flag.map(Culprit::Flag),
                    });
                }
            }
        }
        let variable = self.sources.environment.iter().find(|(name, _)| name == FILE_VARIABLE);
        let named = variable
            .map(|(_, value)| PathBuf::from(value))
            .filter(|path| !path.as_os_str().is_empty());
        let path = self
            .overrides
            .config
            .clone()
            .or(named)
            .unwrap_or_else(|| DEFAULT_FILE.into());
        match view.file(&path) {
            File::Absent => {}
            File::Unseen(unseen) => {
                self.unseen = Some(unseen);
                // It is there, for all that is known: what is named must not be missing.
                self.overrides.config = None;
                self.sources.environment.retain(|(name, _)| name != FILE_VARIABLE);
            }
            File::Text { text, config_map, key } => {
                self.file = Some((path, text));
                self.config_map = Some((config_map, key));
            }
        }
    }
}

/// The agent's container among everything that was handed in.
struct View<'a> {
    agent: &'a AgentPod,
    values: &'a [(Source, Value)],
}

enum Variable {
    Text(String),
    /// Where it is instead.
    Unseen(&'static str),
}

enum File {
    Absent,
    Unseen(Unseen),
    Text {
        text: String,
        config_map: String,
        key: String,
    },
}

impl View<'_> {
    fn container(&self) -> &Value {
        self.agent
            .object
            .at(&self.agent.in_container(""))
            .unwrap_or(&Value::Null)
    }

    /// The ConfigMap of this name in the agent's namespace.
    fn config_map(&self, name: &str) -> Option<&Value> {
        self.values.iter().map(|(_, value)| value).find(|value| {
            value["kind"] == "ConfigMap"
                && value["metadata"]["name"] == name
                && match (value["metadata"]["namespace"].as_str(), self.agent.namespace()) {
                    (Some(one), Some(other)) => one == other,
                    _ => true,
                }
        })
    }

    /// By name, in order: the last of a name counts, and `env` before `envFrom`.
    fn variables(&self) -> Vec<(String, Variable)> {
        let mut found: BTreeMap<String, (usize, Variable)> = BTreeMap::new();
        let items = |key: &str| self.container()[key].as_array().into_iter().flatten();
        for from in items("envFrom") {
            let prefix = from["prefix"].as_str().unwrap_or_default();
            let map = from["configMapRef"]["name"]
                .as_str()
                .and_then(|name| self.config_map(name));
            for (key, value) in map.and_then(|map| map["data"].as_object()).into_iter().flatten() {
                let text = value.as_str().unwrap_or_default().to_owned();
                let at = found.len();
                found.insert(format!("{prefix}{key}"), (at, Variable::Text(text)));
            }
        }
        for variable in items("env") {
            let Some(name) = variable["name"].as_str() else {
                continue;
            };
            let value = self.value(variable, &found);
            let at = found.len();
            found.insert(name.to_owned(), (at, value));
        }
        let mut list: Vec<(String, (usize, Variable))> = found.into_iter().collect();
        list.sort_by_key(|(_, (at, _))| *at);
        list.into_iter().map(|(name, (_, value))| (name, value)).collect()
    }

    fn value(&self, variable: &Value, before: &BTreeMap<String, (usize, Variable)>) -> Variable {
        let from = &variable["valueFrom"];
        if let Some(path) = from["fieldRef"]["fieldPath"].as_str() {
            // What it will be only the node knows; which it will be is what matters.
            return Variable::Text(format!("$({path})"));
        }
        if let (Some(name), Some(key)) = (
            from["configMapKeyRef"]["name"].as_str(),
            from["configMapKeyRef"]["key"].as_str(),
        ) {
            return match self.config_map(name).and_then(|map| map["data"][key].as_str()) {
                Some(text) => Variable::Text(text.to_owned()),
                None => Variable::Unseen("in a ConfigMap that is not among the files"),
            };
        }
        if from["secretKeyRef"].is_object() {
            return Variable::Unseen("in a Secret, which is not read");
        }
        if from.is_object() {
            return Variable::Unseen("known on the node only");
        }
        let text = variable["value"].as_str().unwrap_or_default();
        let lookup = |name: &str| before.get(name).map(|(_, variable)| variable);
        expanded(text, lookup).map_or(
            Variable::Unseen("made of one that manifests do not tell"),
            Variable::Text,
        )
    }

    /// The file at this path in the container.
    fn file(&self, path: &Path) -> File {
        let mount = self
            .agent
            .mounts()
            .map(|(_, mount)| mount)
            .filter(|mount| mount["mountPath"].as_str().is_some_and(|at| path.starts_with(at)))
            .max_by_key(|mount| mount["mountPath"].as_str().map_or(0, str::len));
        let Some(mount) = mount else { return File::Absent };
        let name = mount["name"].as_str().unwrap_or_default();
        let Some((_, volume)) = self.agent.volume(name) else {
            return File::Unseen(Unseen::Missing(format!("volume {name}")));
        };
        let at = mount["mountPath"].as_str().unwrap_or_default();
        let below = path.strip_prefix(at).unwrap_or(Path::new(""));
        let inside = match mount["subPath"].as_str() {
            Some(sub) if below.as_os_str().is_empty() => PathBuf::from(sub),
            Some(sub) => Path::new(sub).join(below),
            None => below.to_owned(),
        };
        if volume["configMap"].is_object() {
            return self.in_map(&volume["configMap"], &inside);
        }
        if let Some(sources) = volume["projected"]["sources"].as_array() {
            let maps = sources.iter().filter(|source| source["configMap"].is_object());
            let mut last = File::Absent;
            for source in maps {
                last = self.in_map(&source["configMap"], &inside);
                if matches!(last, File::Text { .. }) {
                    return last;
                }
            }
            return match last {
                File::Absent => File::Unseen(Unseen::Elsewhere("the settings are in no ConfigMap".to_owned())),
                last => last,
            };
        }
        let what = match () {
            () if volume["emptyDir"].is_object() => return File::Absent,
            () if volume["secret"].is_object() => "a Secret, which is not read",
            () if volume["hostPath"].is_object() => "a file of the node",
            () => "a volume that manifests do not tell of",
        };
        File::Unseen(Unseen::Elsewhere(format!("the settings are in {what}")))
    }

    fn in_map(&self, volume: &Value, inside: &Path) -> File {
        let name = volume["name"].as_str().unwrap_or_default();
        let key = match volume["items"].as_array() {
            None => inside.to_str().map(str::to_owned),
            Some(items) => items
                .iter()
                .find(|item| item["path"].as_str().is_some_and(|path| Path::new(path) == inside))
                .and_then(|item| item["key"].as_str().map(str::to_owned)),
        };
        let Some(key) = key else { return File::Absent };
        match self.config_map(name) {
            None if volume["optional"] == true => File::Unseen(Unseen::Elsewhere(format!(
                "ConfigMap {name} may be there or not, and is not among the files"
            ))),
            None => File::Unseen(Unseen::Missing(format!("ConfigMap {name}"))),
            Some(map) => match map["data"][&key].as_str() {
                None => File::Absent,
                Some(text) => File::Text {
                    text: text.to_owned(),
                    config_map: name.to_owned(),
                    key,
                },
            },
        }
    }
}

/// Puts in the values of variables that `$(NAME)` stands for; nothing where one of them is not known.
fn expand(text: &str, variables: &[(String, Variable)]) -> Option<String> {
    expanded(text, |name| {
        variables
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, variable)| variable)
    })
}

/// What the kubelet makes of it (`third_party/forked/golang/expansion`): `$$` is a dollar, and a name that is no variable stays.
fn expanded<'a>(text: &str, lookup: impl Fn(&str) -> Option<&'a Variable>) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            match lookup(name) {
                Some(Variable::Text(value)) => out.push_str(value),
                Some(Variable::Unseen(_)) => return None,
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    Some(out)
}

/// The agent's words, and what of the manifests they are about.
fn problem(error: &config::Error) -> SettingsProblem {
    use config::Error as E;
    let at = |origin: &str, key: &str| {
        let variable = origin.strip_prefix("environment variable ").map(str::to_owned);
        let flag = origin.strip_prefix("flag ").map(str::to_owned);
        variable
            .map(Culprit::Variable)
            .or(flag.map(Culprit::Flag))
            .unwrap_or_else(|| Culprit::Key(key.to_owned()))
    };
    let place = match error {
        E::UnknownKey { key, origin, .. } | E::NotASection { key, origin } => Some(at(origin, key)),
        E::Value { key, origin, .. } => Some(at(origin, key)),
        E::Profile { origin, .. } => Some(at(origin, "profile")),
        E::UnknownVariable { name, .. } | E::VariableNotText { name } => Some(Culprit::Variable(name.clone())),
        E::Syntax { .. } | E::TooLarge { .. } => Some(Culprit::File),
        E::Read { .. } | E::NotAFile { .. } | E::Merge(_) => None,
    };
    SettingsProblem {
        message: error.to_string(),
        at: place,
    }
}

/// The value of a key that nobody sets, as the file has it; absent for what is no key.
pub(in crate::doctor) fn default_of(key: &str) -> Option<Value> {
    KEYS.iter().find(|known| known.name == key).map(Key::default)
}
