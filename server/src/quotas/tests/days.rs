//! Midnight, days on which the clocks change, longer and shorter periods, and the history for charts.

use std::time::Duration;

use serde_json::{Value, json};

use super::{at, consume, reserve, state, with_quota};
use crate::support::{Client, Instance, Store, both_stores};

const HISTORY: &str = "/api/v1/quotas/tokens/history";

fn in_berlin(store: Store, quota: &str, now: &str) -> crate::support::Builder {
    with_quota(store, quota).set("KEYSTEAD_USAGE__TIME_ZONE", "Europe/Berlin").clock(at(now))
}

/// When the quota `tokens` resets.
async fn resets_at(api: &Client) -> String {
    api.get("/api/v1/quotas").await.expect(200).str("/items/0/resetsAt").to_owned()
}

async fn hours(instance: &Instance, count: u64) -> Client {
    instance.advance(Duration::from_secs(count * 3600));
    // Access tokens do not live as long.
    instance.signed_in("ada@example.com").await.api
}

async fn the_day_on_which_the_clocks_go_forward_has_23_hours(store: Store) {
    // Midnight in Berlin.
    let instance = in_berlin(store, "10/1d", "2026-03-28T23:00:00Z").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    consume(&ada.api, json!(10)).await.expect(200);
    assert_eq!(resets_at(&ada.api).await, "2026-03-29T22:00:00Z");
    let api = hours(&instance, 22).await;
    let refused = consume(&api, json!(1)).await.expect_problem(429, "quota_exceeded");
    assert_eq!(refused.header("retry-after"), Some("3600"));
    let api = hours(&instance, 1).await;
    consume(&api, json!(10)).await.expect(200);
    assert_eq!(resets_at(&api).await, "2026-03-30T22:00:00Z");
}

async fn the_day_on_which_they_go_back_has_25(store: Store) {
    let instance = in_berlin(store, "10/1d", "2026-10-24T22:00:00Z").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    consume(&ada.api, json!(10)).await.expect(200);
    let api = hours(&instance, 24).await;
    consume(&api, json!(1)).await.expect_problem(429, "quota_exceeded");
    let api = hours(&instance, 1).await;
    consume(&api, json!(3)).await.expect(200);
    let history = api.get(&format!("{HISTORY}?from=2026-10-25&to=2026-10-26")).await.expect(200);
    let days = json!([{"day": "2026-10-25", "used": 10, "limit": 10}, {"day": "2026-10-26", "used": 3, "limit": 10}]);
    assert_eq!(history.body, json!({"items": days, "timeZone": "Europe/Berlin"}));
}

async fn an_hour_ends_on_the_hour_and_a_week_with_sunday(store: Store) {
    let instance = in_berlin(store, "10/1h", "2026-11-29T19:30:00Z").set("KEYSTEAD_QUOTAS__WEEKLY", "10/7d").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let weekly = async |api: &Client| api.post("/api/v1/quotas/weekly/consume", json!({"amount": 6})).await;
    consume(&ada.api, json!(10)).await.expect(200);
    assert_eq!(resets_at(&ada.api).await, "2026-11-29T20:00:00Z");
    assert_eq!(weekly(&ada.api).await.expect(200).str("/resetsAt"), "2026-11-29T23:00:00Z");
    instance.advance(Duration::from_secs(1800));
    let ada = instance.signed_in("ada@example.com").await;
    consume(&ada.api, json!(10)).await.expect(200);
    weekly(&ada.api).await.expect_problem(429, "quota_exceeded");
    let api = hours(&instance, 3).await;
    assert_eq!(weekly(&api).await.expect(200).str("/resetsAt"), "2026-12-06T23:00:00Z");
    // Shorter periods than a day add up in the history; longer ones are told day by day.
    let history = api.get(&format!("{HISTORY}?from=2026-11-29&to=2026-11-29")).await.expect(200);
    assert_eq!(history.body["items"], json!([{"day": "2026-11-29", "used": 20, "limit": 10}]));
    let api = hours(&instance, 24).await;
    api.post("/api/v1/quotas/weekly/consume", json!({"amount": 1})).await.expect(200);
    let history = api.get("/api/v1/quotas/weekly/history?from=2026-11-29&to=2026-12-01").await.expect(200);
    let used: Vec<&Value> = history.body["items"].as_array().unwrap().iter().map(|day| &day["used"]).collect();
    assert_eq!(used, [&json!(6), &json!(6), &json!(1)]);
}

