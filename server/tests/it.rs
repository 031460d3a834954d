#[path = "../src/secret/tests.rs"]
mod secret;
