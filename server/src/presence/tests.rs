//! Realtime connections, by real WebSockets.

#[path = "tests/channels.rs"]
mod channels;
#[path = "tests/client.rs"]
pub mod client;
#[path = "tests/ending.rs"]
mod ending;
#[path = "tests/hostile.rs"]
mod hostile;
#[path = "tests/instances.rs"]
mod instances;
#[path = "tests/opening.rs"]
mod opening;
