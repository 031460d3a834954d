//! People are found although what they are found by stands sealed.

use serde_json::json;

use super::{ADA, USERS, admin, of};
use crate::support::{Answer, Instance, Store, both_stores};

fn emails(answer: &Answer) -> Vec<&str> {
    answer.body["items"].as_array().unwrap().iter().map(|item| item["email"].as_str().unwrap()).collect()
}

async fn people_are_found_by_address_name_and_state(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let grace = instance.signed_up("grace@example.com").await;
    root.api.patch(&of(&grace, ""), json!({"name": "Grace Höpper"})).await.expect(200);
    let search = async |query: &str| root.api.get(&format!("{USERS}?{query}")).await.expect(200);
    assert_eq!(emails(&search("").await), ["grace@example.com", ADA, "root@example.com"]);
    assert_eq!(emails(&search("query=ADA%40Example.com").await), [ADA]);
    assert_eq!(emails(&search("query=h%C3%B6pp").await), ["grace@example.com"]);
    assert_eq!(emails(&search("query=nobody").await), Vec::<&str>::new());
    root.api.delete(&of(&ada, "")).await.expect(204);
    assert_eq!(emails(&search("").await), ["grace@example.com", "root@example.com"]);
    assert_eq!(emails(&search("includeDeleted=true").await), ["grace@example.com", ADA, "root@example.com"]);
    assert_eq!(emails(&search("status=deleted").await), [ADA]);
    assert_eq!(emails(&search("query=ada%40example.com").await), Vec::<&str>::new());
    assert_eq!(emails(&search("query=ada%40example.com&includeDeleted=true").await), [ADA]);
}

async fn pages_go_on_where_they_stopped(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    for number in 0..4 {
        instance.registered(&format!("person-{number}@example.com")).await;
    }
    for filter in ["", "&query=lovelace"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = root.api.get(&format!("{USERS}?limit=2{filter}{cursor}")).await.expect(200);
            seen.extend(emails(&page).into_iter().map(str::to_owned));
            match page.body["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let expected = ["person-3", "person-2", "person-1", "person-0", "root"].map(|name| format!("{name}@example.com"));
        assert_eq!(seen, expected, "{filter}");
    }
}

/// Nothing that is typed reaches the database as anything but a value.
async fn filters_and_cursors_are_values(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let other = root.api.get("/api/v1/admin/audit?limit=1").await.expect(200);
    let foreign = format!("cursor={}", other.str("/nextCursor"));
    for wrong in [
        "status=x' OR '1'='1",
        "status=",
        "cursor=x",
        "limit=0",
        "limit=201",
        "query=%00",
        "includeDeleted=perhaps",
        "sort=email",
        &foreign,
    ] {
        let answer = root.api.get(&format!("{USERS}?{}", wrong.replace(' ', "%20"))).await;
        answer.expect_problem(400, "invalid_request");
    }
    let long = "x".repeat(321);
    root.api.get(&format!("{USERS}?query={long}")).await.expect_problem(400, "invalid_request");
    for odd in ["%25", "_", "'%20OR%201=1--", "%22%3B%20DROP%20TABLE%20users", "%F0%9F%A6%92"] {
        let answer = root.api.get(&format!("{USERS}?query={odd}")).await.expect(200);
        assert_eq!(answer.body["items"], json!([]), "{odd}");
    }
}

both_stores!(filters_and_cursors_are_values, pages_go_on_where_they_stopped, people_are_found_by_address_name_and_state);
