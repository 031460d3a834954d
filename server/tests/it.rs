//! All tests of the crate, in one binary outside of it.

#[path = "../src/cli/tests.rs"]
mod cli;
#[path = "../src/config/tests.rs"]
mod config;
#[path = "../src/http/tests.rs"]
mod http_floor;
#[path = "../src/shared/tests.rs"]
mod shared;
#[path = "../src/telemetry/tests.rs"]
mod telemetry;
