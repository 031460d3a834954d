//! What the public listener and the operations listener say about the health of the instance.

use serde_json::json;

use crate::support::{Instance, Store, both_stores};

async fn the_public_learns_the_status_and_operators_the_detail(store: Store) {
    let instance = Instance::start(store).await;
    let ops = instance.ops();
    for path in ["/health/live", "/health/ready", "/health"] {
        assert_eq!(instance.get(path).await.expect(200).body, json!({"status": "up"}), "{path}");
    }
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(ops.get(path).await.expect(200).body, json!({"status": "up"}), "{path}");
    }
    let detail = ops.get("/health").await.expect(200);
    assert_eq!((detail.str("/status"), detail.str("/version")), ("up", env!("CARGO_PKG_VERSION")));
    let engine = if store == Store::Sqlite { "sqlite" } else { "postgresql" };
    assert_eq!(detail.str("/checks/database/detail"), engine);
    for check in ["database", "cache", "queue", "mail"] {
        assert_eq!(detail.str(&format!("/checks/{check}/status")), "up", "{check}");
    }
}

async fn each_listener_has_its_own_routes(store: Store) {
    let instance = Instance::start(store).await;
    let ops = instance.ops();
    instance.get("/metrics").await.expect_problem(404, "not_found");
    for path in ["/api/v1/auth/me", "/api/openapi.json", "/dev/mailbox.json", "/", "/.well-known/jwks.json"] {
        ops.get(path).await.expect_problem(404, "not_found");
    }
    let refused = ops.post("/metrics", json!({})).await.expect(405);
    assert!(refused.header("allow").is_some_and(|allowed| allowed.contains("GET")), "{refused}");
    assert!(!ops.get("/metrics").await.expect(200).text.contains("route=\"/metrics\""), "scrapes are not counted among the requests");
}

both_stores!(the_public_learns_the_status_and_operators_the_detail, each_listener_has_its_own_routes);
