//! What a person lets an OAuth client do, as the session that carries it has it.

use uuid::Uuid;

use super::store::Session;
use crate::time::Timestamp;

/// The OAuth client of the first-party sign-in.
pub const FIRST_PARTY_CLIENT: &str = "keystead";

/// The client of the command line on people's machines.
pub const CLI_CLIENT: &str = "keystead-cli";

/// How somebody signs in with a password (RFC 8176 section 2).
pub const AMR_PASSWORD: &str = "pwd";

/// Whether `client` stands for the person in full: the sign-in of our own pages and of the command line.
pub fn is_own(client: &str) -> bool {
    client == FIRST_PARTY_CLIENT || client == CLI_CLIENT
}

/// What was authorised, by whom the caller knows.
#[derive(Clone, Debug)]
pub struct Authorization {
    /// The client, by its `client_id`.
    pub client: String,
    /// Granted scopes.
    pub scopes: Vec<String>,
    /// Whom its access tokens are for (RFC 8707); empty: this server.
    pub resources: Vec<String>,
    /// When the person proved who they are (OpenID Connect Core section 2).
    pub auth_time: Timestamp,
    /// How they did (RFC 8176).
    pub amr: Vec<String>,
    /// The session that it was authorised from, in one browser. It ends with that one, unless it was granted `offline_access`.
    pub parent: Option<Uuid>,
    /// Thumbprint of the key that its refresh tokens are bound to (RFC 9449 section 5).
    pub jkt: Option<String>,
    /// The administrator who acts as the person in this session, opened from a session of theirs, the parent. It ends with that
    /// one in any case.
    pub impersonator: Option<Uuid>,
}

/// The key that a client shows to have when it refreshes (RFC 9449 section 5).
#[derive(Clone, Copy, Debug, Default)]
pub struct ShownKey<'a> {
    /// Its thumbprint.
    pub jkt: Option<&'a str>,
    /// Whether refresh tokens of this client are bound to it from now on, if they were to none.
    pub binds: bool,
}

impl Authorization {
    /// A person's own sign-in, with their password, at `now`.
    pub(super) fn first_party(now: Timestamp) -> Self {
        Self {
            client: FIRST_PARTY_CLIENT.to_owned(),
            scopes: Vec::new(),
            resources: Vec::new(),
            auth_time: now,
            amr: vec![AMR_PASSWORD.to_owned()],
            parent: None,
            jkt: None,
            impersonator: None,
        }
    }
}

impl Session {
    /// Whether it stands for its person in full.
    pub fn is_own(&self) -> bool {
        is_own(&self.authorization.client) && self.authorization.impersonator.is_none()
    }

    /// Its client, by its `client_id`.
    pub fn client(&self) -> &str {
        &self.authorization.client
    }

    /// When its refresh token stops to work, if nothing happens.
    pub fn ends(&self) -> Timestamp {
        self.refresh_expires_at.min(self.idle_expires_at).min(self.expires_at)
    }

    /// Whether it goes on at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.ends()
    }
}
