//! Objects as somebody hands them in, and what a report's patch makes of them.

use serde_json::{Value, json};

use super::super::super::change::{Change, Op};
use super::super::super::facts::manifests::Manifests;
use super::list;

/// Objects and seccomp profiles.
pub(super) struct Given {
    pub(super) objects: Vec<Value>,
    pub(super) seccomp: Option<Value>,
}

impl Given {
    /// A profile's own.
    pub(super) fn of(profile: &str) -> Self {
        Self {
            objects: list(profile)["items"].as_array().unwrap().clone(),
            seccomp: None,
        }
    }

    pub(super) fn read(&self, profile: &str) -> Manifests {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": self.objects});
        let mut files = vec![("list.json", serde_json::to_vec(&list).unwrap())];
        if let Some(seccomp) = &self.seccomp {
            files.push(("profile.json", serde_json::to_vec(seccomp).unwrap()));
        }
        super::read(&files, Some(profile))
    }

    pub(super) fn object(&mut self, kind: &str) -> &mut Value {
        self.objects.iter_mut().find(|object| object["kind"] == kind).unwrap()
    }

    pub(super) fn remove(&mut self, kind: &str) {
        self.objects.retain(|object| object["kind"] != kind);
    }

    pub(super) fn pod(&mut self) -> &mut Value {
        &mut self.object("DaemonSet")["spec"]["template"]["spec"]
    }

    pub(super) fn container(&mut self) -> &mut Value {
        &mut self.pod()["containers"][0]
    }

    pub(super) fn security(&mut self) -> &mut Value {
        &mut self.container()["securityContext"]
    }

    /// Puts text into the agent's file, at its beginning: what follows is in sections.
    pub(super) fn settings(&mut self, text: &str) {
        let file = &mut self.object("ConfigMap")["data"]["agent.toml"];
        *file = json!(format!("{text}\n{}", file.as_str().unwrap()));
    }

    /// Applies every change of a remedy.
    pub(super) fn apply(&mut self, changes: &[Change]) -> Result<(), String> {
        for change in changes {
            match change {
                Change::Manifest { kind, op, path, value } if kind == "seccomp" => {
                    operate(self.seccomp.as_mut().unwrap(), *op, path, value.as_ref())?;
                }
                Change::Manifest {
                    kind,
                    op: Op::Add,
                    path,
                    value,
                } if path.is_empty() => {
                    assert!(
                        self.objects.iter().all(|object| object["kind"] != **kind),
                        "there is a {kind}"
                    );
                    self.objects.push(value.clone().unwrap());
                }
                Change::Manifest { kind, op, path, value } => {
                    let object = self.objects.iter_mut().find(|object| object["kind"] == **kind);
                    operate(object.ok_or(format!("no {kind}"))?, *op, path, value.as_ref())?;
                }
                Change::Setting { key, value } => {
                    let file = &mut self.object("ConfigMap")["data"]["agent.toml"];
                    *file = json!(with(file.as_str().unwrap(), key, value));
                }
                Change::Node { .. } => return Err("manifests do not change nodes".to_owned()),
            }
        }
        Ok(())
    }
}

/// One operation of RFC 6902, strictly: the parent is there, and so is what is removed or replaced.
pub(super) fn operate(document: &mut Value, op: Op, path: &str, value: Option<&Value>) -> Result<(), String> {
    if path.is_empty() {
        *document = value.cloned().ok_or("no value")?;
        return Ok(());
    }
    let (parent, token) = path.rsplit_once('/').ok_or("no JSON Pointer")?;
    let key = token.replace("~1", "/").replace("~0", "~");
    let parent = document.pointer_mut(parent).ok_or(format!("{path}: no parent"))?;
    match parent {
        Value::Object(map) => match op {
            Op::Add => map.insert(key, value.cloned().ok_or("no value")?),
            Op::Replace if map.contains_key(&key) => map.insert(key, value.cloned().ok_or("no value")?),
            Op::Remove if map.contains_key(&key) => map.remove(&key),
            Op::Replace | Op::Remove => return Err(format!("{path}: nothing there")),
        },
        Value::Array(items) => {
            let index: usize = match key.as_str() {
                "-" if op == Op::Add => items.len(),
                key => key.parse().map_err(|_| format!("{path}: no index"))?,
            };
            let limit = items.len() + usize::from(op == Op::Add);
            if index >= limit {
                return Err(format!("{path}: out of range"));
            }
            match op {
                Op::Add => items.insert(index, value.cloned().ok_or("no value")?),
                Op::Replace => items[index] = value.cloned().ok_or("no value")?,
                Op::Remove => drop(items.remove(index)),
            }
            None
        }
        _ => return Err(format!("{path}: the parent holds nothing")),
    };
    Ok(())
}

/// The file with this key set, or without it. Strings, numbers and lists are written in TOML as in JSON.
fn with(file: &str, key: &str, value: &Value) -> String {
    let mut table: toml::Table = toml::from_str(file).unwrap();
    let (section, name) = key
        .rsplit_once('.')
        .map_or((None, key), |(section, name)| (Some(section), name));
    let place = match section {
        None => &mut table,
        Some(section) => {
            let entry = table.entry(section).or_insert_with(|| toml::Table::new().into());
            entry.as_table_mut().unwrap()
        }
    };
    match value {
        Value::Null => drop(place.remove(name)),
        value => drop(place.insert(name.to_owned(), toml::Value::try_from(value).unwrap())),
    }
    let line = |(key, value): (&String, &toml::Value)| format!("{key} = {}\n", serde_json::to_value(value).unwrap());
    let plain = table.iter().filter(|(_, value)| !value.is_table()).map(line);
    let mut text: String = plain.collect();
    for (section, value) in table.iter().filter(|(_, value)| value.is_table()) {
        text += &format!("[{section}]\n");
        text.extend(value.as_table().unwrap().iter().map(line));
    }
    text
}
