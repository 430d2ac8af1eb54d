//! The embedded profiles: what each platform needs set differently from the built-in defaults, and what is known of it.

use std::sync::LazyLock;

use super::model::Platform;

/// A platform profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The name, as `--profile` takes it.
    pub name: &'static str,
    /// One line for lists.
    pub summary: String,
    /// Its settings, a layer over the built-in defaults: the text of `profiles/<name>/agent.toml`.
    pub settings: &'static str,
    /// What is known of the platform: `profiles/<name>/platform.toml`.
    pub platform: Platform,
}

/// Why there is no such profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No profile has this name.
    #[error("unknown profile {name:?}; known profiles: {}, or auto to detect it", names().collect::<Vec<_>>().join(", "))]
    Unknown {
        /// The name that was asked for.
        name: String,
    },
    /// What is embedded cannot be used. The build script has read it with the same code, so only a defect of the agent can
    /// cause it.
    #[error("the embedded profile {name} cannot be used: {problem}")]
    Unusable {
        /// The profile.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// Name, settings and platform as they are embedded.
struct Source {
    name: &'static str,
    settings: &'static str,
    platform: &'static str,
}

macro_rules! sources {
    ($($name:literal),*) => {
        [$(Source {
            name: $name,
            settings: include_str!(concat!("../../profiles/", $name, "/agent.toml")),
            platform: include_str!(concat!("../../profiles/", $name, "/platform.toml")),
        }),*]
    };
}

/// Every profile, in the order in which lists show them.
const SOURCES: [Source; 7] = sources!["aks", "openshift", "eks", "gke", "k3s", "generic", "standalone"];

static PROFILES: LazyLock<Result<Vec<Profile>, Error>> = LazyLock::new(|| SOURCES.iter().map(parse).collect());

fn parse(source: &Source) -> Result<Profile, Error> {
    let platform = Platform::parse(source.platform).map_err(|problem| Error::Unusable {
        name: source.name,
        problem,
    })?;
    Ok(Profile {
        name: source.name,
        summary: platform.summary.clone(),
        settings: source.settings,
        platform,
    })
}

/// The names of every profile.
pub fn names() -> impl Iterator<Item = &'static str> {
    SOURCES.iter().map(|source| source.name)
}

/// Every profile, in the order in which lists show them.
///
/// # Errors
/// [`Error::Unusable`].
pub fn all() -> Result<&'static [Profile], Error> {
    PROFILES.as_deref().map_err(Error::clone)
}

/// The profile of this name.
///
/// # Errors
/// [`Error::Unknown`], listing the known ones; [`Error::Unusable`].
pub fn get(name: &str) -> Result<&'static Profile, Error> {
    all()?
        .iter()
        .find(|profile| profile.name == name)
        .ok_or_else(|| Error::Unknown { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_profile_lists_the_known_ones() {
        assert_eq!(
            get("rke").unwrap_err().to_string(),
            "unknown profile \"rke\"; known profiles: aks, openshift, eks, gke, k3s, generic, standalone, or auto to detect it"
        );
    }

    #[test]
    fn every_embedded_profile_loads() {
        let profiles = all().unwrap();
        assert_eq!(profiles.len(), SOURCES.len());
        for profile in profiles {
            assert_eq!(get(profile.name).unwrap(), profile);
        }
    }
}
