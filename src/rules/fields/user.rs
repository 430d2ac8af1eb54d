//! `user.*`: who the process is.

use super::Row;

/// The fields.
pub(super) static ROWS: &[Row] = &[];
