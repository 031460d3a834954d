//! One voice session, and what is said in it: each segment first in part and then as it stays.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::cluster::Cluster;

/// A person says something twice a second.
const PACE: Duration = Duration::from_millis(500);
/// For one segment to be accepted by one instance or the other.
const PATIENCE: Duration = Duration::from_secs(60);

/// A voice session of somebody.
pub struct Talk {
    /// Which of all.
    pub number: usize,
    /// The person's access token.
    pub token: String,
    /// The voice session.
    pub id: String,
    accepted: Mutex<BTreeMap<i64, String>>,
}

impl Talk {
    /// Signs somebody up and opens a voice session of theirs.
    pub async fn open(cluster: &Cluster, number: usize) -> Result<Self> {
        let (_, token) = cluster.sign_up(number).await?;
        let body = json!({"title": format!("Talk {number}"), "language": "en"});
        let answer = cluster.ask(number, "POST", "/api/v1/voice/sessions", &token, Some(&body)).await.context("no answer")?;
        let id = answer.1.pointer("/voiceSession/id").and_then(Value::as_str).with_context(|| format!("{answer:?}"))?.to_owned();
        Ok(Self { number, token, id, accepted: Mutex::default() })
    }

    /// Where its transcript is.
    pub fn path(&self) -> String {
        format!("/api/v1/voice/sessions/{}/transcript", self.id)
    }

    /// Everything final that an instance has answered 202 for, by number.
    pub fn accepted(&self) -> BTreeMap<i64, String> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Says something in `talk` again and again for `during`, through either instance in turn.
///
/// # Errors
/// An instance refused what it has to take, or nobody answered for too long.
pub async fn say(cluster: Arc<Cluster>, talk: Arc<Talk>, during: Duration) -> Result<()> {
    let began = Instant::now();
    for seq in 0.. {
        if began.elapsed() >= during {
            break;
        }
        let text = format!("What {} said as number {seq}.", talk.number);
        post(&cluster, &talk, seq, &text[..text.len() / 2], false).await?;
        sleep(PACE / 2).await;
        post(&cluster, &talk, seq, &text, true).await?;
        talk.accepted.lock().unwrap_or_else(PoisonError::into_inner).insert(seq, text);
        sleep(PACE / 2).await;
    }
    Ok(())
}

/// Posts until an instance has accepted it. What was not answered may have been stored: it is safe to repeat, and has to be.
async fn post(cluster: &Cluster, talk: &Talk, seq: i64, text: &str, is_final: bool) -> Result<()> {
    let (began, mut which) = (Instant::now(), usize::try_from(seq)? + talk.number);
    let segment = json!({"seq": seq, "speaker": "Ada", "text": text, "startMs": seq * 500, "endMs": seq * 500 + 400, "final": is_final});
    let body = json!({ "segments": [segment] });
    loop {
        match cluster.ask(which, "POST", &talk.path(), &talk.token, Some(&body)).await {
            Some((202, _)) => return Ok(()),
            Some((status, answer)) if status < 500 => bail!("talk {}: segment {seq} was answered {status} {answer}", talk.number),
            _ if began.elapsed() > PATIENCE => bail!("talk {}: nobody accepted segment {seq} for {PATIENCE:?}", talk.number),
            _ => {}
        }
        which += 1;
        sleep(Duration::from_millis(50)).await;
    }
}
