//! The `agent` binary: hands the command line to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    pinhole::cli::main(std::env::args_os()).into()
}
