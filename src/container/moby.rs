//! Docker's containers as containerd knows them: records without name and image, made for Docker's own use.
//!
//! Docker itself knows both, and containerd knows exactly where the container is: each has what the other lacks. So who
//! finds such a record first goes on asking, and is content with it only when Docker cannot be asked.

use super::outcome::Source;
use super::runtime::Found;

/// The namespace that Docker uses (its `--containerd-namespace`, by default).
const NAMESPACE: &str = "moby";

impl Found {
    /// Whether somebody else, Docker, knows more about this container.
    pub(crate) fn is_dockers_record(&self) -> bool {
        self.source == Source::Containerd && self.container.runtime_namespace.as_deref() == Some(NAMESPACE)
    }

    /// Takes the place over from a record of the same container, where Docker does not tell it. What events show does not
    /// depend on who was asked first.
    #[must_use]
    pub(crate) fn placed_as(mut self, record: Option<&Self>) -> Self {
        if let Some(record) = record.filter(|record| record.container.id == self.container.id)
            && self.source == Source::Docker
        {
            self.cgroups_path = self.cgroups_path.or_else(|| record.cgroups_path.clone());
        }
        self
    }
}
