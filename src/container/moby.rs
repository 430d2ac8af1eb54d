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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::outcome::Container;

    fn found(source: Source, namespace: Option<&str>, path: Option<&str>) -> Found {
        Found {
            container: Container {
                id: "id".to_owned(),
                runtime_namespace: namespace.map(str::to_owned),
                ..Container::default()
            },
            kubernetes: None,
            cgroups_path: path.map(str::to_owned),
            gap: None,
            source,
        }
    }

    #[test]
    fn dockers_answer_takes_the_place_and_nothing_else() {
        let record = found(Source::Containerd, Some(NAMESPACE), Some("/docker/id"));
        assert!(record.is_dockers_record());
        assert!(!found(Source::Containerd, Some("default"), None).is_dockers_record());
        let docker = found(Source::Docker, None, None);
        assert!(!docker.is_dockers_record());
        let placed = docker.clone().placed_as(Some(&record));
        assert_eq!(placed, found(Source::Docker, None, Some("/docker/id")));
        assert_eq!(docker.clone().placed_as(None), docker);
        let told = found(Source::Docker, None, Some("/mine"));
        assert_eq!(told.clone().placed_as(Some(&record)), told);
        let other = found(Source::Podman, None, None);
        assert_eq!(other.clone().placed_as(Some(&record)), other);
    }
}
