//! Names of users and groups: those of the host, as far as its account files can be read.

/// Names by number.
#[derive(Debug, Default)]
pub struct Accounts {}
