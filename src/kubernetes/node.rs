//! A place in a document: a value with its path, so that what is wrong with it can be said where it stands.

use serde_json::Value;

/// What is wrong in a document. The value itself is not told: it may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} must be {expected}, not {found}")]
pub struct Malformed {
    /// The path, `spec.template.spec.containers[0].name`.
    pub path: String,
    /// What Kubernetes has there.
    pub expected: &'static str,
    /// The kind of what stands there.
    pub found: &'static str,
}

/// A value and where it stands. A key that is absent or null is `None`, as it is to the API server.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value, path: String) -> Self {
        Self { value, path }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    /// Whether the document is empty: `---` and comments alone.
    pub(super) fn is_empty(&self) -> bool {
        self.value.is_null()
    }

    /// The value behind a key.
    pub(super) fn get(&self, key: &str) -> Result<Option<Node<'a>>, Malformed> {
        let map = self.value.as_object().ok_or_else(|| self.malformed("a mapping"))?;
        Ok(map.get(key).filter(|value| !value.is_null()).map(|value| Node {
            value,
            path: if self.path.is_empty() {
                key.to_owned()
            } else {
                format!("{}.{key}", self.path)
            },
        }))
    }

    /// The value behind several keys, one below the other.
    pub(super) fn at(&self, keys: &[&str]) -> Result<Option<Node<'a>>, Malformed> {
        keys.iter().try_fold(Some(self.clone()), |node, key| match node {
            Some(node) => node.get(key),
            None => Ok(None),
        })
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<String>, Malformed> {
        self.get(key)?
            .map(|node| match node.value {
                Value::String(text) => Ok(text.clone()),
                _ => Err(node.malformed("a string")),
            })
            .transpose()
    }

    /// A string that must be there.
    pub(super) fn required(&self, key: &'static str) -> Result<String, Malformed> {
        self.text(key)?.ok_or_else(|| Malformed {
            path: if self.path.is_empty() {
                key.to_owned()
            } else {
                format!("{}.{key}", self.path)
            },
            expected: "a string",
            found: "absent",
        })
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, Malformed> {
        self.get(key)?
            .map(|node| node.value.as_bool().ok_or_else(|| node.malformed("true or false")))
            .transpose()
    }

    pub(super) fn integer(&self, key: &str) -> Result<Option<i64>, Malformed> {
        self.get(key)?
            .map(|node| node.value.as_i64().ok_or_else(|| node.malformed("an integer")))
            .transpose()
    }

    /// The items of a list; none where the key is absent.
    pub(super) fn items(&self, key: &str) -> Result<Vec<Node<'a>>, Malformed> {
        let Some(node) = self.get(key)? else {
            return Ok(Vec::new());
        };
        let items = node.value.as_array().ok_or_else(|| node.malformed("a list"))?;
        Ok(items
            .iter()
            .enumerate()
            .map(|(index, value)| Node {
                value,
                path: format!("{}[{index}]", node.path),
            })
            .collect())
    }

    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, Malformed> {
        self.items(key)?
            .into_iter()
            .map(|item| match item.value {
                Value::String(text) => Ok(text.clone()),
                _ => Err(item.malformed("a string")),
            })
            .collect()
    }

    pub(super) fn integers(&self, key: &str) -> Result<Vec<i64>, Malformed> {
        self.items(key)?
            .into_iter()
            .map(|item| item.value.as_i64().ok_or_else(|| item.malformed("an integer")))
            .collect()
    }

    /// The string behind a key that no Kubernetes name forbids to hold dots, such as an annotation's.
    pub(super) fn annotation(&self, key: &str) -> Option<String> {
        self.value
            .get("metadata")?
            .get("annotations")?
            .get(key)?
            .as_str()
            .map(str::to_owned)
    }

    pub(super) fn malformed(&self, expected: &'static str) -> Malformed {
        Malformed {
            path: if self.path.is_empty() {
                "the document".to_owned()
            } else {
                self.path.clone()
            },
            expected,
            found: match self.value {
                Value::Null => "null",
                Value::Bool(_) => "a truth value",
                Value::Number(_) => "a number",
                Value::String(_) => "another string",
                Value::Array(_) => "a list",
                Value::Object(_) => "a mapping",
            },
        }
    }
}
