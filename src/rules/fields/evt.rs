//! `evt.*`: the event itself, its result and its arguments.

use super::Row;

/// The fields.
pub(super) static ROWS: &[Row] = &[];
