//! The program: hands the command line to [`keystead::cli`] and its answer to the system.

use std::process::ExitCode;

/// Measured against the system's allocator: less memory held after bursts of password hashing, fewer cycles per request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    keystead::cli::run(std::env::args_os())
}
