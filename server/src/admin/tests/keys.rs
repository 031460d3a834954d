//! The keys that sign tokens, over HTTP and by themselves.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use keystead::secret::PUBLISH_AHEAD;
use keystead::time::Timestamp;
use serde_json::{Value, json};

use super::{admin, with_scopes};
use crate::support::{Answer, Client, Instance, SignedIn, Store, both_stores, eventually};

const KEYS: &str = "/api/v1/admin/keys";
const ROTATE: &str = "/api/v1/admin/keys/rotate";

async fn rotate(by: &SignedIn) -> Answer {
    by.api.send(Method::POST, ROTATE, None).await
}

/// `(kid, state)` of each published key.
async fn listed(by: &SignedIn) -> Vec<(String, String)> {
    let answer = by.api.get(KEYS).await.expect(200);
    let text = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
    answer.body["items"].as_array().unwrap().iter().map(|key| (text(key, "kid"), text(key, "state"))).collect()
}

fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

async fn key_set(api: &Client) -> Vec<String> {
    let set = api.get("/.well-known/jwks.json").await.expect(200);
    set.body["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn rotations(instance: &Instance) -> Vec<(String, String)> {
    let events = instance.events().await.into_iter().filter(|event| event.action == "signing_key.rotated");
    events
        .map(|event| (event.actor_type, serde_json::from_str::<Value>(&event.details).unwrap()["kid"].as_str().unwrap().to_owned()))
        .collect()
}

async fn a_key_is_next_then_current_then_retired_then_gone(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let old = kid(&root.access_token);
    assert_eq!(listed(&root).await, [(old.clone(), "current".to_owned())]);

    let answer = rotate(&root).await.expect(200);
    let new = answer.str("/key/kid").to_owned();
    assert_eq!((answer.str("/key/state"), answer.str("/key/alg")), ("next", "EdDSA"));
    assert!(answer.body["key"]["publishedUntil"].is_null() && answer.str("/key/signsFrom") > answer.str("/key/createdAt"), "{answer}");
    assert_eq!(listed(&root).await, [(old.clone(), "current".to_owned()), (new.clone(), "next".to_owned())]);
    assert_eq!(key_set(&instance).await, [old.clone(), new.clone()]);
    assert_eq!(kid(&instance.signed_in("root@example.com").await.access_token), old);

    instance.advance(PUBLISH_AHEAD + Duration::from_secs(1));
    assert_eq!(listed(&root).await, [(old.clone(), "retired".to_owned()), (new.clone(), "current".to_owned())]);
    instance.advance(Duration::from_secs(3 * 60 * 60));
    let root = instance.signed_in("root@example.com").await;
    assert_eq!(kid(&root.access_token), new);
    assert_eq!(listed(&root).await, [(new.clone(), "current".to_owned())]);

    assert_eq!(rotations(&instance).await, [("user".to_owned(), new)]);
    let event = instance.events().await.into_iter().find(|event| event.action == "signing_key.rotated").unwrap();
    assert_eq!(event.actor.map(|id| id.to_string()).as_deref(), Some(root.id()));
    assert!(event.origin.is_some() && event.request_id.is_some());
}

/// Whoever could publish keys without end would let the key set grow until nobody can fetch it.
async fn one_new_key_at_a_time(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let answers = futures_util::future::join_all((0..16).map(|_| rotate(&root))).await;
    let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(done.len(), 1, "exactly one rotates");
    for answer in refused {
        answer.expect_problem(409, "conflict");
    }
    assert_eq!((key_set(&instance).await.len(), rotations(&instance).await.len()), (2, 1));
    instance.advance(PUBLISH_AHEAD + Duration::from_secs(1));
    rotate(&root).await.expect(200);
}

async fn the_keys_are_listed_in_pages(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    rotate(&root).await.expect(200);
    let first = root.api.get(&format!("{KEYS}?limit=1")).await.expect(200);
    let second = root.api.get(&format!("{KEYS}?limit=1&cursor={}", first.str("/nextCursor"))).await.expect(200);
    assert!(second.body["nextCursor"].is_null());
    let kids: Vec<_> = [&first, &second].map(|page| page.str("/items/0/kid").to_owned()).into();
    assert_eq!(kids, key_set(&instance).await);
    root.api.get(&format!("{KEYS}?state=current")).await.expect_problem(400, "invalid_request");
}

/// Everything else does not lead to the keys.
async fn keys_are_for_whoever_has_the_scope(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let keeper = with_scopes(&instance, &root, "keeper@example.com", "keeper", &["keys:write"]).await;
    let auditor = instance.signed_up("auditor@example.com").await;
    instance.set_roles(&auditor, "auditor").await;
    auditor.api.get(KEYS).await.expect_problem(403, "insufficient_scope");
    rotate(&auditor).await.expect_problem(403, "insufficient_scope");
    rotate(&keeper).await.expect(200);
    let listing = keeper.api.get(KEYS).await.expect(200).text;
    assert!(!listing.contains("private") && !listing.contains("\"d\""), "{listing}");
}

/// On two instances that sweep at the same moment one rotates, and not before the key is old.
async fn an_old_key_is_replaced_once_by_itself(store: Store) {
    let one = Instance::builder(store).set("KEYSTEAD_KEYS__ROTATE_EVERY", "30d").start().await;
    // Without Redis there is one instance; it then sweeps twice at a time.
    let two = if store == Store::Postgres { Some(one.second().await) } else { None };
    let sweep = async || {
        let now = one.clock.now();
        let other = two.as_ref().unwrap_or(&one);
        tokio::join!(one.running.app.housekeep(now), other.running.app.housekeep(now));
    };
    let before = key_set(&one).await;
    sweep().await;
    assert_eq!(key_set(&one).await, before);
    one.advance(Duration::from_secs(30 * 86_400));
    sweep().await;
    sweep().await;
    assert_eq!(key_set(&one).await.len(), 2);
    let new = key_set(&one).await.pop().unwrap();
    assert_eq!(rotations(&one).await, [("system".to_owned(), new.clone())]);
    one.advance(Duration::from_secs(29 * 86_400));
    sweep().await;
    assert_eq!(key_set(&one).await, [new]);
    one.advance(Duration::from_secs(86_400));
    sweep().await;
    assert_eq!(rotations(&one).await.len(), 2);
}

async fn zero_means_never(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_KEYS__ROTATE_EVERY", "0").start().await;
    let before = key_set(&instance).await;
    instance.advance(Duration::from_secs(4_000 * 86_400));
    instance.running.app.housekeep(instance.clock.now()).await;
    assert_eq!(key_set(&instance).await, before);
}

/// A service that verifies by itself: it fetches the key set at most once a minute.
struct Verifier {
    kids: Vec<String>,
    fetched: Timestamp,
}

impl Verifier {
    async fn knows(&mut self, instance: &Instance, kid: &str) -> bool {
        let now = instance.clock.now();
        if now.since(self.fetched) >= Duration::from_secs(60) {
            (self.kids, self.fetched) = (key_set(instance).await, now);
        }
        self.kids.iter().any(|known| known == kid)
    }
}

/// Signs in anew all the time, here and there, and uses new and old tokens here and there until `stop`. Returns the kids it met.
async fn load(one: &Instance, two: &Instance, email: &str, stop: &AtomicBool, verified: &AtomicU64) -> Vec<String> {
    let mut refresh = one.signed_in(email).await.refresh_token;
    let (mut tokens, mut met) = (VecDeque::new(), Vec::new());
    let mut verifier = Verifier { kids: key_set(one).await, fetched: one.clock.now() };
    for round in 0_usize.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (here, there) = if round.is_multiple_of(2) { (one, two) } else { (two, one) };
        let answer = here.post("/api/v1/auth/refresh", json!({ "refreshToken": refresh })).await.expect(200);
        refresh = answer.str("/refreshToken").to_owned();
        let token = answer.str("/accessToken").to_owned();
        let kid = kid(&token);
        assert!(verifier.knows(there, &kid).await, "a token by a key that was not published long enough");
        if met.last() != Some(&kid) {
            met.push(kid);
        }
        // What is left of a token's 15 minutes is more than what a slow request sees pass.
        tokens.push_back((token, one.clock.now().plus(Duration::from_secs(500))));
        while tokens.front().is_some_and(|(_, until)| *until <= one.clock.now()) {
            tokens.pop_front();
        }
        for (token, _) in [tokens.front(), tokens.back()].into_iter().flatten() {
            there.with_token(token).get("/api/v1/auth/me").await.expect(200);
            verified.fetch_add(1, Ordering::Relaxed);
        }
    }
    met
}

