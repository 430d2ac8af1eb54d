//! `thread.*`: the thread and its capabilities.

use super::Row;

/// The fields.
pub(super) static ROWS: &[Row] = &[];
