//! Templates to text.

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::{Value, json};

use super::document::parse;
use super::needs::Needs;
use super::scalar::scalar;
use super::{Error, Options};

/// An object's template and when it is wanted.
struct Object {
    name: &'static str,
    template: &'static str,
    wanted: fn(&Needs<'_>) -> bool,
}

macro_rules! object {
    ($name:literal, $wanted:expr) => {
        Object {
            name: $name,
            template: include_str!(concat!("../../profiles/objects/", $name, ".yaml")),
            wanted: $wanted,
        }
    };
}

/// In the order in which they have to be applied.
const OBJECTS: [Object; 9] = [
    object!("namespace", |_| true),
    object!("serviceaccount", |_| true),
    object!("resourcequota", |needs| needs.quota),
    object!("scc", |needs| needs.scc),
    object!("role", |needs| needs.scc),
    object!("rolebinding", |needs| needs.scc),
    object!("networkpolicy", |_| true),
    object!("configmap", |_| true),
    object!("daemonset", |_| true),
];

/// The objects for clusters of this profile, as commented YAML, one document each.
///
/// # Errors
/// [`Error`]: an unknown profile, one that is not for Kubernetes, or a value that cannot be what it is given for.
pub fn render(profile: &str, options: &Options) -> Result<String, Error> {
    let documents = documents(profile, options)?;
    let mut text = format!(
        "# Pinhole {}, profile {profile}: made by `agent manifest`.\n",
        env!("CARGO_PKG_VERSION")
    );
    for (_, document) in documents {
        text += "---\n";
        text += &document;
    }
    Ok(text)
}

/// The same as one object of kind List, for programs.
///
/// # Errors
/// As [`render`].
pub fn as_list(profile: &str, options: &Options) -> Result<Value, Error> {
    let items = documents(profile, options)?
        .iter()
        .map(|(object, document)| parse(object, document))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(json!({"apiVersion": "v1", "kind": "List", "items": items}))
}

fn documents(profile: &str, options: &Options) -> Result<Vec<(&'static str, String)>, Error> {
    let needs = Needs::of(profile, options)?;
    let environment = environment().map_err(|source| Error::Template {
        object: "every object",
        source,
    })?;
    OBJECTS
        .iter()
        .filter(|object| (object.wanted)(&needs))
        .map(|object| {
            let text = environment
                .render_named_str(object.name, object.template, minijinja::value::Serde(&needs))
                .map_err(|source| Error::Template {
                    object: object.name,
                    source,
                })?;
            Ok((object.name, text))
        })
        .collect()
}

/// Names that are not there are errors, nothing is escaped by itself, and lines of tags leave no lines behind.
fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()?,
    );
    environment.add_filter("scalar", |text: &str| scalar(text));
    Ok(environment)
}
