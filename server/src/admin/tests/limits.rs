//! Nobody becomes more than they are, and somebody can always administer.

use http::Method;
use serde_json::json;

use super::{ADA, USERS, admin, of, with_scopes};
use crate::support::{Instance, Store, both_stores};

async fn nobody_makes_themselves_more(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let support = with_scopes(&instance, &root, "support@example.com", "support", &["users:read", "users:write"]).await;
    for body in [json!({"roles": ["admin"]}), json!({"status": "active"}), json!({"emailVerified": true}), json!({"version": 9})] {
        ada.api.patch("/api/v1/account", body.clone()).await.expect_problem(400, "invalid_request");
        support.api.patch(&of(&support, ""), body).await.expect_problem(400, "invalid_request");
    }
    ada.api.put(&of(&ada, "/roles"), json!({"roles": ["admin"]})).await.expect_problem(403, "insufficient_scope");
    for role in ["admin", "auditor"] {
        support.api.put(&of(&support, "/roles"), json!({"roles": [role]})).await.expect_problem(403, "forbidden");
        support.api.put(&of(&ada, "/roles"), json!({"roles": ["user", role]})).await.expect_problem(403, "forbidden");
    }
    support.api.put(&of(&ada, "/roles"), json!({"roles": ["support"]})).await.expect(200);
    let unknown = support.api.put(&of(&ada, "/roles"), json!({"roles": ["nobody"]})).await;
    assert_eq!(unknown.expect_problem(422, "validation_failed").field_errors(), ["roles:unknown_role"]);
}

/// Whoever may change accounts does not thereby rule over those who may do more.
async fn nobody_acts_on_those_who_may_do_more(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let support = with_scopes(&instance, &root, "support@example.com", "support", &["users:read", "users:write"]).await;
    let because = json!({"reason": "I can"});
    for act in ["/suspend", "/unlock", "/activate", "/restore", "/revoke-sessions", "/panic", "/erase"] {
        support.api.post(&of(&root, act), because.clone()).await.expect_problem(403, "forbidden");
    }
    support.api.delete(&of(&root, "")).await.expect_problem(403, "forbidden");
    support.api.patch(&of(&root, ""), json!({"name": "Fool"})).await.expect_problem(403, "forbidden");
    support.api.put(&of(&root, "/roles"), json!({"roles": ["user"]})).await.expect_problem(403, "forbidden");
    root.api.get("/api/v1/auth/me").await.expect(200);
}

async fn an_auditor_looks_and_touches_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let (_root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let auditor = instance.signed_up("auditor@example.com").await;
    instance.set_roles(&auditor, "auditor").await;
    for path in [USERS.to_owned(), of(&ada, ""), of(&ada, "/sessions")] {
        auditor.api.get(&path).await.expect(200);
        ada.api.get(&path).await.expect_problem(403, "insufficient_scope");
    }
    for act in ["/suspend", "/unlock", "/activate", "/restore", "/revoke-sessions", "/panic", "/erase"] {
        auditor.api.post(&of(&ada, act), json!({"reason": "x"})).await.expect_problem(403, "insufficient_scope");
    }
}

async fn the_last_administrator_stays(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let refused = async || {
        root.api.put(&of(&root, "/roles"), json!({"roles": ["user"]})).await.expect_problem(409, "conflict");
        root.api.delete(&of(&root, "")).await.expect_problem(409, "conflict");
        for act in ["/suspend", "/panic", "/erase"] {
            root.api.post(&of(&root, act), json!({"reason": "x"})).await.expect_problem(409, "conflict");
        }
    };
    refused().await;
    root.api.put(&of(&ada, "/roles"), json!({"roles": ["user", "admin"]})).await.expect(200);
    root.api.send(Method::POST, &of(&ada, "/suspend"), None).await.expect(200);
    // One who cannot sign in does not count.
    refused().await;
    root.api.send(Method::POST, &of(&ada, "/activate"), None).await.expect(200);
    root.api.put(&of(&root, "/roles"), json!({"roles": ["user"]})).await.expect(200);
    root.api.get(USERS).await.expect_problem(403, "insufficient_scope");
}

/// Two administrators who take the role from each other at the same moment: one of them stays.
async fn two_cannot_take_it_from_each_other(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    for _ in 0..5 {
        instance.set_roles(&root, "admin").await;
        instance.set_roles(&ada, "admin").await;
        let user = json!({"roles": ["user"]});
        let (roots, adas) = (of(&ada, "/roles"), of(&root, "/roles"));
        let (one, two) = tokio::join!(root.api.put(&roots, user.clone()), ada.api.put(&adas, user));
        let left = instance.count("SELECT count(*) FROM users WHERE roles = 'admin' AND status = 'active'", vec![]).await;
        assert_eq!(left, 1, "{} and {}", one.status, two.status);
    }
}

both_stores!(
    an_auditor_looks_and_touches_nothing,
    nobody_acts_on_those_who_may_do_more,
    nobody_makes_themselves_more,
    the_last_administrator_stays,
    two_cannot_take_it_from_each_other,
);
