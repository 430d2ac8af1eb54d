//! Why there is no manifest.

use crate::platform::profile;

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such profile.
    #[error(transparent)]
    Profile(#[from] profile::Error),
    /// The profile is for hosts outside Kubernetes.
    #[error("profile {profile} is for hosts outside Kubernetes: nothing is to be applied there")]
    NotKubernetes {
        /// Its name.
        profile: String,
    },
    /// A value cannot be what it is given for.
    #[error("{option} {value:?}: must be {allowed}")]
    Value {
        /// The flag.
        option: &'static str,
        /// What was given.
        value: String,
        /// What would do.
        allowed: &'static str,
    },
    /// A template does not render: a defect of the agent, which its tests look for.
    #[error("cannot render the object {object}: {source}")]
    Template {
        /// The object's template.
        object: &'static str,
        /// What the engine says.
        source: minijinja::Error,
    },
    /// What was rendered is no YAML: likewise.
    #[error("what was rendered for {object} is no YAML: {source}")]
    Document {
        /// The object's template.
        object: &'static str,
        /// What the parser says.
        source: Box<serde_saphyr::Error>,
    },
}

impl Error {
    /// Whether whoever called can mend it.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Profile(error) => matches!(error, profile::Error::Unknown { .. }),
            Self::NotKubernetes { .. } | Self::Value { .. } => true,
            Self::Template { .. } | Self::Document { .. } => false,
        }
    }
}
