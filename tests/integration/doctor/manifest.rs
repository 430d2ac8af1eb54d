//! A manifest as the agent prints it, to be harmed and to be mended by what the doctor says.

use std::process::Command;

use serde_json::{Value, json};

use crate::event::agent;
use crate::lab::agent_image::agent_image;
use crate::lab::kubelet::spec::Objects;
use crate::lab::tool;

/// The objects of a profile, as they are applied.
#[derive(Debug, Clone)]
pub(super) struct Manifest {
    list: Value,
}

impl Manifest {
    /// As `agent manifest --profile` prints them, with the image that is built here.
    pub(super) fn of(profile: &str) -> Self {
        let image = agent_image(agent()).unwrap().reference;
        let words = ["manifest", "--profile", profile, "--format", "json", "--image", &image];
        let printed = tool::run(Command::new(agent()).args(words)).unwrap();
        Self {
            list: serde_json::from_slice(&printed.stdout).unwrap(),
        }
    }

    /// Lookups may take longer than by default: where they are not what is tried, a busy machine must not make findings of
    /// them.
    pub(super) fn patient(mut self) -> Self {
        self.set("PINHOLE_RUNTIME_CALL_TIMEOUT", "20s");
        self.set("PINHOLE_RUNTIME_LOOKUP_BUDGET", "20s");
        self
    }

    /// As a kubelet reads them.
    pub(super) fn objects(&self) -> Objects {
        Objects::of_list(&self.list).unwrap()
    }

    /// The only object of a kind.
    pub(super) fn object(&mut self, kind: &str) -> &mut Value {
        let items = self.list["items"].as_array_mut().unwrap();
        let found = items.iter_mut().find(|item| item["kind"] == kind);
        found.unwrap_or_else(|| panic!("no {kind}"))
    }

    /// The pod's specification.
    pub(super) fn pod(&mut self) -> &mut Value {
        &mut self.object("DaemonSet")["spec"]["template"]["spec"]
    }

    /// Its container.
    pub(super) fn container(&mut self) -> &mut Value {
        &mut self.pod()["containers"][0]
    }

    /// Its container's security context.
    pub(super) fn security(&mut self) -> &mut Value {
        &mut self.container()["securityContext"]
    }

    /// Sets a variable of the container.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let variables = self.container()["env"].as_array_mut().unwrap();
        variables.retain(|variable| variable["name"] != name);
        variables.push(json!({"name": name, "value": value}));
    }

    /// Takes a variable of the container away.
    pub(super) fn unset(&mut self, name: &str) {
        let variables = self.container()["env"].as_array_mut().unwrap();
        variables.retain(|variable| variable["name"] != name);
    }

    /// The settings, as text.
    pub(super) fn settings(&mut self) -> String {
        let text = self.object("ConfigMap")["data"]["agent.toml"].as_str();
        text.unwrap().to_owned()
    }

    /// Gives the pod a volume and mounts it.
    pub(super) fn mount(&mut self, name: &str, source: Value, at: &str) {
        let mut volume = source;
        volume["name"] = json!(name);
        self.pod()["volumes"].as_array_mut().unwrap().push(volume);
        let mounts = self.container()["volumeMounts"].as_array_mut().unwrap();
        mounts.push(json!({"name": name, "mountPath": at, "readOnly": true}));
    }

    /// Takes a volume and its mount away.
    pub(super) fn unmount(&mut self, name: &str) {
        let is_other = |other: &Value| other["name"] != name;
        self.pod()["volumes"].as_array_mut().unwrap().retain(is_other);
        let mounts = self.container()["volumeMounts"].as_array_mut().unwrap();
        mounts.retain(is_other);
    }

    /// The volume of this name.
    pub(super) fn volume(&mut self, name: &str) -> &mut Value {
        let volumes = self.pod()["volumes"].as_array_mut().unwrap();
        volumes.iter_mut().find(|volume| volume["name"] == name).unwrap()
    }

    /// Makes the change that a remedy asks for, if it is one of a manifest or of a setting; false if it is the node's.
    pub(super) fn apply(&mut self, change: &Value) -> bool {
        let text = |key: &str| change[key].as_str().unwrap_or_default();
        match text("change") {
            "setting" => {
                let name = format!("PINHOLE_{}", text("key").replace('.', "_").to_uppercase());
                let value = &change["value"];
                self.set(&name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            }
            "manifest" => patch(self.object(text("kind")), text("op"), text("path"), &change["value"]),
            "node" => return false,
            other => panic!("a change of an unknown kind {other:?}: {change}"),
        }
        true
    }
}

/// One operation of RFC 6902; of `add`, as of `kubectl patch --type=json`, the parent has to be there.
fn patch(object: &mut Value, op: &str, path: &str, value: &Value) {
    let (parent, last) = path.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/").replace("~0", "~");
    let parent = object
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("{op} {path}: there is no {parent}"));
    match (parent, op) {
        (Value::Object(map), "add" | "replace") => {
            assert!(
                op == "add" || map.contains_key(&last),
                "replace {path}: it is not there"
            );
            map.insert(last, value.clone());
        }
        (Value::Object(map), "remove") => assert!(map.remove(&last).is_some(), "remove {path}: it is not there"),
        (Value::Array(items), "add") if last == "-" => items.push(value.clone()),
        (Value::Array(items), "add") => items.insert(last.parse().unwrap(), value.clone()),
        (Value::Array(items), "replace") => items[last.parse::<usize>().unwrap()] = value.clone(),
        (Value::Array(items), "remove") => drop(items.remove(last.parse().unwrap())),
        (other, _) => panic!("{op} {path}: not possible on {other}"),
    }
}
