//! `fd.*`: the file or socket that a system call was about.

use super::Row;

/// The fields.
pub(super) static ROWS: &[Row] = &[];
