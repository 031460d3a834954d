//! Voice: sessions in which a person talks, and short-lived credentials for the media servers that carry the sound.
//!
//! Keystead carries no sound. It says who may join which room: a token that LiveKit verifies ([`livekit`]), credentials that a TURN
//! server verifies ([`turn`]), both with a secret that is shared with those servers. A token is also redeemed here, by the service
//! that lets people in: exactly once, however many instances are asked at once ([`redeem`]). A voice session ends by its person, by
//! inactivity, or with the sign-in it was opened in ([`follows`]); its tokens end with it.
//!
//! Owns the tables `voice_sessions` and `voice_tokens`. Titles are personal and stand sealed. Its store reads the tables of
//! `tokens`, `sessions` and `oauth`: what a personal access token, a sign-in or an application got goes with it. Others stand on [`own_active`] and [`own`].

mod channel;
mod end;
mod follows;
mod holding;
mod issue;
mod livekit;
mod redeem;
mod routes;
mod start;
mod store;
mod token_routes;
mod token_store;
mod turn;
mod view;

pub use follows::Voice;
pub use holding::{HOLDING, TOKENS};
pub use start::ACTIVE_MAX;
pub use store::{Owned, STATEMENTS, Standing, own, own_active};
pub use token_store::STATEMENTS as TOKEN_STATEMENTS;
pub use view::Status;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::db::{DbError, Tx};
use crate::time::Timestamp;

/// Counts voice tokens, by what became of them.
const VOICE_TOKENS: &str = "keystead_voice_tokens_total";

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(routes::routes()).merge(token_routes::routes())
}

/// Forgets sessions that ended before `sessions`, with their tokens, and tokens that expired before `tokens`.
///
/// # Errors
/// The store does not answer.
pub async fn purge(tx: &mut Tx, sessions: Timestamp, tokens: Timestamp) -> Result<(), DbError> {
    store::purge(tx, sessions).await?;
    token_store::purge(tx, tokens).await
}
