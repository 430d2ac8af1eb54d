//! `fs.path.*`: the paths that a system call named.

use super::Row;

/// The fields.
pub(super) static ROWS: &[Row] = &[];
