//! A WebSocket library of another language, and the parser of the AsyncAPI Initiative.

use serde_json::json;

use super::{reachable, run};
use crate::support::{Store, both_stores};

async fn the_websockets_library_of_python(store: Store) {
    let instance = reachable(store).set("KEYSTEAD_PRESENCE__MESSAGES_PER_SECOND", 1000).start().await;
    let (ada, bob) = (instance.signed_up("ada@example.com").await, instance.signed_up("bob@example.com").await);
    let issuer = instance.running.app.ground.settings.public_url().to_owned();
    let given = json!({"issuer": issuer, "origin": issuer, "ada": ada.access_token, "bob": bob.access_token});
    run("realtime.py", given).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_parser_of_asyncapi() {
    let instance = reachable(Store::Sqlite).start().await;
    run("asyncapi.mjs", json!({"issuer": instance.running.app.ground.settings.public_url()})).await;
}

both_stores!(the_websockets_library_of_python);
