//! Sessions: start, rotate, list, end; and the verification of access tokens without a read.
//!
//! A session is one row. Its refresh tokens are not stored at all: the row's salt and generation
//! recompute each of them ([`token`]). Rotating is one conditional UPDATE; whoever does not get the row
//! reads it and decides ([`rotation`]). Access tokens are checked from memory ([`Sessions::authenticate`]);
//! what must be refused is pushed to every instance and polled as the net under it ([`revocation`]).
//! Activity is noted in memory and written in batches ([`activity`]).
//!
//! Owns the table `sessions`. Reads nothing of other slices' tables.

pub mod activity;
mod answer;
mod authorization;
mod browser;
mod client_tokens;
mod device;
pub mod end;
mod erasure;
mod holding;
mod impersonation;
mod impersonation_store;
mod refresh;
mod retention;
pub mod revocation;
pub mod rotation;
mod routes;
mod start;
pub mod store;
pub mod token;
mod verify;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use answer::{SessionView, SignIn, SignInAnswer, Transport, UserAnswer};
pub use authorization::{AMR_PASSWORD, Authorization, CLI_CLIENT, FIRST_PARTY_CLIENT, ShownKey, is_own};
pub use client_tokens::{ClientTokens, TokenWish};
pub use device::describe;
pub use end::{EndReason, SessionsEnded};
pub use erasure::Erased;
pub use holding::HOLDING;
pub use impersonation_store::STATEMENTS as IMPERSONATION_STATEMENTS;
pub use refresh::RefreshError;
pub use retention::purge;
pub use revocation::{Revocations, SESSION_ENDED};
pub use routes::{SessionItem, page_of, routes};
pub use start::{NewSession, start};
pub use verify::{ACCESS_TOKEN_TYPE, Actor, Confirmation};

use self::activity::Activity;
use crate::accounts::{self, People};
use crate::db::{DbError, Tx};
use crate::ground::Ground;
use crate::http::guard::Verified;
use crate::roles::Roles;
use crate::time::Timestamp;

/// Verified tokens that are kept: about 300 bytes each.
const VERIFIED_TOKENS_MAX: u64 = 100_000;

/// The state of this slice in one instance; clones share it.
#[derive(Clone)]
pub struct Sessions {
    ground: Ground,
    people: People,
    roles: Roles,
    verified: Cache<[u8; 32], Arc<Verified>>,
    revocations: Revocations,
    activity: Activity,
    listeners: Arc<[Arc<dyn SessionsEnded>]>,
}

impl Sessions {
    /// Nothing verified yet; [`Sessions::run`] loads what was revoked. `listeners` are told of every session that is ended.
    pub fn new(ground: Ground, people: People, roles: Roles, listeners: Vec<Arc<dyn SessionsEnded>>) -> Self {
        let ttl = ground.settings.tokens.access_ttl + Duration::from_secs(60);
        let verified = Cache::builder().max_capacity(VERIFIED_TOKENS_MAX).time_to_live(ttl).build();
        let revocations = Revocations::of_sessions(ground.clone());
        let activity = Activity::new(ground.clone());
        Self { ground, people, roles, verified, revocations, activity, listeners: listeners.into() }
    }

    /// What was ended lately.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// What was used lately.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }
}

impl Sessions {
    /// Takes a push from another instance.
    pub fn receive(&self, payload: &[u8]) {
        self.revocations.receive(payload);
    }

    /// Polls for ended sessions and writes activity down until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        tokio::join!(self.revocations.run(stop.clone()), self.activity.run(stop));
    }
}

impl accounts::AccessLost for Sessions {
    fn access_lost<'t>(
        &'t self,
        tx: &'t mut Tx,
        person: Uuid,
        now: Timestamp,
    ) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send + 't>> {
        Box::pin(async move { self.end_all(tx, person, EndReason::AccountClosed, now).await.map(|_| ()) })
    }
}
