//! Everything that is held about a person is declared, exported, and gone once they are erased.

use std::collections::BTreeSet;

use keystead::accounts::{By, PersonView};
use keystead::app;
use keystead::args;
use keystead::audit::Actor;
use keystead::db::{Sql, Value};
use keystead::privacy::{Asked, Erasure, Holding, Records};
use keystead::secret::{PersonKey, SealError};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::support::{Instance, PASSWORD, Store, both_stores};

/// Columns by which a table says whom a row is about.
const PERSON: &[&str] =
    &["user_id", "owner_id", "person_id", "subject", "subject_id", "actor_id", "sealed_for", "impersonator_id", "email_index"];

fn fresh(instance: &Instance) -> Uuid {
    instance.running.app.ground.random.uuid(instance.clock.now())
}

/// All records of a holding, page after page.
async fn records(instance: &Instance, holding: &Holding, key: &PersonKey) -> Vec<Map<String, Json>> {
    let Records::Exported(reader) = holding.records else { return Vec::new() };
    let mut asked = Asked { person: key.person(), key: key.clone(), after: None, now: instance.clock.now() };
    let mut all = Vec::new();
    loop {
        let page = reader(&instance.running.app, &asked).await.unwrap_or_else(|problem| panic!("{}: {problem:?}", holding.name));
        all.extend(page.records);
        match page.next {
            Some(next) => asked.after = Some(next),
            None => return all,
        }
    }
}

/// Rows of `table` that `column` says are about `person`.
async fn rows_about(instance: &Instance, table: &str, column: &str, person: Uuid) -> i64 {
    // A name of the declaration, not of anybody who asks.
    let sql: &'static str = format!("SELECT count(*) FROM {table} WHERE {column} = $1").leak();
    let rows = instance.running.app.ground.db.query(Sql { sqlite: sql, postgres: sql }, args![person]).await;
    rows.unwrap_or_else(|error| panic!("{sql}: {error}"))[0].get(0).unwrap()
}

/// Somebody of whom there is some of everything that the house had before what applications build on it.
async fn somebody(instance: &Instance) -> Uuid {
    let ada = instance.signed_up("ada@example.com").await;
    ada.api.patch("/api/v1/account", json!({ "role": "Analyst" })).await.expect(200);
    ada.api.post("/api/v1/account/consents", json!({ "policy": "privacy", "version": "1" })).await.expect(201);
    ada.api.post("/api/v1/account/tokens", json!({ "name": "night job", "scopes": ["account:read"] })).await.expect(201);
    instance.post("/api/v1/auth/login", json!({ "email": "ada@example.com", "password": "Wrong-Walrus-1" })).await.expect(401);
    instance.signed_in("ada@example.com").await.api.post("/api/v1/auth/logout", Json::Null).await.expect(204);
    let id: Uuid = ada.id().parse().unwrap();
    let sql = "INSERT INTO oauth_consents (id, user_id, client_id, scopes, resources, given_at) VALUES ($1, $2, 'reader', 'openid', '', 1)";
    instance.change(sql, args![fresh(instance), id]).await;
    id
}

