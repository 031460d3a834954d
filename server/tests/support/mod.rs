//! The harness of the integration tests: a whole Keystead in the test's process, spoken to over HTTP.
//!
//! - [`Instance`] (`server.rs`) starts the server on a free port, with a database of its own (`store.rs`)
//!   and a movable clock; several may share one database, as in a cluster.
//! - [`Client`] (`client.rs`) sends requests. Every answer it gets is held against the generated
//!   OpenAPI document (`contract.rs`), so each test is a contract test too.
//! - [`Events`] (`events.rs`) reads a stream of server-sent events.
//! - `mailbox.rs` waits for mail and takes codes and links out of it; `people.rs` signs people up.
//! - `tables.rs` looks behind the answers: rows, audit trail, metrics.
//! - [`Process`] (`process.rs`) runs the real binary, to be killed and started again.
//! - [`Proxy`] (`proxy.rs`) is a line to a store that can be cut and mended.
//!
//! A test is an `async fn name(store: Store)`; [`both_stores!`] at the foot of the file runs it on SQLite
//! and on PostgreSQL + Redis. One that is not listed there is dead code, which the lints refuse.

#![allow(dead_code, reason = "a toolbox: what no test needs at the moment stays at hand")]

mod client;
mod contract;
mod events;
mod mailbox;
mod people;
mod process;
mod proxy;
mod server;
mod store;
mod tables;

#[expect(unused_imports, reason = "the whole toolbox in one place, used or not")]
pub use self::{
    client::{Answer, Client},
    events::{Events, Sent},
    mailbox::Mail,
    people::{PASSWORD, SignedIn},
    process::Process,
    proxy::Proxy,
    server::{Builder, Instance},
    store::{Ground, Store, database},
    tables::Event,
};

/// Runs each `async fn(Store)` on both makes of the store: `both_stores!(rotates, ends_on_replay);`
/// gives the tests `sqlite::rotates`, `postgres::rotates` and so on.
macro_rules! both_stores {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::support::Store::Sqlite).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::support::Store::Postgres).await;
            })+
        }
    };
}
pub(crate) use both_stores;

/// Asks `look` every few milliseconds until it answers, at most five seconds; then fails naming `what`.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited five seconds in vain for {what}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
