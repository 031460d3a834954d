//! Order, gaps, repetition; from partial to final; what is stored and how.

use futures_util::future::join_all;
use serde_json::json;

use super::{Talk, numbers, partial, said};
use crate::support::{Instance, Store, both_stores};

async fn segments_come_in_any_order_and_are_read_in_theirs(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    talk.say(&ada.api, [7, 3]).await;
    talk.say(&ada.api, [900, 0, 5]).await;
    assert_eq!(talk.read(&ada.api).await, numbers([0, 3, 5, 7, 900]));

    let first = ada.api.get(&format!("{}?limit=2", talk.path)).await.expect(200);
    let item = &first.body["items"][0];
    assert_eq!(
        (&item["seq"], &item["speaker"], &item["startMs"], &item["endMs"], &item["final"]),
        (&json!(0), &json!("Ada"), &json!(1000), &json!(2000), &json!(true))
    );
    let next = first.str("/nextCursor");
    // What comes in between while somebody turns the pages is on the next one, or was on the one before.
    talk.say(&ada.api, [1, 4]).await;
    let second = ada.api.get(&format!("{}?limit=2&cursor={next}", talk.path)).await.expect(200);
    assert_eq!((&second.body["items"][0]["seq"], &second.body["items"][1]["seq"]), (&json!(4), &json!(5)));
    let other = Talk::begin(&instance, &ada).await;
    ada.api.get(&format!("{}?cursor={next}", other.path)).await.expect_problem(400, "invalid_request");
}

async fn a_repeated_post_changes_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    let post = json!([said(1, "one"), partial(2, "tw"), said(3, "three")]);
    for _ in 0..3 {
        assert_eq!(talk.post(&ada.api, post.clone()).await.expect(202).body, json!({"accepted": 3}));
    }
    let items = ada.api.get(&talk.path).await.expect(200).body["items"].clone();
    let positions: Vec<_> = items.as_array().unwrap().iter().map(|item| item["position"].as_i64().unwrap()).collect();
    assert_eq!(positions, [1, 2, 3], "repeating is no change");
}

async fn a_partial_is_replaced_until_it_is_final(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    for text in ["he", "hello", "hello wor"] {
        talk.post(&ada.api, json!([partial(1, text)])).await.expect(202);
        assert_eq!(talk.read(&ada.api).await, [(1, text.to_owned())]);
    }
    assert_eq!(ada.api.get(&format!("{}?final=true", talk.path)).await.expect(200).body["items"], json!([]));
    talk.post(&ada.api, json!([said(1, "Hello, world.")])).await.expect(202);
    // Overtaken on its way.
    talk.post(&ada.api, json!([partial(1, "hello wor")])).await.expect(202);
    assert_eq!(talk.read(&ada.api).await, [(1, "Hello, world.".to_owned())]);
    let finals = ada.api.get(&format!("{}?final=true", talk.path)).await.expect(200);
    assert_eq!((&finals.body["items"][0]["text"], &finals.body["nextCursor"]), (&json!("Hello, world."), &json!(null)));
    // All states in one post are one change.
    talk.post(&ada.api, json!([partial(2, "a"), partial(2, "ab"), said(2, "abc"), partial(2, "ab")])).await.expect(202);
    assert_eq!(talk.read(&ada.api).await[1], (2, "abc".to_owned()));
}

async fn a_final_segment_never_changes_and_takes_its_post_along(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    talk.say(&ada.api, [1, 2]).await;
    let mut other_time = said(2, "2");
    other_time["endMs"] = json!(2001);
    for refused in [said(2, "two"), other_time] {
        let answer = talk.post(&ada.api, json!([said(3, "3"), refused, said(4, "4")])).await.expect_problem(409, "conflict");
        assert!(answer.str("/detail").contains("Segment 2 "), "{answer}");
    }
    // Two states of one post may not contradict each other either.
    talk.post(&ada.api, json!([said(5, "5"), said(5, "five")])).await.expect_problem(409, "conflict");
    assert_eq!(talk.read(&ada.api).await, numbers([1, 2]));
}

async fn sixteen_at_once_make_one_transcript(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    let there = second.with_token(&ada.access_token);
    let talk = Talk::begin(&instance, &ada).await;
    // Each says twenty of its own, and all of them the same hundredth.
    let posts = (0..16).map(|writer| {
        let (api, talk) = (if writer % 2 == 0 { &ada.api } else { &there }, &talk);
        async move {
            for round in 0..5 {
                let first = 1000 * (writer + 1) + round * 4;
                talk.say(api, (first..first + 4).chain([100])).await;
            }
        }
    });
    join_all(posts).await;
    let mut expected: Vec<i64> = (1..=16).flat_map(|writer| (0..20).map(move |n| 1000 * writer + n)).chain([100]).collect();
    expected.sort_unstable();
    assert_eq!(talk.read(&ada.api).await, numbers(expected));
    let sql = "SELECT count(DISTINCT position) FROM transcript_segments WHERE voice_session_id = $1";
    assert_eq!(instance.count(sql, keystead::args![talk.id]).await, 16 * 20 + 1);
}

/// Of many that make one segment final with different texts, one wins, and the others are told.
async fn one_final_text_wins(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    let there = second.with_token(&ada.access_token);
    let talk = Talk::begin(&instance, &ada).await;
    let posts = (0..16).map(|writer| {
        let (api, talk) = (if writer % 2 == 0 { &ada.api } else { &there }, &talk);
        async move { talk.post(api, json!([said(1, &format!("{writer}"))])).await.status }
    });
    let mut statuses = join_all(posts).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [[202].as_slice(), &[409; 15]].concat());
}

async fn what_was_said_is_sealed(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    let mut segment = said(1, "the-secret-of-the-giraffe");
    segment["speaker"] = json!("speaker-whom-nobody-knows");
    talk.post(&ada.api, json!([segment])).await.expect(202);
    let rows = instance.rows("SELECT content FROM transcript_segments", vec![]).await;
    let content: Vec<u8> = rows[0].get(0).unwrap();
    for word in [&b"giraffe"[..], b"nobody-knows"] {
        assert!(!content.windows(word.len()).any(|window| window == word));
        if store == Store::Sqlite {
            let found = std::fs::read_dir(instance.ground.data_dir()).unwrap().flatten().find(|file| {
                let bytes = std::fs::read(file.path()).unwrap_or_default();
                bytes.windows(word.len()).any(|window| window == word)
            });
            assert!(found.is_none(), "{found:?}");
        }
    }
    // A row that is moved to another place is no segment there.
    let moved = instance.change("UPDATE transcript_segments SET seq = 2", vec![]).await;
    assert_eq!(moved, 1);
    ada.api.get(&talk.path).await.expect_problem(500, "internal");
}

async fn a_post_keeps_the_session_going_and_late_ones_have_a_minute(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    talk.say(&ada.api, [1]).await;
    talk.end(&instance).await;
    instance.advance(std::time::Duration::from_secs(59));
    talk.say(&ada.api, [2]).await;
    instance.advance(std::time::Duration::from_secs(2));
    talk.post(&ada.api, json!([said(3, "3")])).await.expect_problem(410, "gone");
    assert_eq!(talk.read(&ada.api).await, numbers([1, 2]));
}

both_stores!(
    a_final_segment_never_changes_and_takes_its_post_along,
    a_partial_is_replaced_until_it_is_final,
    a_post_keeps_the_session_going_and_late_ones_have_a_minute,
    a_repeated_post_changes_nothing,
    one_final_text_wins,
    segments_come_in_any_order_and_are_read_in_theirs,
    sixteen_at_once_make_one_transcript,
    what_was_said_is_sealed
);
