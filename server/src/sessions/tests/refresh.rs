use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::{PAST_THE_WINDOW, refresh, rows};
use crate::support::{Instance, Store, both_stores};

/// T3: one token presented a hundred times at once has one successor, and nobody is signed out.
async fn a_hundred_refreshes_share_one_successor(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let answers = join_all((0..100).map(|_| refresh(&instance, &ada.refresh_token))).await;
    let mut successors: Vec<String> = answers.into_iter().map(|answer| answer.expect(200).str("/refreshToken").to_owned()).collect();
    successors.dedup();
    assert_eq!(successors.len(), 1);
    refresh(&instance, &successors[0]).await.expect(200);
}

/// T3: after the window, with the successor in use, the old token ends the session for everyone.
async fn a_replay_ends_the_session_for_everyone(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let other = instance.signed_in("ada@example.com").await;
    let successor = refresh(&instance, &ada.refresh_token).await.expect(200);
    let fresh = instance.with_token(successor.str("/accessToken"));
    fresh.get("/api/v1/auth/me").await.expect(200);
    instance.advance(PAST_THE_WINDOW);
    fresh.get("/api/v1/auth/me").await.expect(200);

    let thief = instance.with("user-agent", "curl/8.1");
    refresh(&thief, &ada.refresh_token).await.expect_problem(401, "session_revoked");

    fresh.get("/api/v1/auth/me").await.expect_problem(401, "session_revoked");
    ada.api.get("/api/v1/auth/me").await.expect_problem(401, "session_revoked");
    for token in [&ada.refresh_token, successor.str("/refreshToken")] {
        refresh(&instance, token).await.expect_problem(401, "session_revoked");
    }
    // Her other session is another matter.
    other.api.get("/api/v1/auth/me").await.expect(200);
    refresh(&instance, &other.refresh_token).await.expect(200);

    let told = instance.mail_to("ada@example.com").await;
    assert!(told.text.contains("session"), "{told:?}");
    let recorded = rows(&instance, "SELECT outcome, target_type, target_id FROM audit_events WHERE action = 'session.replayed'").await;
    assert_eq!(recorded.len(), 1, "once, however often it is presented");
    assert_eq!(recorded[0].get::<String>(0).unwrap(), "denied");
    assert_eq!(recorded[0].get::<uuid::Uuid>(2).unwrap().to_string(), ada.session_id());
    let ended = rows(&instance, "SELECT end_reason FROM sessions WHERE ended_at IS NOT NULL").await;
    assert_eq!(ended.iter().map(|row| row.get::<String>(0).unwrap()).collect::<Vec<_>>(), ["replay"]);
}

/// A hundred thieves at once are told the same, and it is recorded and mailed once.
async fn a_replay_is_recorded_once(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let second = refresh(&instance, &ada.refresh_token).await.expect(200);
    refresh(&instance, second.str("/refreshToken")).await.expect(200);
    instance.advance(PAST_THE_WINDOW);
    for answer in join_all((0..50).map(|_| refresh(&instance, &ada.refresh_token))).await {
        answer.expect_problem(401, "session_revoked");
    }
    assert_eq!(rows(&instance, "SELECT id FROM audit_events WHERE action = 'session.replayed'").await.len(), 1);
    instance.mail_to("ada@example.com").await;
    let mails = instance.mails_to("ada@example.com").await;
    assert_eq!(mails.iter().filter(|mail| mail.subject == mails.last().unwrap().subject).count(), 1);
}

/// The successor counts as used when its refresh token was presented, too, even inside the window.
async fn an_older_token_than_the_last_is_a_replay_inside_the_window(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let second = refresh(&instance, &ada.refresh_token).await.expect(200);
    let third = refresh(&instance, second.str("/refreshToken")).await.expect(200);
    instance.advance(Duration::from_millis(1));
    refresh(&instance, &ada.refresh_token).await.expect_problem(401, "session_revoked");
    refresh(&instance, third.str("/refreshToken")).await.expect_problem(401, "session_revoked");
}

