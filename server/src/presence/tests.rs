//! Realtime connections, by real WebSockets.

#[path = "tests/channels.rs"]
mod channels;
#[path = "tests/client.rs"]
pub mod client;
#[path = "tests/ending.rs"]
mod ending;
#[path = "tests/flooding.rs"]
mod flooding;
#[path = "tests/hostile.rs"]
mod hostile;
#[path = "tests/instances.rs"]
mod instances;
#[path = "tests/opening.rs"]
mod opening;
#[path = "tests/places.rs"]
mod places;
#[path = "tests/replay.rs"]
mod replay;
#[path = "tests/tickets.rs"]
mod tickets;
