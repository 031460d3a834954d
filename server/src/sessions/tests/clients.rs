//! Sessions that a person opened for an application: what their tokens are good for, and what not.

use std::time::Duration;

use http::Method;
use keystead::http::context::Origin;
use keystead::sessions::{Authorization, TokenWish, start};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{PAST_THE_WINDOW, refresh};
use crate::oauth::{Registered, admin, claims, expect_refusal, form, register};
use crate::support::{Answer, Instance, SignedIn, Store, both_stores};

/// An application that may refresh, and its owner's registration.
async fn application(instance: &Instance, root: &SignedIn) -> Registered {
    let wanted = json!({"name": "Notes", "grantTypes": ["authorization_code", "refresh_token"], "redirectUris": ["https://notes.example/cb"],
        "scopes": ["openid", "notes", "users:read"]});
    let _ = instance;
    register(&root.api, wanted).await
}

fn authorization(client: &str, instance: &Instance) -> Authorization {
    Authorization {
        client: client.to_owned(),
        scopes: ["openid", "notes", "users:read"].map(str::to_owned).to_vec(),
        resources: Vec::new(),
        auth_time: instance.clock.now(),
        amr: vec!["pwd".into()],
        parent: None,
        jkt: None,
        impersonator: None,
    }
}

/// Opens a session of `who` as a grant would: access token and refresh token.
async fn opened(instance: &Instance, who: &SignedIn, authorization: Authorization) -> (String, String) {
    let (app, now, user) = (&instance.running.app, instance.clock.now(), Uuid::parse_str(who.id()).unwrap());
    let key = app.ground.keyring.get(user).await.unwrap();
    let new = app.sessions.prepare_for_client(user, &key, &Origin::default(), authorization, now);
    let written = new.clone();
    app.ground.db.write(async move |tx| start(tx, &written).await).await.unwrap();
    let person = app.people.view(user).await.unwrap().unwrap();
    let wish = TokenWish { refreshable: true, ..TokenWish::default() };
    let tokens = app.sessions.client_tokens(new.session(), &person, wish, now).unwrap();
    use secrecy::ExposeSecret;
    (tokens.access_token, tokens.refresh_token.unwrap().expose_secret().to_owned())
}

async fn refreshed(instance: &Instance, client: &Registered, token: &str, more: &[(&str, &str)]) -> Answer {
    let mut parameters = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
    parameters.extend_from_slice(more);
    form(&client.basic(instance), "/oauth2/token", &parameters).await
}

async fn an_application_has_its_scopes_and_no_more(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let app = application(&instance, &root).await;
    let (access, _) = opened(&instance, &ada, authorization(&app.id, &instance)).await;
    let read = claims(&access);
    assert_eq!((&read["sub"], &read["client_id"], &read["scope"]), (&json!(ada.id()), &json!(app.id), &json!("openid notes")), "{read}");
    let api = instance.with_token(&access);
    for path in ["/api/v1/auth/me", "/api/v1/account", "/api/v1/sessions"] {
        api.get(path).await.expect_problem(403, "insufficient_scope");
    }
    api.send(Method::POST, "/api/v1/auth/logout-all", None).await.expect_problem(403, "insufficient_scope");
    api.get("/api/v1/admin/audit").await.expect_problem(403, "insufficient_scope");
    let listed = ada.api.get("/api/v1/sessions").await.expect(200);
    let clients: Vec<&Value> = listed.body["items"].as_array().unwrap().iter().map(|item| &item["clientId"]).collect();
    assert_eq!(clients, [&json!(app.id), &json!("keystead")]);
}

