//! The catalogue: all fields of all families, and all types of events.

use std::sync::LazyLock;

use pinhole_rules::catalogue::Catalogue;
use pinhole_rules::field::Definition;

use super::fields::{self, Row};

/// Every field, in the order of its number.
pub(super) static ROWS: LazyLock<Vec<&'static Row>> =
    LazyLock::new(|| fields::FAMILIES.iter().copied().flatten().collect());

static DEFINITIONS: LazyLock<Vec<Definition>> = LazyLock::new(|| ROWS.iter().map(|row| row.definition).collect());

/// Every field.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().copied()
}

/// The fields and types of events that rules may name.
pub static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::new(&DEFINITIONS, fields::EVENTS));