/// Two instances under load, while the keys rotate time and again: no token is ever refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotating_under_load_refuses_no_token() {
    const ROTATIONS: usize = 6;
    let one = Instance::start(Store::Postgres).await;
    let two = one.second().await;
    let root = admin(&one).await;
    for email in ["ada@example.com", "bob@example.com", "eve@example.com"] {
        one.signed_up(email).await;
    }
    let (stop, verified) = (AtomicBool::new(false), AtomicU64::new(0));
    let drive = async {
        let mut root = root.refresh_token;
        for rotation in 0..ROTATIONS {
            let by = if rotation.is_multiple_of(2) { &one } else { &two };
            let answer = by.post("/api/v1/auth/refresh", json!({ "refreshToken": root })).await.expect(200);
            root = answer.str("/refreshToken").to_owned();
            by.with_token(answer.str("/accessToken")).send(Method::POST, ROTATE, None).await.expect(200);
            // Five minutes in steps of the timer by which each instance reads the keys again.
            for _ in 0..10 {
                one.advance(Duration::from_secs(30));
                for instance in [&one, &two] {
                    instance.running.app.ground.signer.reload().await.unwrap();
                }
                let before = verified.load(Ordering::Relaxed);
                eventually("the load to go on", async || (verified.load(Ordering::Relaxed) >= before + 6).then_some(())).await;
            }
        }
        stop.store(true, Ordering::Relaxed);
    };
    let loads = ["ada@example.com", "bob@example.com", "eve@example.com"].map(|email| load(&one, &two, email, &stop, &verified));
    let (met, ()) = tokio::join!(futures_util::future::join_all(loads), drive);
    for kids in met {
        assert_eq!(kids.len(), ROTATIONS + 1, "each key signed, one after the other: {kids:?}");
    }
}

both_stores!(
    a_key_is_next_then_current_then_retired_then_gone,
    an_old_key_is_replaced_once_by_itself,
    keys_are_for_whoever_has_the_scope,
    one_new_key_at_a_time,
    the_keys_are_listed_in_pages,
    zero_means_never
);
