//! The program as a whole: how it starts, stops and falls, what it says about itself, and what it promises
//! across all slices.

#[path = "tests/crash.rs"]
mod crash;
#[path = "tests/limits.rs"]
mod limits;
#[path = "tests/listeners.rs"]
mod listeners;
#[path = "tests/logs.rs"]
mod logs;
#[path = "tests/metrics.rs"]
mod metrics;
#[path = "tests/starting.rs"]
mod starting;
#[path = "tests/statements.rs"]
mod statements;
#[path = "tests/stopping.rs"]
mod stopping;
#[path = "tests/story.rs"]
mod story;
