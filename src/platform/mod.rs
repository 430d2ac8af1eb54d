//! Where the agent runs: facts about the host, the profile that fits them, and the profiles themselves.
//!
//! [`facts`] reads, [`detect`] judges, [`profile`] holds what is embedded from `profiles/`. Nothing here changes a
//! setting; [`crate::config`] does that with what a profile says.

pub mod detect;
pub mod facts;
pub mod model;
pub mod profile;

pub use detect::{Detection, detect};
pub use facts::Facts;
