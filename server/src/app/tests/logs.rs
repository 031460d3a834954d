//! What the program writes down about its callers: that they came, and nothing about who they are.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::story::{self, Story};
use crate::support::{Ground, Process, Store, both_stores};

/// The log of a process at its most talkative, from start to stop, and the story that it was told.
async fn told(store: Store, format: &str) -> (String, Story) {
    let env = [("RUST_LOG", "trace"), ("LOG_FORMAT", format), ("TRUSTED_PROXIES", "127.0.0.1/32")];
    let mut process = Process::spawn(Arc::new(Ground::migrated(store).await), &env).await;
    let story = story::live(&process.api).await;
    process.signal("TERM");
    assert_eq!(process.ended().await.code(), Some(0));
    let log = process.log();
    nothing_secret(&log, &story);
    for file in std::fs::read_dir(process.ground.data_dir()).unwrap().flatten() {
        if file.path().extension().is_some_and(|kind| kind != "log") {
            nothing_secret(&String::from_utf8_lossy(&std::fs::read(file.path()).unwrap()), &story);
        }
    }
    (log, story)
}

#[track_caller]
fn nothing_secret(text: &str, story: &Story) {
    assert!(story.secrets.len() > 20, "the story knows what to look for");
    for (what, secret) in &story.secrets {
        if let Some(line) = text.lines().find(|line| line.contains(secret.as_str())) {
            panic!("the {what} {secret:?} stands in\n{}", line.chars().take(2000).collect::<String>());
        }
    }
}

async fn process_logs_each_request_once_as_json_and_nothing_personal(store: Store) {
    let (log, story) = told(store, "json").await;
    let mut lines: HashMap<String, Vec<Value>> = HashMap::new();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        assert!(line["timestamp"].is_string() && line["level"].is_string() && line["target"].is_string(), "{line}");
        if line["target"] == "keystead::access" {
            lines.entry(line["requestId"].as_str().unwrap().to_owned()).or_default().push(line);
        }
    }
    let mut known = 0;
    for (id, method, route, status) in &story.requests {
        let told = lines.get(id).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(told.len(), 1, "{id} {method} {route} {status}: {told:?}");
        let line = &told[0];
        assert_eq!((&line["method"], &line["route"], &line["status"]), (&(*method).into(), &(*route).into(), &(*status).into()), "{line}");
        assert!(line["durationMs"].as_f64().is_some_and(|took| took > 0.0), "{line}");
        let members = line.as_object().unwrap().keys().filter(|name| *name != "userId").count();
        assert_eq!(members, 9, "nothing else is told: {line}");
        if let Some(user) = line.get("userId") {
            assert_eq!(*user, story.user.as_str(), "{line}");
            known += 1;
        }
        let signed_in = matches!(*route, "/api/v1/auth/me" | "/api/v1/sessions" | "/api/v1/account" | "/api/v1/auth/password/change");
        assert!(line.get("userId").is_some() || !signed_in || *status == 401, "the user is known: {line}");
    }
    assert!(known > 8, "{known}");
}

async fn process_logs_each_request_once_for_people_and_nothing_personal(store: Store) {
    let (log, story) = told(store, "pretty").await;
    for (id, method, route, status) in &story.requests {
        let told: Vec<_> = log.lines().filter(|line| line.split(' ').any(|word| *word == format!("request={id}"))).collect();
        assert_eq!(told.len(), 1, "{id} {told:?}");
        assert!(told[0].contains(&format!(" INFO {method} {route} {status} ")) && told[0].contains("ms request="), "{told:?}");
    }
}

both_stores!(process_logs_each_request_once_as_json_and_nothing_personal, process_logs_each_request_once_for_people_and_nothing_personal);
