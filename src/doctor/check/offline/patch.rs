//! Operations of a JSON Patch against an object as it is written: `add` needs the parent to be there (RFC 6902, 4.1), so what
//! is missing on the way is put there with it.

use serde_json::{Value, json};

use super::super::super::change::{Change, Op};
use super::super::super::facts::manifests::Object;

/// Makes the value at the pointer this one, whatever is there and however much of the way is missing.
pub(in super::super) fn put(object: &Object, pointer: &str, value: impl Into<Value>) -> Change {
    let value = value.into();
    if object.at(pointer).is_some() {
        return Change::manifest(&object.kind, Op::Replace, pointer, value);
    }
    let mut there = pointer;
    let mut wrapped = value;
    // Up to the first parent that is there.
    while let Some((parent, token)) = there.rsplit_once('/') {
        if object.at(parent).is_some() || parent.is_empty() {
            break;
        }
        wrapped = json!({ token.replace("~1", "/").replace("~0", "~"): wrapped });
        there = parent;
    }
    Change::manifest(&object.kind, Op::Add, there, wrapped)
}

/// Appends to the list at the pointer, or makes one.
pub(in super::super) fn push(object: &Object, list: &str, item: impl Into<Value>) -> Change {
    if object.at(list).is_some_and(Value::is_array) {
        Change::manifest(&object.kind, Op::Add, &format!("{list}/-"), item.into())
    } else {
        put(object, list, json!([item.into()]))
    }
}

/// Takes away what is at the pointer.
pub(in super::super) fn take(object: &Object, pointer: &str) -> Change {
    Change::manifest(&object.kind, Op::Remove, pointer, Value::Null)
}

/// Takes items out of a list: from behind, so that each index is still right when its turn comes.
pub(in super::super) fn take_items(object: &Object, list: &str, mut indexes: Vec<usize>) -> Vec<Change> {
    indexes.sort_unstable_by(|one, other| other.cmp(one));
    indexes.dedup();
    indexes
        .into_iter()
        .map(|index| take(object, &format!("{list}/{index}")))
        .collect()
}

/// A token of a JSON Pointer.
pub(in super::super) fn token(text: &str) -> String {
    text.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::kubernetes::Source;

    #[test]
    fn what_is_missing_on_the_way_is_put_there_with_the_value() {
        let object = Object {
            kind: "Pod".to_owned(),
            name: String::new(),
            value: json!({"spec": {"a": null, "list": [1, 2, 3]}}),
            source: Source {
                file: PathBuf::new(),
                document: 1,
                path: String::new(),
            },
        };
        let add = |path: &str, value: Value| Change::manifest("Pod", Op::Add, path, value);
        assert_eq!(put(&object, "/spec/x", 1), add("/spec/x", json!(1)));
        assert_eq!(put(&object, "/spec/a/b/c", 1), add("/spec/a", json!({"b": {"c": 1}})));
        assert_eq!(
            put(&object, "/metadata/labels/a~1b", 1),
            add("/metadata", json!({"labels": {"a/b": 1}}))
        );
        assert_eq!(
            put(&object, "/spec/list", 1),
            Change::manifest("Pod", Op::Replace, "/spec/list", 1)
        );
        assert_eq!(push(&object, "/spec/list", 4), add("/spec/list/-", json!(4)));
        assert_eq!(push(&object, "/spec/other", 4), add("/spec/other", json!([4])));
        assert_eq!(
            take_items(&object, "/spec/list", vec![0, 2, 0]),
            [take(&object, "/spec/list/2"), take(&object, "/spec/list/0")]
        );
        assert_eq!(token("a/b~c"), "a~1b~0c");
    }
}
