//! Configuration: one set of [`Settings`], merged from defaults, profile, file, environment and flags.
//!
//! [`settings`] declares them, [`keys`] is the one table from which flags, variables, help and error texts come,
//! [`mod@load`] merges, [`validate`] holds the limits, [`endpoint`] reads how sockets are written, [`mod@effective`] tells what is in force. Every value has an origin that can be told.

pub mod effective;
pub mod endpoint;
pub mod keys;
pub mod load;
pub mod settings;
pub mod share;
pub mod validate;

pub use effective::{Effective, effective};
pub use load::{Error, Loaded, Overrides, ProfileChoice, Sources, load, load_text};
pub use settings::Settings;
pub use share::Share;