/// The answer was lost, and the laptop slept for a day: nobody used the successor, so it is given again.
async fn a_lost_answer_is_given_again(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let lost = refresh(&instance, &ada.refresh_token).await.expect(200);
    instance.advance(Duration::from_secs(24 * 3600));

    let again = refresh(&instance, &ada.refresh_token).await.expect(200);
    assert_eq!(again.str("/refreshToken"), lost.str("/refreshToken"));
    // Now it is in use; another tab that woke up with the first one is still let in.
    instance.with_token(again.str("/accessToken")).get("/api/v1/auth/me").await.expect(200);
    let tab = refresh(&instance, &ada.refresh_token).await.expect(200);
    assert_eq!(tab.str("/refreshToken"), lost.str("/refreshToken"));
    instance.advance(PAST_THE_WINDOW);
    refresh(&instance, &ada.refresh_token).await.expect_problem(401, "session_revoked");
}

/// Using the access token that a lost refresh belongs to says nothing about the successor.
async fn the_old_access_token_does_not_count_as_the_successor(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    refresh(&instance, &ada.refresh_token).await.expect(200);
    ada.api.get("/api/v1/auth/me").await.expect(200);
    instance.advance(PAST_THE_WINDOW);
    refresh(&instance, &ada.refresh_token).await.expect(200);
}

/// A thief must not hold a request open until the owner refreshes, to look like a tab of the same instant.
async fn a_body_that_is_held_back_gains_nothing(store: Store) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let second = refresh(&instance, &ada.refresh_token).await.expect(200);
    let second = second.str("/refreshToken");
    refresh(&instance, second).await.expect(200);
    let third = refresh(&instance, second).await.expect(200);
    instance.advance(PAST_THE_WINDOW);

    let body = json!({ "refreshToken": ada.refresh_token }).to_string();
    let address = instance.base().trim_start_matches("http://").to_owned();
    let mut thief = tokio::net::TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /api/v1/auth/refresh HTTP/1.1\r\nhost: {address}\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    thief.write_all(head.as_bytes()).await.unwrap();
    // Asked for by the handler that waits for the body: the head has come.
    let mut go_on = [0; 25];
    thief.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    // Had the head's arrival counted, this rotation would lie after it.
    instance.advance(Duration::from_secs(1));
    refresh(&instance, third.str("/refreshToken")).await.expect(200);
    instance.advance(Duration::from_millis(1));
    thief.write_all(body.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let length = thief.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("session_revoked"), "{answer}");
}

/// Every way a refresh can go has a counter of its own.
async fn the_branches_are_counted(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let second = refresh(&instance, &ada.refresh_token).await.expect(200);
    refresh(&instance, &ada.refresh_token).await.expect(200);
    instance.advance(PAST_THE_WINDOW);
    refresh(&instance, &ada.refresh_token).await.expect(200);
    refresh(&instance, second.str("/refreshToken")).await.expect(200);
    instance.advance(PAST_THE_WINDOW);
    refresh(&instance, &ada.refresh_token).await.expect(401);
    let metrics = instance.ops().get("/metrics").await.text;
    for branch in ["rotated", "repeated", "lost_answer", "replay"] {
        let counted = metrics.lines().find(|line| line.starts_with("keystead_refreshes_total") && line.contains(&format!("\"{branch}\"")));
        let count = counted.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        assert!(count.is_some_and(|count| count >= 1.0), "{branch}: {counted:?}");
    }
}

/// The next refresh token is another one every time, and so is the access token.
async fn every_refresh_gives_new_tokens(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let mut token = ada.refresh_token.clone();
    let mut given = vec![token.clone()];
    for _ in 0..10 {
        let answer = refresh(&instance, &token).await.expect(200);
        assert_eq!(answer.str("/session/id"), ada.session_id());
        assert_eq!(answer.str("/user/id"), ada.id());
        assert!(answer.set_cookie("keystead_refresh").is_none());
        token = answer.str("/refreshToken").to_owned();
        given.extend([token.clone(), answer.str("/accessToken").to_owned()]);
    }
    given.sort();
    given.dedup();
    assert_eq!(given.len(), 21);
}

both_stores!(
    a_hundred_refreshes_share_one_successor,
    a_replay_ends_the_session_for_everyone,
    a_replay_is_recorded_once,
    an_older_token_than_the_last_is_a_replay_inside_the_window,
    a_lost_answer_is_given_again,
    the_old_access_token_does_not_count_as_the_successor,
    a_body_that_is_held_back_gains_nothing,
    the_branches_are_counted,
    every_refresh_gives_new_tokens,
);
