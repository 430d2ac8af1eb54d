//! Kubernetes objects: what has to be applied to a cluster so that the agent runs on its nodes.
//!
//! The objects are templates below `profiles/objects/`, because their comments are half of what they say; what differs
//! between platforms comes from a [`crate::platform`] profile, what users choose from [`Options`]. It owns the rendering
//! and the limits of every value that goes into a template. It refuses to talk to a cluster, to apply anything, and to
//! render a grant that nobody asked for: options that cost privilege are off.

mod document;
mod error;
mod needs;
mod options;
mod render;
mod scalar;

pub use error::Error;
pub use options::{Apparmor, Extra, HEALTH_PORT, IMAGE, Options, Seccomp, Tolerate};
pub use render::{as_list, render};

#[cfg(test)]
mod tests;
