//! Where the agent runs: facts about the host, the profile that fits them, and the profiles themselves.
//!
//! [`facts`] reads, [`detect`] judges by the rules of the profiles, [`profile`] holds what is embedded from `profiles/`, and
//! [`model`] says what may stand there. Nothing here changes a setting; [`crate::config`] does that with what a profile says.

pub mod detect;
mod evidence;
pub mod facts;
pub mod model;
pub mod profile;

pub use detect::{Confidence, Detection, detect};
pub use facts::Facts;
