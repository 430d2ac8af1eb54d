//! The embedded profiles: what each platform needs set differently from the built-in defaults.

/// A platform profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// The name, as `--profile` takes it.
    pub name: &'static str,
    /// One line for lists.
    pub summary: &'static str,
    /// Its settings, a layer over the built-in defaults: the text of `profiles/<name>/agent.toml`.
    pub settings: &'static str,
}

/// No profile has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown profile {name:?}; known profiles: {}, or auto to detect it", names().collect::<Vec<_>>().join(", "))]
pub struct UnknownProfile {
    /// The name that was asked for.
    pub name: String,
}

/// Every profile, in the order in which lists show them.
pub const PROFILES: [Profile; 4] = [
    Profile {
        name: "aks",
        summary: "Azure Kubernetes Service: Ubuntu or Azure Linux nodes with containerd",
        settings: include_str!("../../profiles/aks/agent.toml"),
    },
    Profile {
        name: "openshift",
        summary: "Red Hat OpenShift 4: RHEL CoreOS nodes with CRI-O and SELinux",
        settings: include_str!("../../profiles/openshift/agent.toml"),
    },
    Profile {
        name: "generic",
        summary: "any other Kubernetes",
        settings: include_str!("../../profiles/generic/agent.toml"),
    },
    Profile {
        name: "standalone",
        summary: "a host outside Kubernetes, with or without containers",
        settings: include_str!("../../profiles/standalone/agent.toml"),
    },
];

/// The names of every profile.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().map(|profile| profile.name)
}

/// The profile of this name.
///
/// # Errors
/// [`UnknownProfile`], listing the known ones.
pub fn get(name: &str) -> Result<&'static Profile, UnknownProfile> {
    PROFILES
        .iter()
        .find(|profile| profile.name == name)
        .ok_or_else(|| UnknownProfile { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_profile_lists_the_known_ones() {
        assert_eq!(
            get("eks").unwrap_err().to_string(),
            "unknown profile \"eks\"; known profiles: aks, openshift, generic, standalone, or auto to detect it"
        );
        assert_eq!(get("aks").unwrap().name, "aks");
    }
}
