//! The doctor's own bounds: read what this process was given, then let the kernel refuse everything that would write.

use crate::doctor::facts::{Gathered, ProcessFacts};
use crate::doctor::gather::process;
use crate::doctor::report::Confined;
use crate::privilege::seccomp;

/// Confines this process, for good, and reads before what that would change: no_new_privs and the filter show in the process's
/// own status. A kernel or a container that does not allow it is no reason not to examine: the report says so.
pub(super) fn confine() -> (Gathered<ProcessFacts>, Confined) {
    let process = process::own();
    let confined = match seccomp::confine() {
        Ok(()) => Confined {
            in_force: true,
            why: None,
        },
        Err(error) => Confined {
            in_force: false,
            why: Some(error.to_string()),
        },
    };
    (process, confined)
}
