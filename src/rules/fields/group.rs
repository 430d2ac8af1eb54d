//! `group.*`: the group of the process.

use super::Row;

/// The fields.
pub(super) static ROWS: &[Row] = &[];
