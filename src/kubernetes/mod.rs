//! Kubernetes manifests as files: what they ask for, and what that comes to once the kubelet and the runtime have filled in
//! their defaults.
//!
//! It owns the bounded reading ([`read`]), the model ([`Workload`], [`PodSpec`], [`Container`] and the objects that grant them
//! something), and the rules by which a pod's and a container's security context become one ([`Security`]). It refuses to
//! ask an API server, to keep what may be secret (values of environment variables, data of Secrets and ConfigMaps), and to
//! judge: that is the work of [`crate::exposure`].

pub mod access;
pub mod capabilities;
mod node;
pub mod object;
pub mod pod;
pub mod quantity;
pub mod read;
pub mod security;

#[cfg(test)]
mod tests;

pub use access::{Binding, Role, Rule};
pub use object::{Objects, Source, Workload};
pub use pod::{Container, HostMount, PodSpec, Port};
pub use read::{Error, read};
pub use security::{Profile, Security};
