//! A8: five failures lock an address for half an hour, whether or not anybody has it.

use std::time::Duration;

use keystead::passwords::unlock;
use serde_json::json;

use super::login::operator;
use super::{OTHER, RESET, login, looks, reset_token, with_status};
use crate::support::{Answer, Client, Instance, PASSWORD, Store, both_stores, eventually};

const ADA: &str = "ada@example.com";
const NOBODY: &str = "nobody@example.com";

async fn fail(api: &Client, email: &str, times: usize) {
    for _ in 0..times {
        login(api, email, OTHER).await.expect_problem(401, "invalid_credentials");
    }
}

fn wait(answer: &Answer) -> u64 {
    answer.header("retry-after").and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no Retry-After\n{answer}"))
}

async fn letters(instance: &Instance, email: &str) -> usize {
    instance.mails_to(email).await.iter().filter(|mail| mail.subject.contains("paused")).count()
}

async fn the_sixth_try_is_locked_out_known_or_not(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up(ADA).await;
    fail(&instance, ADA, 5).await;
    fail(&instance, NOBODY, 5).await;
    let hashed = instance.hashed();
    let known = login(&instance, ADA, PASSWORD).await.expect_problem(423, "account_locked");
    let unknown = login(&instance, NOBODY, PASSWORD).await.expect_problem(423, "account_locked");
    assert!((1790..=1800).contains(&wait(&known)) && wait(&known).abs_diff(wait(&unknown)) <= 5);
    assert_eq!((known.status, known.str("/detail")), (unknown.status, unknown.str("/detail")));
    assert_eq!(known.str("/detail"), "Account locked due to too many failed login attempts. Try again in 30 minutes.");
    assert_eq!(instance.hashed(), hashed, "a locked address costs no hash");

    // The owner is told, once; there is nobody to tell about the other.
    let mail = instance.mail_to(ADA).await;
    assert!(mail.text.contains("30 minutes") && mail.text.contains("/forgot"), "{mail:?}");
    assert_eq!((letters(&instance, ADA).await, letters(&instance, NOBODY).await), (1, 0));
    assert!((instance.metric("keystead_lockouts_total", &[]).await - 2.0).abs() < f64::EPSILON);
}

async fn a_lock_ends_by_itself(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up(ADA).await;
    fail(&instance, ADA, 5).await;
    instance.advance(Duration::from_secs(29 * 60));
    let locked = login(&instance, ADA, PASSWORD).await.expect_problem(423, "account_locked");
    assert!(wait(&locked) <= 60 && locked.str("/detail").contains("1 minute."), "{locked}");
    instance.advance(Duration::from_secs(61));
    // A failure after the lock counts from one.
    fail(&instance, ADA, 4).await;
    login(&instance, ADA, PASSWORD).await.expect(200);
}

async fn success_forgets_and_so_does_time(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up(ADA).await;
    for _ in 0..3 {
        fail(&instance, ADA, 4).await;
        login(&instance, ADA, PASSWORD).await.expect(200);
    }
    fail(&instance, ADA, 4).await;
    instance.advance(Duration::from_secs(30 * 60 + 1));
    fail(&instance, ADA, 4).await;
    login(&instance, ADA, PASSWORD).await.expect(200);
}

/// Forty guesses at once are five tries, and five hashes.
async fn parallel_guesses_get_five_tries(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up(ADA).await;
    for email in [ADA, NOBODY] {
        let hashed = instance.hashed();
        let answers = futures_util::future::join_all((0..40).map(|_| login(&instance, email, OTHER))).await;
        assert_eq!((with_status(&answers, 401), with_status(&answers, 423)), (5, 35), "{email}");
        assert_eq!(instance.hashed() - hashed, 5, "{email}");
        login(&instance, email, PASSWORD).await.expect_problem(423, "account_locked");
    }
    instance.mail_to(ADA).await;
    assert_eq!(letters(&instance, ADA).await, 1);
    let events = instance.events().await;
    let count = |action: &str| events.iter().filter(|event| event.action == action).count();
    assert_eq!((count("login.failed"), count("login.locked")), (10, 2));
}

/// When one try is left, forty guesses at once get that one.
async fn the_last_try_is_one_try(store: Store) {
    let instance = Instance::start(store).await;
    for n in 0..4 {
        let email = format!("guest-{n}@example.com");
        fail(&instance, &email, 4).await;
        let answers = futures_util::future::join_all((0..40).map(|_| login(&instance, &email, OTHER))).await;
        assert_eq!((with_status(&answers, 401), with_status(&answers, 423)), (1, 39));
    }
}