async fn a_person_gets_everything_that_is_held(store: Store) {
    let instance = Instance::start(store).await;
    let ada = somebody(&instance).await;
    // Somebody else, of whom nothing must come along.
    let bob: Uuid = instance.signed_up("bob@example.com").await.id().parse().unwrap();
    let key = instance.running.app.ground.keyring.get(ada).await.unwrap();
    let mut export = Map::new();
    for holding in app::holdings() {
        let found = records(&instance, &holding, &key).await;
        let text = serde_json::to_string(&found).unwrap();
        for others in [&bob.to_string(), "bob@example.com", "hash\":\"", "secretHash"] {
            assert!(!text.contains(others), "{} tells of {others}: {text}", holding.name);
        }
        // What there is in the tables is in the export: no more, no less.
        if let (Records::Exported(_), [(table, column)]) = (holding.records, holding.tables) {
            assert_eq!(found.len() as i64, rows_about(&instance, table, column, ada).await, "{}", holding.name);
        }
        export.insert(holding.name.to_owned(), found.into());
    }
    let profile = &export["profile"][0];
    assert_eq!(
        (&profile["email"], &profile["role"], &profile["hasPassword"]),
        (&json!("ada@example.com"), &json!("Analyst"), &json!(true))
    );
    assert_eq!(export["consents"][0]["ip"], "127.0.0.1");
    assert_eq!(export["personalTokens"][0]["name"], "night job");
    assert_eq!(export["applications"][0]["clientId"], "reader");
    let sessions = export["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2, "the one that ended, too: {sessions:?}");
    assert!(sessions.iter().all(|session| session["ip"] == "127.0.0.1") && sessions.iter().any(|session| session["endReason"] == "logout"));
    let acts: BTreeSet<&str> = export["auditEvents"].as_array().unwrap().iter().filter_map(|event| event["action"].as_str()).collect();
    for act in ["user.registered", "session.started", "session.ended", "consent.given", "personal_token.created", "login.failed"] {
        assert!(acts.contains(act), "{act} is missing from {acts:?}");
    }
}

/// A page ends in the middle, and the next one goes on there.
async fn a_long_history_comes_in_pages(store: Store) {
    let instance = Instance::start(store).await;
    let ada = somebody(&instance).await;
    let before = rows_about(&instance, "audit_events", "actor_id", ada).await;
    let sql = "INSERT INTO audit_events (id, at, actor_type, actor_id, action, target_type, target_id, outcome, details)
        VALUES ($1, $2, 'user', $3, 'session.started', 'user', $3, 'success', '{}')";
    for at in 0..1_100_i64 {
        instance.change(sql, args![fresh(&instance), at, ada]).await;
    }
    let key = instance.running.app.ground.keyring.get(ada).await.unwrap();
    let holding = app::holdings().into_iter().find(|holding| holding.name == "auditEvents").unwrap();
    let found = records(&instance, &holding, &key).await;
    let ids: BTreeSet<&str> = found.iter().filter_map(|event| event["id"].as_str()).collect();
    assert!(found.len() as i64 >= before + 1_100 && ids.len() == found.len(), "{} events, {} ids", found.len(), ids.len());
}

async fn erasing_leaves_nothing_readable(store: Store) {
    let instance = Instance::start(store).await;
    let ada = somebody(&instance).await;
    let app = &instance.running.app;
    // What a thief could have kept is the sealed row; the key is taken from memory and store.
    let sealed = keystead::accounts::store::find(&app.ground.db, ada).await.unwrap().unwrap();
    let now = instance.clock.now();
    app.lifecycle.delete(ada, By::of(Actor::System), now).await.unwrap();
    app.lifecycle.erase(ada, By::of(Actor::System), now).await.unwrap();
    assert!(matches!(app.ground.keyring.get(ada).await, Err(SealError::Erased)));
    let other = app.ground.keyring.create(fresh(&instance)).await.unwrap();
    assert!(PersonView::open(&sealed, &other).is_err(), "another key opens nothing");
    for holding in app::holdings().into_iter().filter(|holding| holding.erasure == Erasure::Deleted) {
        for (table, column) in holding.tables.iter().filter(|(_, column)| *column != "impersonator_id") {
            assert_eq!(rows_about(&instance, table, column, ada).await, 0, "{table}.{column}");
        }
    }
    let events = instance.events().await;
    assert!(events.iter().any(|event| event.sealed_for == Some(ada) && event.origin.is_some()), "the trail stays, sealed");
    // Nobody gets in, and nothing of theirs comes back under the same address.
    instance.post("/api/v1/auth/login", json!({ "email": "ada@example.com", "password": PASSWORD })).await.expect(401);
}

/// A table that says whom its rows are about, and that nobody declares, would be missing from exports and survive an erasure.
#[tokio::test]
async fn every_table_about_people_is_declared() {
    let instance = Instance::start(Store::Sqlite).await;
    let sql = "SELECT m.name, p.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS p WHERE m.type = 'table' ORDER BY 1, 2";
    let all: Vec<(String, String)> =
        instance.rows(sql, Vec::<Value>::new()).await.iter().map(|row| (row.get(0).unwrap(), row.get(1).unwrap())).collect();
    let holdings = app::holdings();
    let declared: BTreeSet<(&str, &str)> = holdings.iter().flat_map(|holding| holding.tables.iter().copied()).collect();
    for (table, column) in &declared {
        assert!(all.iter().any(|(known, has)| known == table && has == column), "{table}.{column} is declared and does not exist");
    }
    // The blind index of the address goes with the row that it finds.
    let within = [("users", "email_index"), ("user_import_seen", "email_index")];
    let open = all.iter().filter(|(table, column)| {
        let place = (table.as_str(), column.as_str());
        PERSON.contains(&place.1) && !declared.contains(&place) && !within.contains(&place)
    });
    assert!(
        open.clone().next().is_none(),
        "declare whose these are in a `Holding` of the slice, listed in `app::holdings()`: {:?}",
        open.collect::<Vec<_>>()
    );
}

#[test]
fn holdings_say_what_they_are() {
    let holdings = app::holdings();
    let names: BTreeSet<_> = holdings.iter().map(|holding| holding.name).collect();
    assert_eq!(names.len(), holdings.len(), "two have one name");
    let retention = keystead::config::Retention {
        sessions: 90,
        transcripts: 90,
        transactions: 90,
        audit: 1,
        exports: 7,
        quotas: 90,
        unverified_accounts: 30,
    };
    for holding in holdings {
        assert!(holding.name.chars().all(|letter| letter.is_ascii_alphanumeric()) && !holding.tables.is_empty(), "{}", holding.name);
        assert!(holding.about.ends_with('.') && !holding.title.ends_with('.'), "{}", holding.name);
        assert!(!holding.kept.in_words(&retention).is_empty());
        if holding.name == "auditEvents" {
            assert_eq!(holding.kept.in_words(&retention), "1 day after it is over");
        }
    }
}

both_stores!(a_long_history_comes_in_pages, a_person_gets_everything_that_is_held, erasing_leaves_nothing_readable);
