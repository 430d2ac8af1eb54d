//! Files to facts.

use std::path::PathBuf;

use serde_json::Value;

use super::super::facts::manifests::{AgentPod, Manifests, Object};
use super::error::Error;
use super::settings::CommandLine;
use super::{agent, seccomp, settings};
use crate::kubernetes::{Source, read};
use crate::platform::profile::{self, Profile};

/// What the profile's choice is called where nobody made one.
const NOBODY: &str = "no flag and no setting names one";

/// What is handed in.
pub struct Input<'a> {
    /// The files, by the names that messages are to have for them.
    pub files: &'a [(PathBuf, Vec<u8>)],
    /// The profile whose platform they are for; without it the one that the manifests declare, else `generic`.
    pub profile: Option<&'a str>,
    /// The agent's own reader of command lines.
    pub command_line: &'a CommandLine<'a>,
}

/// Turns files into facts. Reads nothing but what is handed in.
///
/// # Errors
/// The first mistake, see [`Error`]: of a file that is wrong somewhere nothing is judged.
pub fn gather(input: &Input<'_>) -> Result<Manifests, Error> {
    let chosen = input.profile.map(of_kubernetes).transpose()?;
    let (mut values, mut profiles) = (Vec::new(), Vec::new());
    for (file, bytes) in input.files {
        match seccomp::read(file, bytes) {
            Some(profile) => profiles.push(profile?),
            None => values.extend(read::values(file, bytes)?),
        }
    }
    let objects = read::sort(&values)?;
    let mut agents = agent::find(&objects, &values).into_iter();
    let first = agents.next();
    let declared = settings::Written::of(first.as_ref(), &values, input.command_line);
    let (profile, profile_source) = match (chosen, declared.profile()) {
        (Some(profile), _) => (profile, "flag --profile".to_owned()),
        (None, Some((name, origin))) => match of_kubernetes(&name) {
            Ok(profile) => (profile, origin),
            Err(_) => (of_kubernetes("generic")?, NOBODY.to_owned()),
        },
        (None, None) => (of_kubernetes("generic")?, NOBODY.to_owned()),
    };
    Ok(Manifests {
        settings: declared.on(profile),
        profile: profile.clone(),
        profile_source,
        files: input.files.iter().map(|(file, _)| file.clone()).collect(),
        more_agents: agents
            .map(|agent| format!("{} {}", agent.object.kind, agent.object.name))
            .collect(),
        agent: first.map(AgentPod::redacted),
        namespaces: all(&values, "Namespace"),
        constraints: all(&values, "SecurityContextConstraints"),
        objects,
        seccomp: profiles,
    })
}

fn of_kubernetes(name: &str) -> Result<&'static Profile, Error> {
    let profile = profile::get(name)?;
    match profile.platform.kubernetes {
        Some(_) => Ok(profile),
        None => Err(Error::NotKubernetes { name: name.to_owned() }),
    }
}

/// The objects of a kind. Their annotations are left out: kubectl keeps a copy of everything there.
fn all(values: &[(Source, Value)], kind: &str) -> Vec<Object> {
    values
        .iter()
        .filter(|(_, value)| value["kind"] == kind)
        .map(|(source, value)| {
            let mut value = value.clone();
            if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("annotations");
            }
            Object {
                kind: kind.to_owned(),
                name: value["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
                value,
                source: source.clone(),
            }
        })
        .collect()
}
