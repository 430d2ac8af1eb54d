//! `k8s.*`: the pod.

use super::Row;

/// The fields.
pub(super) static ROWS: &[Row] = &[];