/// Somebody guesses while the owner signs in: the owner gets in, or is told of the lock; never "wrong password".
async fn guesses_do_not_spoil_honest_sign_ins(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up(ADA).await;
    let mixed = |guesses: usize, honest: usize| {
        let tries = (0..guesses + honest).map(|n| login(&instance, ADA, if n < guesses { OTHER } else { PASSWORD }));
        futures_util::future::join_all(tries)
    };
    // Four guesses are not enough for a lock.
    let answers = mixed(4, 20).await;
    assert_eq!((with_status(&answers[..4], 401), with_status(&answers[4..], 200)), (4, 20));
    let answers = mixed(20, 20).await;
    assert_eq!(with_status(&answers[20..], 200) + with_status(&answers[20..], 423), 20);
    assert_eq!(with_status(&answers[..20], 200), 0);
}

/// The count is the installation's, not the instance's.
async fn instances_count_together(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    instance.signed_up(ADA).await;
    fail(&instance, ADA, 3).await;
    fail(&second, ADA, 2).await;
    for api in [&instance, &second] {
        login(api, ADA, PASSWORD).await.expect_problem(423, "account_locked");
    }
    let tries = (0..40).map(|n| login(if n % 2 == 0 { &instance } else { &second }, NOBODY, OTHER));
    let answers = futures_util::future::join_all(tries).await;
    let (tried, refused) = (with_status(&answers, 401), with_status(&answers, 423));
    // Five, and what was in flight on the other when the fifth was counted: never more than its hashing threads.
    let threads = instance.running.app.ground.password_pool.threads();
    assert!((5..=5 + threads).contains(&tried) && tried + refused == 40, "{tried} tries, {refused} refused");
}

async fn a_completed_reset_unlocks(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up(ADA).await;
    fail(&instance, ADA, 5).await;
    instance.mail_to(ADA).await;
    let token = reset_token(&instance, ADA).await;
    login(&instance, ADA, PASSWORD).await.expect_problem(423, "account_locked");
    instance.post(RESET, json!({ "token": token, "password": OTHER })).await.expect(204);
    login(&instance, ADA, OTHER).await.expect(200);
}

async fn an_operator_unlocks(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up(ADA).await;
    let (ground, id, now) = (&instance.running.app.ground, ada.id().parse().unwrap(), instance.clock.now());
    assert!(!unlock(ground, id, operator(), now).await.unwrap());
    fail(&instance, ADA, 5).await;
    assert!(unlock(ground, id, operator(), now).await.unwrap());
    login(&instance, ADA, PASSWORD).await.expect(200);
    let unlocked: Vec<_> = instance.events().await.into_iter().filter(|event| event.action == "login.unlocked").collect();
    assert_eq!((unlocked.len(), unlocked[0].target, unlocked[0].actor_type.as_str()), (1, Some(id), "operator"));
}

/// Failures are forgotten by the housekeeping when they no longer count, and not before.
async fn old_failures_are_purged(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LOCKOUT__DURATION", "7d").start().await;
    fail(&instance, NOBODY, 4).await;
    let rows = async || instance.count("SELECT count(*) FROM login_failures", vec![]).await;
    instance.running.app.housekeep(instance.advance(Duration::from_secs(2 * 24 * 3600))).await;
    assert_eq!(rows().await, 1);
    fail(&instance, NOBODY, 1).await;
    login(&instance, NOBODY, OTHER).await.expect_problem(423, "account_locked");
    instance.running.app.housekeep(instance.advance(Duration::from_secs(6 * 24 * 3600))).await;
    assert_eq!(rows().await, 1, "it is still locked");
    instance.running.app.housekeep(instance.advance(Duration::from_secs(9 * 24 * 3600))).await;
    assert_eq!(rows().await, 0);
}

/// Nobody is mailed about a lock while the address is not confirmed: it may be a stranger's.
async fn a_pending_account_is_not_mailed(store: Store) {
    let instance = Instance::start(store).await;
    instance.registered(ADA).await;
    fail(&instance, ADA, 5).await;
    let pending = login(&instance, ADA, PASSWORD).await.expect_problem(423, "account_locked");
    assert!(looks(&pending).2.contains("account_locked"));
    eventually("the notice to be handled", async || {
        (instance.metric("keystead_jobs_finished_total", &["passwords.address_locked", "done"]).await >= 1.0).then_some(())
    })
    .await;
    assert_eq!(letters(&instance, ADA).await, 0);
}

both_stores!(
    the_sixth_try_is_locked_out_known_or_not,
    a_lock_ends_by_itself,
    success_forgets_and_so_does_time,
    parallel_guesses_get_five_tries,
    the_last_try_is_one_try,
    guesses_do_not_spoil_honest_sign_ins,
    instances_count_together,
    a_completed_reset_unlocks,
    an_operator_unlocks,
    old_failures_are_purged,
    a_pending_account_is_not_mailed,
);
