//! What every act leaves behind: who, what, on whom, how it ended, in which request; and nothing personal in the clear.

#[path = "tests/chain.rs"]
mod chain;
#[path = "tests/checkpoints.rs"]
mod checkpoints;
#[path = "tests/export.rs"]
mod export;
#[path = "tests/extract.rs"]
mod extract;
#[path = "tests/indexes.rs"]
mod indexes;
#[path = "tests/retention.rs"]
mod retention;
#[path = "tests/search.rs"]
mod search;

use keystead::audit::ACTIONS;
use keystead::secret::{Place, Purpose};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Event, Instance, PASSWORD, Store, both_stores, eventually};

const EMAIL: &str = "ada@example.com";
const OTHER: &str = "Quiet-Otter-Juggles-77";
const AGENT: &str = "ZephyrBrowser/9.81";

/// Action, actor, target, outcome, and whether it is sealed for the person.
type Expected = (&'static str, &'static str, &'static str, &'static str, bool);

/// Sends one request under its own id and returns the events it left.
async fn left<T>(instance: &Instance, request: &str, act: impl AsyncFnOnce(crate::support::Client) -> T) -> (T, Vec<Event>) {
    let api = instance.with("user-agent", AGENT);
    let api = api.with("x-request-id", request);
    let done = act(api).await;
    let events = instance.events().await.into_iter().filter(|event| event.request_id.as_deref() == Some(request)).collect();
    (done, events)
}

#[track_caller]
fn assert_left(events: &[Event], person: Option<Uuid>, expected: &[Expected]) {
    let seen: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event.action.as_str(),
                event.actor_type.as_str(),
                event.target_type.as_str(),
                event.outcome.as_str(),
                event.sealed_for.is_some(),
            )
        })
        .collect();
    let mut sorted = (seen.clone(), expected.to_vec());
    sorted.0.sort_unstable();
    sorted.1.sort_unstable();
    assert_eq!(sorted.0, sorted.1);
    for event in events {
        assert!(event.actor.is_none() || event.actor == person, "{event:?}");
        assert!(event.target_type != "user" || event.target == person, "{event:?}");
        assert!(event.sealed_for.is_none() || event.sealed_for == person, "{event:?}");
        assert!(event.origin.is_some(), "{event:?}");
    }
}

