//! SecurityContextConstraints against the published API: OpenShift's API server prunes a field that it does not know without
//! a word, so that a misspelt restriction would restrict nothing.

use serde_json::Value;

use super::*;

/// The fields with their types, as the API's own definition has them; the file names the source.
const FIELDS: &str = include_str!("../../../tests/fixtures/kubernetes/securitycontextconstraints.json");

/// Whether a value is of a type: `boolean`, `integer`, `string`, `[TYPE]`, an object with fields, or any of these or null.
fn fits(kind: &Value, value: &Value, path: &str) -> Result<(), String> {
    let problem = || Err(format!("{path}: {value} is no {kind}"));
    match kind {
        Value::String(word) => {
            let (word, nullable) = word
                .strip_suffix('?')
                .map_or((word.as_str(), false), |word| (word, true));
            let fits = match word {
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64(),
                "string" => value.is_string(),
                "strings" => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
                "object" => value.is_object(),
                _ => return Err(format!("{path}: unknown type {word}")),
            };
            if fits || nullable && value.is_null() {
                Ok(())
            } else {
                problem()
            }
        }
        Value::Array(of) => value.as_array().map_or_else(problem, |all| {
            all.iter()
                .enumerate()
                .try_for_each(|(index, one)| fits(&of[0], one, &format!("{path}[{index}]")))
        }),
        Value::Object(fields) => value.as_object().map_or_else(problem, |object| {
            object.iter().try_for_each(|(key, value)| {
                let path = format!("{path}.{key}");
                fields.get(key).map_or_else(
                    || Err(format!("{path}: no such field")),
                    |kind| fits(kind, value, &path),
                )
            })
        }),
        _ => problem(),
    }
}

fn constraints(options: &Options) -> Value {
    object("openshift", options, "SecurityContextConstraints")
}

#[test]
fn the_constraints_have_only_fields_that_there_are_and_all_that_there_must_be() {
    let definition: Value = serde_json::from_str(FIELDS).unwrap();
    for options in [Options::default(), with(Extra::Bundles), with(Extra::Memlock)] {
        let constraints = constraints(&options);
        fits(&definition["fields"], &constraints, "").unwrap();
        for field in definition["required"].as_array().unwrap() {
            assert!(constraints.get(field.as_str().unwrap()).is_some(), "{field} is missing");
        }
    }
    let mut wrong = constraints(&Options::default());
    wrong["allowHostPid"] = json!(false);
    assert!(
        fits(&definition["fields"], &wrong, "")
            .unwrap_err()
            .contains("no such field")
    );
    let mut wrong = constraints(&Options::default());
    wrong["allowHostPID"] = json!("false");
    assert!(fits(&definition["fields"], &wrong, "").is_err());
}

/// As OpenShift's admission decides, rule by rule: what the pod asks for is admitted, and nothing of it could be left out.
#[test]
fn the_constraints_are_what_the_pod_needs_and_no_more() {
    for options in [
        Options::default(),
        with(Extra::Bundles),
        with(Extra::Memlock),
        Options {
            seccomp: Some(Seccomp::RuntimeDefault),
            ..Options::default()
        },
    ] {
        let constraints = constraints(&options);
        let pod = pod("openshift", &options);
        let (outer, inner) = (&pod["securityContext"], &pod["containers"][0]["securityContext"]);
        assert_eq!(constraints["allowedCapabilities"], inner["capabilities"]["add"]);
        assert_eq!(constraints["requiredDropCapabilities"], inner["capabilities"]["drop"]);
        assert_eq!(constraints["runAsUser"]["uid"], outer["runAsUser"]);
        let groups: Vec<Value> = outer["supplementalGroups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| json!({"min": group, "max": group}))
            .collect();
        assert_eq!(constraints["supplementalGroups"]["ranges"], json!(groups));
        // Level, role, type and user are compared one by one; an empty level would be the namespace's.
        assert_eq!(constraints["seLinuxContext"]["seLinuxOptions"], outer["seLinuxOptions"]);
        assert_eq!(outer["seLinuxOptions"]["level"], "s0");
        let mut seccomp = vec![json!("runtime/default")];
        if let Some(profile) = inner.get("seccompProfile") {
            seccomp.push(json!(format!(
                "localhost/{}",
                profile["localhostProfile"].as_str().unwrap()
            )));
        }
        assert_eq!(constraints["seccompProfiles"], json!(seccomp));
        let mut kinds: Vec<&str> = pod["volumes"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|volume| volume.as_object().unwrap().keys())
            .filter(|key| *key != "name")
            .map(String::as_str)
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(constraints["volumes"], json!(kinds));
        assert_eq!(constraints["readOnlyRootFilesystem"], inner["readOnlyRootFilesystem"]);
        assert_eq!(
            constraints["allowPrivilegeEscalation"],
            inner["allowPrivilegeEscalation"]
        );
        for (allowed, asked) in [
            ("allowHostPID", "hostPID"),
            ("allowHostIPC", "hostIPC"),
            ("allowHostNetwork", "hostNetwork"),
        ] {
            assert_eq!(constraints[allowed], pod[asked], "{allowed}");
        }
        assert_eq!(
            (&constraints["users"], &constraints["groups"]),
            (&json!([]), &json!([]))
        );
    }
}
