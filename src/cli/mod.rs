//! The command line: arguments in, exit code out. Everything else is the library's.

pub mod run;