async fn every_act_leaves_its_event(store: Store) {
    let instance = Instance::start(store).await;
    let signup = |password: &str| json!({ "email": EMAIL, "name": "Ada", "password": password });

    let (answer, events) = left(&instance, "story-sign-up", async |api| api.post("/api/v1/auth/signup", signup(PASSWORD)).await).await;
    let person = answer.expect(201).str("/user/id").parse().ok();
    assert_left(&events, person, &[("user.registered", "user", "user", "success", true)]);

    let code = instance.mail_to(EMAIL).await.code();
    let verify = json!({ "email": EMAIL, "code": code, "transport": "body" });
    let (_, events) = left(&instance, "story-verify", async |api| api.post("/api/v1/auth/verify-email", verify).await.expect(200)).await;
    let started = ("session.started", "user", "session", "success", true);
    assert_left(&events, person, &[("user.email_verified", "user", "user", "success", true), started]);

    let (_, events) = left(&instance, "story-taken", async |api| api.post("/api/v1/auth/signup", signup(OTHER)).await.expect(201)).await;
    assert_left(&events, None, &[("user.registered", "unknown", "address", "denied", false)]);

    let wrong = json!({ "email": EMAIL, "password": OTHER });
    let failed = ("login.failed", "unknown", "user", "denied", true);
    for n in 1..=5 {
        let request = format!("story-wrong-{n}");
        let (_, events) = left(&instance, &request, async |api| api.post("/api/v1/auth/login", wrong.clone()).await.expect(401)).await;
        let locked = ("login.locked", "unknown", "user", "denied", true);
        let expected = [failed, locked];
        assert_left(&events, person, &expected[..if n < 5 { 1 } else { 2 }]);
    }
    let nobody = json!({ "email": "nobody@example.com", "password": OTHER });
    let (_, events) = left(&instance, "story-nobody", async |api| api.post("/api/v1/auth/login", nobody).await.expect(401)).await;
    assert_left(&events, None, &[("login.failed", "unknown", "address", "denied", false)]);

    let forgot = json!({ "email": EMAIL });
    left(&instance, "story-forgot", async |api| api.post("/api/v1/auth/password/forgot", forgot).await.expect(202)).await;
    let token = eventually("the link", async || {
        let mails = instance.mails_to(EMAIL).await;
        mails.into_iter().find(|mail| mail.text.contains("?token=")).map(|mail| mail.link())
    })
    .await;
    let (_, events) = left(&instance, "story-forgot", async |_| ()).await;
    assert_left(&events, person, &[("password.reset_requested", "unknown", "user", "success", true)]);

    let reset = json!({ "token": token.split_once("?token=").unwrap().1, "password": OTHER });
    let (_, events) = left(&instance, "story-reset", async |api| api.post("/api/v1/auth/password/reset", reset).await.expect(204)).await;
    assert_left(&events, person, &[("password.reset", "user", "user", "success", true)]);

    let login = json!({ "email": EMAIL, "password": OTHER, "transport": "body" });
    let (answer, events) = left(&instance, "story-login", async |api| api.post("/api/v1/auth/login", login).await.expect(200)).await;
    assert_left(&events, person, &[started]);
    assert!(events[0].details.contains("password"), "{}", events[0].details);
    let token = answer.str("/accessToken").to_owned();

    let change = json!({ "currentPassword": OTHER, "newPassword": PASSWORD });
    let path = "/api/v1/auth/password/change";
    let (_, events) = left(&instance, "story-change", async |api| api.with_token(&token).post(path, change).await.expect(204)).await;
    assert_left(&events, person, &[("password.changed", "user", "user", "success", true)]);

    let consent = json!({ "policy": "privacy", "version": "2026-01" });
    let path = "/api/v1/account/consents";
    let (_, events) = left(&instance, "story-consent", async |api| api.with_token(&token).post(path, consent).await.expect(201)).await;
    assert_left(&events, person, &[("consent.given", "user", "user", "success", true)]);
    assert_eq!(events[0].details, r#"{"policy":"privacy","version":"2026-01"}"#);

    let profile = json!({ "name": "Ada King", "role": "Countess" });
    let (_, events) =
        left(&instance, "story-profile", async |api| api.with_token(&token).patch("/api/v1/account", profile).await.expect(200)).await;
    assert_left(&events, person, &[("user.profile_updated", "user", "user", "success", true)]);

    origins_can_be_opened(&instance).await;
    nothing_personal_is_readable(&instance).await;
}

/// The sealed origin tells where each act came from, with the right key alone.
async fn origins_can_be_opened(instance: &Instance) {
    let ground = &instance.running.app.ground;
    for event in instance.events().await {
        let Some(origin) = &event.origin else { continue };
        let plain = match event.sealed_for {
            Some(person) => {
                let place = Place { table: "audit_events", column: "origin", row: event.id.as_bytes() };
                ground.keyring.get(person).await.unwrap().open_text(place, origin).unwrap()
            }
            None => {
                let context = [b"audit_events.origin".as_slice(), event.id.as_bytes()].concat();
                String::from_utf8(ground.roots.open(Purpose::System, &context, origin).unwrap()).unwrap()
            }
        };
        assert_eq!(plain, format!(r#"{{"ip":"127.0.0.1","userAgent":"{AGENT}"}}"#), "{}", event.action);
    }
}

async fn nothing_personal_is_readable(instance: &Instance) {
    for event in instance.events().await {
        let text = format!("{} {} {} {}", event.action, event.actor_type, event.target_type, event.details);
        for personal in [EMAIL, "Ada", "Countess", "127.0.0.1", AGENT, PASSWORD, OTHER] {
            assert!(!text.contains(personal), "{personal} stands in {text}");
        }
    }
}

/// What is rolled back leaves nothing: a request that fails is not on record as done.
async fn refused_requests_leave_no_act(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up(EMAIL).await;
    let before = instance.events().await.len();
    ada.api.patch("/api/v1/account", json!({ "name": "" })).await.expect(422);
    ada.api.post("/api/v1/account/consents", json!({ "policy": "", "version": "" })).await.expect(422);
    ada.api.post("/api/v1/auth/password/change", json!({ "currentPassword": PASSWORD, "newPassword": "x" })).await.expect(422);
    instance.post("/api/v1/auth/password/reset", json!({ "token": "x", "password": OTHER })).await.expect(410);
    instance.post("/api/v1/auth/signup", json!({ "email": "x" })).await.expect(422);
    assert_eq!(instance.events().await.len(), before);
}

#[test]
fn names_of_acts_are_unique_and_of_one_form() {
    let mut names: Vec<_> = ACTIONS.iter().map(|action| action.0).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    let plain = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    assert!(names.iter().all(|name| name.split_once('.').is_some_and(|(thing, act)| plain(thing) && plain(act))));
}

both_stores!(every_act_leaves_its_event, refused_requests_leave_no_act);
