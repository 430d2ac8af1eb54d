//! Container identity: from a cgroup path to the container, its image and its pod, or the reason why not.

pub mod outcome;

pub use outcome::{Container, Image, Kubernetes, Metadata, Outcome, Pod, Qos, Reason, Source, Status};
