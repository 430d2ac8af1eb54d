//! What manifests say before they are applied: the facts of the offline examination.
//!
//! Objects are kept as they are written, because what mends them is said by paths into them; of what may be secret (values
//! of variables, data of ConfigMaps) only the agent's own settings are kept.

use std::path::PathBuf;

use serde_json::Value;

use crate::config::Settings;
use crate::kubernetes::{Container, Objects, Source, Workload};
use crate::platform::profile::Profile;

/// The objects that were handed in, and what they are judged against.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifests {
    /// The profile whose platform they are for.
    pub profile: Profile,
    /// Who chose it.
    pub profile_source: String,
    /// The files, by the names that they were handed in under.
    pub files: Vec<PathBuf>,
    /// What the files hold, sorted.
    pub objects: Objects,
    /// The workload whose pod runs the agent; the first of several.
    pub agent: Option<AgentPod>,
    /// The other workloads that run one.
    pub more_agents: Vec<String>,
    /// Namespaces as they are written.
    pub namespaces: Vec<Object>,
    /// SecurityContextConstraints as they are written.
    pub constraints: Vec<Object>,
    /// The settings that the agent would have there.
    pub settings: SettingsFacts,
    /// Files that are seccomp profiles.
    pub seccomp: Vec<SeccompFile>,
}

/// An object as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its text, without what may be secret.
    pub value: Value,
    /// Where it stands.
    pub source: Source,
}

impl Object {
    /// The value at a JSON Pointer; null is as good as absent to the API server.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        self.value.pointer(pointer).filter(|value| !value.is_null())
    }

    /// The items of a list at a JSON Pointer.
    pub fn items<'a>(&'a self, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.at(pointer).and_then(Value::as_array).into_iter().flatten()
    }
}

/// The pod that runs the agent.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentPod {
    /// The workload as it is written, without values of variables.
    pub object: Object,
    /// The JSON Pointer to what has the pod's metadata and spec; empty for a Pod.
    pub template: &'static str,
    /// The agent's container among `containers`.
    pub index: usize,
    /// The workload as it was understood.
    pub workload: Workload,
    /// The agent's container in it, as it takes effect.
    pub container: Container,
}

impl AgentPod {
    /// A JSON Pointer from the pod's spec.
    #[must_use]
    pub fn in_pod(&self, path: &str) -> String {
        format!("{}/spec{path}", self.template)
    }

    /// A JSON Pointer from the agent's container.
    #[must_use]
    pub fn in_container(&self, path: &str) -> String {
        self.in_pod(&format!("/containers/{}{path}", self.index))
    }

    /// The volume of this name, with its place in the list.
    #[must_use]
    pub fn volume(&self, name: &str) -> Option<(usize, &Value)> {
        let volumes = self.object.items(&self.in_pod("/volumes"));
        volumes.enumerate().find(|(_, volume)| volume["name"] == name)
    }

    /// What the agent's container mounts: each mount with its place in the list.
    pub fn mounts(&self) -> impl Iterator<Item = (usize, &Value)> {
        self.object.items(&self.in_container("/volumeMounts")).enumerate()
    }

    /// The namespace that its objects are in, where it is said.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.workload.namespace.as_deref()
    }
}

/// The settings that the agent would have.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingsFacts {
    /// The settings; those of the profile where they are wrong or not all in sight.
    pub settings: Settings,
    /// The profile that they name, and where; none where it is left to detection.
    pub declared: Option<(String, String)>,
    /// What is wrong with them.
    pub problem: Option<SettingsProblem>,
    /// Why they are not all in sight.
    pub unseen: Option<Unseen>,
    /// The ConfigMap and its key that hold the file.
    pub file: Option<(String, String)>,
}

/// Why settings are not in sight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unseen {
    /// No agent was found.
    NoAgent,
    /// Something that the pod refers to is not among the files.
    Missing(String),
    /// They are where manifests do not tell them.
    Elsewhere(String),
}

/// What is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsProblem {
    /// The agent's own words.
    pub message: String,
    /// What can be taken away to mend it.
    pub at: Option<Culprit>,
}

/// Where a wrong setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Culprit {
    /// A variable of the agent's container.
    Variable(String),
    /// A flag of its command line, with its dashes.
    Flag(String),
    /// A key of the file.
    Key(String),
    /// The file as a whole, because it cannot be read.
    File,
}

/// A seccomp profile, as container runtimes read it.
#[derive(Debug, Clone, PartialEq)]
pub struct SeccompFile {
    /// The file.
    pub file: PathBuf,
    /// What happens to what is not listed, as it is written.
    pub default_action: String,
    /// The errno of that, where it is said.
    pub default_errno: Option<u64>,
    /// Its entries.
    pub entries: Vec<SeccompEntry>,
}

/// One entry of a seccomp profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeccompEntry {
    /// The system calls.
    pub names: Vec<String>,
    /// What happens to them, as it is written.
    pub action: String,
    /// The errno of a refusal, where it is said.
    pub errno: Option<u64>,
    /// The conditions on their arguments, as they are written but for their order.
    pub conditions: Vec<SeccompCondition>,
    /// Whether it holds only for some architectures, kernels or capabilities: runtimes differ in whether they look at that.
    pub restricted: bool,
}

/// A condition on an argument: its number, the comparison, and what it is compared with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeccompCondition {
    /// Number of the argument.
    pub index: u64,
    /// `SCMP_CMP_EQ` and so on.
    pub op: String,
    /// With what; for a mask the mask.
    pub value: u64,
    /// What must remain under a mask.
    pub value_two: u64,
}
