//! Clients are told that sessions of theirs ended (OpenID Connect Back-Channel Logout 1.0).
//!
//! Whatever ends a session (a sign-out, a changed password, a replay, an operator) ends in [`SessionsEnded`], which leaves a job
//! for each session whose client wants to know, in the same transaction: an end that happened is told, one that was rolled back
//! is not. The job signs a logout token and posts it to the address that the client was registered with ([`Messenger`]), again
//! with back-off until the client takes it. A client that keeps failing is left alone for a while ([`silence`]). Sessions that
//! merely expire are not told of: their clients know when.
//!
//! Owns the table `oauth_silent_receivers`.

mod address;
mod messenger;
mod silence;
mod store;

use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use address::is_public;
use messenger::Failure;
pub(super) use messenger::Messenger;
pub use silence::{Cost, pause};
pub use store::STATEMENTS;

use silence::Standing;

use super::{OAuth, store as clients};
use crate::app::App;
use crate::db::{DbError, Tx};
use crate::jobs::{Claimed, Handler, JobError, Kind, handler};
use crate::sessions::store::Ended;
use crate::sessions::{SessionsEnded, is_own};
use crate::time::Timestamp;

/// Tells one client of the end of one session. After twelve attempts a person has to look. Others decide how long one takes, so
/// few run at a time.
pub const BACKCHANNEL_LOGOUT: Kind =
    Kind { name: "oauth.backchannel_logout", max_attempts: 12, lease: Duration::from_secs(30), at_once: Some(2), buried: None };

/// A notice that is older than this is not put off any more: what it ends has expired by itself, or a person has to look.
const OLDEST: Duration = Duration::from_secs(6 * 60 * 60);

/// Counts attempts to tell a client, by outcome.
pub const BACKCHANNEL_LOGOUTS: &str = "keystead_backchannel_logouts_total";

/// The `typ` header of logout tokens (section 2.4): no other token is taken for one.
const TYPE: &str = "logout+jwt";

/// How long a logout token is good for: a client takes it at once or never (section 2.4 recommends two minutes).
const LIFETIME: Duration = Duration::from_secs(120);

/// What one job tells.
#[derive(Deserialize, Serialize)]
struct Notice {
    client: String,
    session: Uuid,
    user: Uuid,
}

/// The claims of a logout token (section 2.4). There is no `nonce`, so that it cannot pass for an ID token.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: Uuid,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: Uuid,
    sid: Uuid,
    events: Events,
}

#[derive(Serialize)]
struct Events {
    #[serde(rename = "http://schemas.openid.net/event/backchannel-logout")]
    logout: Nothing,
}

#[derive(Serialize)]
struct Nothing {}

impl SessionsEnded for OAuth {
    fn sessions_ended<'t>(
        &'t self,
        tx: &'t mut Tx,
        ended: &'t [Ended],
        now: Timestamp,
    ) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send + 't>> {
        Box::pin(async move {
            // Each client is asked about once, however many of its sessions ended.
            let mut asked: Vec<(&str, bool)> = Vec::new();
            for one in ended.iter().filter(|one| !is_own(&one.client)) {
                let told = match asked.iter().find(|(client, _)| *client == one.client) {
                    Some((_, told)) => *told,
                    None => {
                        let told = clients::is_told(tx, &one.client).await?;
                        asked.push((&one.client, told));
                        told
                    }
                };
                if told {
                    let notice = Notice { client: one.client.clone(), session: one.id, user: one.user };
                    self.ground.jobs.enqueue(tx, BACKCHANNEL_LOGOUT, &notice, now).await?;
                }
            }
            Ok(())
        })
    }
}

/// The job of this folder.
pub fn handlers(app: &App) -> Vec<(Kind, Handler)> {
    let oauth = app.oauth.clone();
    vec![(
        BACKCHANNEL_LOGOUT,
        handler(move |job| {
            let oauth = oauth.clone();
            async move { oauth.tell(&job).await }
        }),
    )]
}

fn count(outcome: &'static str) {
    metrics::counter!(BACKCHANNEL_LOGOUTS, "outcome" => outcome).increment(1);
}

/// Not now; in the end, not at all.
fn put_off(job: &Claimed, until: Timestamp, now: Timestamp) -> JobError {
    if now.since(job.enqueued_at) > OLDEST {
        return JobError::Dead("the client has failed for hours and is left alone".to_owned());
    }
    JobError::Later { at: until, why: format!("the client failed lately and is left alone until {until}") }
}

impl OAuth {
    /// Tells a client, unless it does not exist any more or does not want to know any more.
    async fn tell(&self, job: &Claimed) -> Result<(), JobError> {
        let notice: Notice = job.read()?;
        let client = self.clients.live(&notice.client).await?;
        let receiver = client.as_ref().and_then(|client| Some((client.uuid()?, client.party.backchannel_logout_uri.as_deref()?)));
        let Some((id, address)) = receiver else { return Ok(()) };
        let now = self.ground.clock.now();
        let standing = silence::standing(&self.ground, &notice.client, address, now).await?;
        if let Standing::Silent(until) = standing {
            count("left_alone");
            return Err(put_off(job, until, now));
        }
        let told = self.messenger.post(address, &self.logout_token(&notice)?).await;
        count(told.as_ref().map_or_else(Failure::outcome, |_| "delivered"));
        let cost = match &told {
            Ok(told) => told.slowly.then_some(Cost::Slow),
            Err(failure) => Cost::of(failure),
        };
        match cost {
            // By now: it may have taken its time.
            Some(cost) => silence::failed(&self.ground, id, address, cost, self.ground.clock.now()).await?,
            None if told.is_ok() && standing != Standing::Good => silence::taken(&self.ground, id, now).await?,
            None => {}
        }
        told.map(drop).map_err(JobError::from)
    }

    /// A new one for each attempt: a client may remember the ids of those it has seen, and refuse what comes late.
    fn logout_token(&self, notice: &Notice) -> Result<String, JobError> {
        let now = self.ground.clock.now();
        let claims = Claims {
            iss: self.ground.settings.public_url(),
            sub: notice.user,
            aud: &notice.client,
            iat: now.as_secs(),
            exp: now.plus(LIFETIME).as_secs(),
            jti: self.ground.random.uuid(now),
            sid: notice.session,
            events: Events { logout: Nothing {} },
        };
        self.ground.signer.sign(TYPE, &claims).map_err(|error| JobError::Retry(format!("the logout token cannot be signed: {error}")))
    }
}
