//! Configuration: one set of [`Settings`], merged from defaults, profile, file, environment and flags.

pub mod settings;

pub use settings::Settings;
