//! The environment as a layer: every variable with the agent's prefix must mean something.

use std::ffi::OsString;
use std::path::PathBuf;

use pinhole_rules::problem::nearest;

use super::layer::Layer;
use super::{Error, FILE_VARIABLE};
use crate::config::keys::{KEYS, Key, VARIABLE_PREFIX};

/// What the environment says.
pub(super) struct Environment {
    pub(super) layers: Vec<Layer>,
    /// Lower than the file: the pod's manifest sets it for every agent, the file for this one.
    pub(super) node_name: Option<Layer>,
    /// What [`FILE_VARIABLE`] names.
    pub(super) file: Option<PathBuf>,
}

impl Environment {
    pub(super) fn read(variables: &[(OsString, OsString)]) -> Result<Self, Error> {
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
                // Empty is how a manifest unsets a variable.
                if !value.is_empty() {
                    environment.file = Some(PathBuf::from(value));
                }
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
