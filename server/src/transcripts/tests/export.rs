//! A transcript as a file.

use serde_json::json;

use super::{Talk, partial, said};
use crate::support::{Instance, Store, both_stores};

const STREAM: &str = "/api/v1/exports/stream";

async fn a_transcript_is_exported(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, eve) = (instance.signed_up("ada@example.com").await, instance.signed_up("eve@example.com").await);
    let (talk, other) = (Talk::begin(&instance, &ada).await, Talk::begin(&instance, &ada).await);
    talk.post(&ada.api, json!([said(2, "=1+1"), said(1, "Grüße"), partial(3, "unfinis")])).await.expect(202);
    other.say(&ada.api, [9]).await;
    let order = |format: &str| json!({"kind": "transcripts", "format": format, "filter": {"voiceSession": talk.id}});
    let csv = ada.api.post(STREAM, order("csv")).await.expect(200).text;
    let lines: Vec<&str> = csv.trim_start_matches('\u{feff}').lines().collect();
    assert_eq!(lines[0], "seq,startMs,endMs,speaker,text,final,receivedAt");
    assert!(lines.len() == 4 && lines[1].starts_with("1,1000,2000,Ada,Grüße,true,"), "{csv}");
    assert!(!lines[2].contains(",=1+1,"), "no spreadsheet computes what was said: {csv}");
    let json = ada.api.post(STREAM, order("json")).await.expect(200).body;
    let texts: Vec<_> = json["segments"].as_array().unwrap().iter().map(|segment| segment["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["Grüße", "=1+1", "unfinis"]);
    let finals = json!({"kind": "transcripts", "format": "json", "filter": {"voiceSession": talk.id, "final": true}});
    assert_eq!(ada.api.post(STREAM, finals).await.expect(200).body["segments"].as_array().map(Vec::len), Some(2));

    eve.api.post(STREAM, order("json")).await.expect_problem(404, "not_found");
    for filter in [json!({}), json!({"final": true})] {
        ada.api
            .post(STREAM, json!({"kind": "transcripts", "format": "json", "filter": filter}))
            .await
            .expect_problem(422, "validation_failed");
    }
    ada.api.post(STREAM, json!({"kind": "transcripts", "format": "json", "filter": {"x": 1}})).await.expect_problem(400, "invalid_request");
}

both_stores!(a_transcript_is_exported);
