use std::collections::HashSet;

use crate::support::{Instance, PASSWORD, Store, both_stores};
use serde_json::{Value, json};

fn ids(page: &Value) -> Vec<String> {
    page["items"].as_array().into_iter().flatten().map(|item| item["id"].as_str().unwrap_or_default().to_owned()).collect()
}

/// T5: device, address, user agent, when, and which one asks; newest first.
async fn the_list_shows_where_one_is_signed_in(store: Store) {
    let instance = Instance::builder(store).set("TRUSTED_PROXIES", "127.0.0.1/32").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let agents = [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "203.0.113.7", "Firefox on Linux"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604.1",
            "2001:db8::7",
            "Safari on iPhone",
        ),
        ("curl/8.14.1", "203.0.113.9", "curl"),
        ("keystead-cli/1.0", "203.0.113.10", "keystead-cli"),
    ];
    let mut opened = vec![ada.session_id().to_owned()];
    for (agent, address, _) in agents {
        instance.advance(std::time::Duration::from_millis(5));
        let device = instance.with("user-agent", agent).at_address(address);
        let answer = device.post("/api/v1/auth/login", json!({"email": "ada@example.com", "password": PASSWORD})).await.expect(200);
        opened.insert(0, answer.str("/session/id").to_owned());
    }
    let list = ada.api.get("/api/v1/sessions").await.expect(200);
    assert_eq!(ids(&list.body), opened, "newest first");
    assert_eq!(list.body["nextCursor"], Value::Null);
    for (item, (agent, address, device)) in list.body["items"].as_array().unwrap().iter().zip(agents.iter().rev()) {
        assert_eq!((&item["userAgent"], &item["ip"], &item["device"]), (&json!(agent), &json!(address), &json!(device)));
        assert_eq!(item["current"], false);
        assert_eq!(item["createdAt"], item["lastActiveAt"]);
    }
    let own = &list.body["items"][4];
    assert_eq!((&own["current"], &own["id"], &own["expiresAt"]), (&json!(true), &ada.session["id"], &ada.session["expiresAt"]));
}

/// What has ended, by itself or not, is not shown.
async fn ended_and_expired_sessions_are_not_listed(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_SESSIONS__IDLE_TTL", "1h").start().await;
    let idle = instance.signed_up("ada@example.com").await;
    instance.advance(std::time::Duration::from_secs(3000));
    let out = instance.signed_in("ada@example.com").await;
    out.api.send(http::Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    let current = instance.signed_in("ada@example.com").await;
    let listed = ids(&current.api.get("/api/v1/sessions").await.expect(200).body);
    assert_eq!(listed, [current.session_id(), idle.session_id()]);
    instance.advance(std::time::Duration::from_secs(601));
    let listed = ids(&current.api.get("/api/v1/sessions").await.expect(200).body);
    assert_eq!(listed, [current.session_id()]);
}

/// While sessions start and end, a walk through the pages shows each that was there all the time exactly once.
async fn pages_have_no_gap_and_no_duplicate(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let mut there = vec![ada.session_id().to_owned()];
    for _ in 0..11 {
        there.push(instance.signed_in("ada@example.com").await.session_id().to_owned());
    }
    let ended = there.remove(5);
    let (mut seen, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let query = cursor.as_ref().map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
        let page = ada.api.get(&format!("/api/v1/sessions?limit=3{query}")).await.expect(200);
        let shown = ids(&page.body);
        assert!(shown.len() <= 3);
        seen.extend(shown);
        pages += 1;
        instance.signed_in("ada@example.com").await;
        if pages == 1 {
            ada.api.delete(&format!("/api/v1/sessions/{ended}")).await.expect(204);
        }
        match page.body["nextCursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    let distinct: HashSet<_> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len(), "a duplicate in {seen:?}");
    for id in &there {
        assert!(seen.contains(id), "a gap: {id} is missing in {seen:?}");
    }
    let mut sorted = seen.clone();
    sorted.sort_by(|a, b| b.cmp(a));
    assert_eq!(seen, sorted, "newest first throughout");
}

async fn a_page_is_asked_for_properly(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    instance.signed_in("ada@example.com").await;
    for limit in ["0", "201", "-1", "1.5", "abc", "", "99999999999999999999", "%00", "1&limit=2"] {
        ada.api.get(&format!("/api/v1/sessions?limit={limit}")).await.expect_problem(400, "invalid_request");
    }
    for limit in ["1", "200"] {
        ada.api.get(&format!("/api/v1/sessions?limit={limit}")).await.expect(200);
    }
    let cursor = ada.api.get("/api/v1/sessions?limit=1").await.expect(200).str("/nextCursor").to_owned();
    ada.api.get(&format!("/api/v1/sessions?limit=1&cursor={cursor}")).await.expect(200);
    let made_up =
        ["x", "", "AAAA", &cursor[1..], &format!("{cursor}A"), &cursor.to_lowercase(), &format!("A{}", &cursor[1..])].map(str::to_owned);
    for cursor in made_up {
        ada.api.get(&format!("/api/v1/sessions?cursor={cursor}")).await.expect_problem(400, "invalid_request");
    }
    // A cursor belongs to its list.
    ada.api.get(&format!("/api/v1/account/consents?cursor={cursor}")).await.expect_problem(400, "invalid_request");
    let refused = ada.api.get("/api/v1/sessions?page=2").await.expect_problem(400, "invalid_request");
    assert_eq!(refused.field_errors(), ["page:unknown"]);
}

both_stores!(
    the_list_shows_where_one_is_signed_in,
    ended_and_expired_sessions_are_not_listed,
    pages_have_no_gap_and_no_duplicate,
    a_page_is_asked_for_properly,
);