async fn the_two_kinds_of_refresh_token_are_not_mixed(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let (app, other) = (application(&instance, &root).await, application(&instance, &root).await);
    let (_, first) = opened(&instance, &ada, authorization(&app.id, &instance)).await;
    refresh(&instance, &first).await.expect_problem(401, "unauthenticated");
    expect_refusal(&refreshed(&instance, &app, &ada.refresh_token, &[]).await, 400, "invalid_grant");
    expect_refusal(&refreshed(&instance, &other, &first, &[]).await, 400, "invalid_grant");
    // None of that ended anything.
    let second = refreshed(&instance, &app, &first, &[]).await.expect(200);
    assert_eq!(second.str("/scope"), "openid notes");
    refresh(&instance, &ada.refresh_token).await.expect(200);
    let narrow = refreshed(&instance, &app, second.str("/refresh_token"), &[("scope", "notes")]).await.expect(200);
    assert_eq!(narrow.str("/scope"), "notes");
    let wide = refreshed(&instance, &app, narrow.str("/refresh_token"), &[("scope", "notes files")]).await;
    expect_refusal(&wide, 400, "invalid_scope");
}

async fn a_replayed_refresh_token_ends_the_session(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let app = application(&instance, &root).await;
    let (_, first) = opened(&instance, &ada, authorization(&app.id, &instance)).await;
    let second = refreshed(&instance, &app, &first, &[]).await.expect(200);
    let again = refreshed(&instance, &app, &first, &[]).await.expect(200);
    assert_eq!(again.str("/refresh_token"), second.str("/refresh_token"), "a lost answer");
    refreshed(&instance, &app, second.str("/refresh_token"), &[]).await.expect(200);
    instance.advance(PAST_THE_WINDOW);
    expect_refusal(&refreshed(&instance, &app, &first, &[]).await, 400, "invalid_grant");
    expect_refusal(&refreshed(&instance, &app, second.str("/refresh_token"), &[]).await, 400, "invalid_grant");
    ada.api.get("/api/v1/auth/me").await.expect(200);
}

async fn it_ends_with_the_session_it_was_authorised_from(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let app = application(&instance, &root).await;
    let parent = Some(Uuid::parse_str(ada.session_id()).unwrap());
    let (_, bound) = opened(&instance, &ada, Authorization { parent, ..authorization(&app.id, &instance) }).await;
    let (_, free) = opened(&instance, &ada, authorization(&app.id, &instance)).await;
    ada.api.send(Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    expect_refusal(&refreshed(&instance, &app, &bound, &[]).await, 400, "invalid_grant");
    refreshed(&instance, &app, &free, &[]).await.expect(200);
}

async fn a_token_for_another_service_is_not_for_us(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let app = application(&instance, &root).await;
    let resources = vec!["https://notes.example".to_owned(), "https://files.example".to_owned()];
    let (access, _) = opened(&instance, &root, Authorization { resources, ..authorization(&app.id, &instance) }).await;
    assert_eq!(claims(&access)["aud"], json!(["https://notes.example", "https://files.example"]));
    instance.with_token(&access).get("/api/v1/admin/audit").await.expect_problem(401, "unauthenticated");
    let told = form(&app.basic(&instance), "/oauth2/introspect", &[("token", &access)]).await.expect(200);
    assert_eq!((&told.body["active"], &told.body["aud"]), (&json!(true), &json!(["https://notes.example", "https://files.example"])));
    instance.advance(Duration::from_secs(900));
    let told = form(&app.basic(&instance), "/oauth2/introspect", &[("token", &access)]).await.expect(200);
    assert_eq!(told.body, json!({"active": false}));
}

async fn a_refresh_token_that_is_bound_to_a_key_needs_it(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let app = application(&instance, &root).await;
    let jkt = Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs".to_owned());
    let (_, bound) = opened(&instance, &root, Authorization { jkt, ..authorization(&app.id, &instance) }).await;
    expect_refusal(&refreshed(&instance, &app, &bound, &[]).await, 400, "invalid_grant");
}

both_stores!(
    an_application_has_its_scopes_and_no_more,
    the_two_kinds_of_refresh_token_are_not_mixed,
    a_replayed_refresh_token_ends_the_session,
    it_ends_with_the_session_it_was_authorised_from,
    a_token_for_another_service_is_not_for_us,
    a_refresh_token_that_is_bound_to_a_key_needs_it,
);