async fn the_history_has_every_day(store: Store) {
    let instance = in_berlin(store, "10/1d", "2026-03-10T12:00:00Z").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    consume(&ada.api, json!(4)).await.expect(200);
    let api = hours(&instance, 48).await;
    consume(&api, json!(5)).await.expect(200);
    let history = api.get(HISTORY).await.expect(200);
    let items = history.body["items"].as_array().unwrap();
    assert_eq!((items.len(), items[0]["day"].as_str()), (30, Some("2026-02-11")));
    let last = json!([{"day": "2026-03-10", "used": 4, "limit": 10}, {"day": "2026-03-11", "used": 0, "limit": null},
        {"day": "2026-03-12", "used": 5, "limit": 10}]);
    assert_eq!(json!(items[27..]), last);
    let only = api.get(&format!("{HISTORY}?from=2026-03-10&to=2026-03-10")).await.expect(200);
    assert_eq!(only.body["items"], json!([last[0]]));
    api.get(&format!("{HISTORY}?from=2026-03-10&to=2027-03-10")).await.expect(200);
    for query in ["from=2026-03-10&to=2027-03-11", "from=2026-03-11&to=2026-03-10", "from=x", "to=2026-02-30", "from=9999-99-99", "day=1"] {
        api.get(&format!("{HISTORY}?{query}")).await.expect_problem(400, "invalid_request");
    }
    api.get("/api/v1/quotas/nothing/history").await.expect_problem(404, "not_found");
}

/// A person whose first request of the day is refused has not used anything yesterday.
async fn a_new_day_begins_with_whatever_is_asked_first(store: Store) {
    let instance = in_berlin(store, "10/1d", "2026-03-10T12:00:00Z").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    consume(&ada.api, json!(10)).await.expect(200);
    let api = hours(&instance, 24).await;
    consume(&api, json!(11)).await.expect_problem(429, "quota_exceeded");
    assert_eq!(state(&api).await, (0, 0, 10));
    let api = hours(&instance, 24).await;
    reserve(&api, 10).await;
    assert_eq!(state(&api).await, (0, 10, 0));
    let history = api.get(&format!("{HISTORY}?from=2026-03-10")).await.expect(200);
    let used: Vec<&Value> = history.body["items"].as_array().unwrap().iter().map(|day| &day["used"]).collect();
    assert_eq!(used, [&json!(10), &json!(0), &json!(0)]);
}

/// Days, reservations and rows are forgotten; limits of people's own are not.
async fn what_is_old_is_forgotten(store: Store) {
    let instance = in_berlin(store, "10/1d", "2026-03-10T12:00:00Z").set("KEYSTEAD_RETENTION__QUOTAS", 5).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let root = crate::oauth::admin(&instance).await;
    let path = format!("/api/v1/admin/users/{}/quotas/tokens", root.id());
    root.api.put(&path, json!({"limit": 7})).await.expect(200);
    consume(&ada.api, json!(4)).await.expect(200);
    reserve(&ada.api, 1).await;
    let api = hours(&instance, 24).await;
    consume(&api, json!(4)).await.expect(200);
    let counted = async |sql| instance.count(sql, Vec::new()).await;
    let rows = async || {
        let (days, held) = ("SELECT count(*) FROM quota_days", "SELECT count(*) FROM quota_reservations");
        (counted(days).await, counted(held).await, counted("SELECT count(*) FROM quota_counters").await)
    };
    instance.running.app.housekeep(instance.clock.now()).await;
    assert_eq!(rows().await, (1, 1, 2));
    hours(&instance, 4 * 24).await;
    instance.running.app.housekeep(instance.clock.now()).await;
    assert_eq!(rows().await, (1, 0, 2));
    hours(&instance, 48).await;
    instance.running.app.housekeep(instance.clock.now()).await;
    assert_eq!(rows().await, (0, 0, 1));
}

both_stores!(
    a_new_day_begins_with_whatever_is_asked_first,
    an_hour_ends_on_the_hour_and_a_week_with_sunday,
    the_day_on_which_the_clocks_go_forward_has_23_hours,
    the_day_on_which_they_go_back_has_25,
    the_history_has_every_day,
    what_is_old_is_forgotten,
);
