//! `container.*`: the container that it runs in.

use super::Row;

/// The fields.
pub(super) static ROWS: &[Row] = &[];
