//! What manifests say before they are applied: the facts of the offline examination.

use crate::kubernetes::Objects;

/// The objects that were handed in, and what they are judged against.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifests {
    /// The name of the profile whose platform they are for.
    pub profile: String,
    /// What the files hold.
    pub objects: Objects,
}
