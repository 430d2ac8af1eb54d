//! What is given to a system call: the word that goes into a register, and what it means.

use serde_json::Value;

/// One argument.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Given {
    /// As it is passed.
    pub(super) raw: u64,
    /// As it must be told, where the program states that.
    pub(super) told: Option<Value>,
}

/// A number, told as such.
pub(super) fn number(number: i64) -> Given {
    Given {
        raw: number.cast_unsigned(),
        told: Some(number.into()),
    }
}

/// A number that is told by a name.
pub(super) fn named(number: impl Into<i64>, name: &str) -> Given {
    Given {
        raw: number.into().cast_unsigned(),
        told: Some(name.into()),
    }
}

/// What is not told, or only as strace tells it.
pub(super) fn raw(raw: u64) -> Given {
    Given { raw, told: None }
}

/// No directory: the working directory.
pub(super) fn here() -> Given {
    named(libc::AT_FDCWD, "AT_FDCWD")
}

/// A pointer to nothing.
pub(super) fn null() -> Given {
    raw(0)
}

/// An address that is in no process.
pub(super) fn nowhere() -> Given {
    raw(8)
}
