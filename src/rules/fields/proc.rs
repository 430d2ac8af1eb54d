//! `proc.*`: the process, its image and its ancestors.

use super::Row;

/// The fields.
pub(super) static ROWS: &[Row] = &[];
