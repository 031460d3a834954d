//! How much is kept of one voice session.

use keystead::args;
use serde_json::json;

use super::{Talk, numbers, partial, said};
use crate::support::{Instance, Store, both_stores};

async fn a_transcript_has_an_end(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_TRANSCRIPTS__SEGMENT_LIMIT", 3).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let (talk, other) = (Talk::begin(&instance, &ada).await, Talk::begin(&instance, &ada).await);
    talk.say(&ada.api, 1..=2).await;
    talk.post(&ada.api, json!([partial(3, "thr")])).await.expect(202);
    let refused = talk.post(&ada.api, json!([said(4, "4")])).await.expect_problem(409, "conflict");
    assert!(refused.str("/detail").contains("3 segments"), "{refused}");
    // All of a post or nothing of it.
    talk.post(&ada.api, json!([said(3, "3"), said(4, "4")])).await.expect_problem(409, "conflict");
    // What is there may still be said to its end, and said again.
    talk.say(&ada.api, [3]).await;
    talk.say(&ada.api, 1..=3).await;
    assert_eq!(talk.read(&ada.api).await, numbers(1..=3));
    other.say(&ada.api, 1..=3).await;
}

async fn a_transcript_has_a_size(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_TRANSCRIPTS__SIZE_LIMIT", "10KiB").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    let long = "a".repeat(4_000);
    talk.post(&ada.api, json!([partial(1, &long), partial(2, &long)])).await.expect(202);
    talk.post(&ada.api, json!([said(3, &long)])).await.expect_problem(409, "conflict");
    // A shorter text in the place of a longer one makes room.
    talk.post(&ada.api, json!([said(1, "a")])).await.expect(202);
    talk.post(&ada.api, json!([said(3, &long)])).await.expect(202);
    let counted = instance.rows("SELECT segments, bytes FROM transcripts WHERE voice_session_id = $1", args![talk.id]).await;
    let stored = instance.rows("SELECT count(*), CAST(sum(length(content)) AS bigint) FROM transcript_segments", vec![]).await;
    let both = |row: &keystead::db::Row| (row.get::<i64>(0).unwrap(), row.get::<i64>(1).unwrap());
    assert_eq!(both(&counted[0]), both(&stored[0]));
}

both_stores!(a_transcript_has_an_end, a_transcript_has_a_size);
