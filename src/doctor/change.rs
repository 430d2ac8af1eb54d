//! One change that mends something, as data: what a remedy says in words, for machines.
//!
//! A change of a manifest is one operation of a JSON Patch (RFC 6902), as `kubectl patch --type json` takes it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is changed, and to what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum Change {
    /// An object of the profile's manifest.
    Manifest {
        /// Its kind: the manifest has one of each. `seccomp` is a seccomp profile's file; an `add` with an empty path is the
        /// whole object, where there is none.
        kind: String,
        /// What is done at `path`.
        op: Op,
        /// A JSON Pointer from the object's root.
        path: String,
        /// What is put there; absent with `remove`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Value>,
    },
    /// A setting of the agent: a key of `agent.toml`, from which the flag and the variable are derived.
    Setting {
        /// The key.
        key: String,
        /// Its value, as the file has it; null takes it out.
        value: Value,
    },
    /// Something of the node, which neither the agent nor its manifest can change.
    Node {
        /// What: `kernel command line`, `node image`, a service, a file.
        what: String,
        /// What it has to be.
        value: Value,
    },
}

/// An operation of a JSON Patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// Puts a value there; at the end of a list with `-`.
    Add,
    /// Takes away what is there.
    Remove,
    /// Puts a value in the place of what is there.
    Replace,
}

impl Change {
    /// Of an object of the manifest.
    pub(super) fn manifest(kind: &str, op: Op, path: &str, value: impl Into<Value>) -> Self {
        Self::Manifest {
            kind: kind.to_owned(),
            op,
            path: path.to_owned(),
            value: (op != Op::Remove).then(|| value.into()),
        }
    }

    /// Of the agent's container, by a path from there.
    pub(super) fn container(op: Op, path: &str, value: impl Into<Value>) -> Self {
        Self::manifest(
            "DaemonSet",
            op,
            &format!("/spec/template/spec/containers/0{path}"),
            value,
        )
    }

    /// Of the agent's pod, by a path from there.
    pub(super) fn pod(op: Op, path: &str, value: impl Into<Value>) -> Self {
        Self::manifest("DaemonSet", op, &format!("/spec/template/spec{path}"), value)
    }

    /// Of a setting.
    pub(super) fn setting(key: &str, value: impl Into<Value>) -> Self {
        Self::Setting {
            key: key.to_owned(),
            value: value.into(),
        }
    }

    /// Of the node.
    pub(super) fn node(what: &str, value: impl Into<Value>) -> Self {
        Self::Node {
            what: what.to_owned(),
            value: value.into(),
        }
    }
}
