#[path = "../src/shared/tests.rs"]
mod shared;
