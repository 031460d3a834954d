//! What a client is: who it is called, how it proves that, and what it may ask for.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::client_keys::ClientKey;
use crate::sessions::{CLI_CLIENT, FIRST_PARTY_CLIENT};
use crate::time::Timestamp;

/// A way to get tokens that a client may be registered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub enum Grant {
    /// RFC 6749 section 4.1.
    #[serde(rename = "authorization_code")]
    AuthorizationCode,
    /// RFC 6749 section 6.
    #[serde(rename = "refresh_token")]
    RefreshToken,
    /// RFC 6749 section 4.4.
    #[serde(rename = "client_credentials")]
    ClientCredentials,
    /// RFC 8628.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
}

impl Grant {
    /// Every one of them.
    pub const ALL: &[Self] = &[Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials, Self::DeviceCode];

    /// As the RFCs write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
        }
    }

    /// Reads the word of the RFCs.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.as_str() == word)
    }
}

/// How a client proves who it is (RFC 7591 section 2, OpenID Connect Core section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub enum AuthMethod {
    /// A secret in the `Authorization` header.
    #[serde(rename = "client_secret_basic")]
    SecretBasic,
    /// A secret in the body.
    #[serde(rename = "client_secret_post")]
    SecretPost,
    /// A JWT signed with its private key.
    #[serde(rename = "private_key_jwt")]
    PrivateKeyJwt,
    /// Not at all: it runs where nothing can be kept secret.
    #[serde(rename = "none")]
    None,
}

impl AuthMethod {
    /// Every one of them.
    pub const ALL: &[Self] = &[Self::SecretBasic, Self::SecretPost, Self::PrivateKeyJwt, Self::None];

    /// As the RFCs write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SecretBasic => "client_secret_basic",
            Self::SecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }

    /// Reads the word of the RFCs.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.as_str() == word)
    }

    /// Whether it is proven by a secret that was handed out here.
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::SecretBasic | Self::SecretPost)
    }
}

/// What a client is registered with besides, as one that signs people in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelyingParty {
    /// What else its access tokens may be for (RFC 8707), besides this server.
    pub resources: Vec<String>,
    /// Its authorization requests come by the back door only (RFC 9126 section 6).
    pub require_pushed: bool,
    /// Where people may be sent after they signed out (OpenID Connect RP-Initiated Logout section 3.1).
    pub post_logout_redirect_uris: Vec<String>,
    /// Where it is told that a session ended (OpenID Connect Back-Channel Logout section 2.2).
    pub backchannel_logout_uri: Option<String>,
    /// It cannot do without `sid` in that notice.
    pub backchannel_logout_session_required: bool,
    /// It gets no access token but one that is bound to a key (RFC 9449 section 5.2).
    pub dpop_bound: bool,
}

/// A client as every part of the house sees it.
#[derive(Clone, Debug)]
pub struct Client {
    /// The `client_id`.
    pub id: String,
    /// What people are shown.
    pub name: String,
    /// Keyed hash of its secret, if it has one.
    pub secret_hash: Option<Vec<u8>>,
    /// How it may get tokens.
    pub grants: Vec<Grant>,
    /// Where people may be sent back to.
    pub redirect_uris: Vec<String>,
    /// What its tokens may carry at most.
    pub scopes: Vec<String>,
    /// How it proves who it is.
    pub method: AuthMethod,
    /// Its public keys as they were registered.
    pub jwks: Option<String>,
    /// The same keys, ready to verify with.
    pub keys: Arc<[ClientKey]>,
    /// Ours: people are not asked whether they agree.
    pub first_party: bool,
    /// What else it is registered with.
    pub party: RelyingParty,
    /// Counts the changes.
    pub version: i64,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Since when it is refused.
    pub disabled_at: Option<Timestamp>,
    /// Since when it does not exist.
    pub deleted_at: Option<Timestamp>,
}

impl Client {
    /// Whether it may do anything at all now.
    pub const fn is_live(&self) -> bool {
        self.disabled_at.is_none() && self.deleted_at.is_none()
    }

    /// Whether it was registered for `grant`.
    pub fn may(&self, grant: Grant) -> bool {
        self.grants.contains(&grant)
    }

    /// Whether its tokens may carry `scope`.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| held == scope)
    }

    /// The id as a UUID; built-in clients have a name instead.
    pub fn uuid(&self) -> Option<Uuid> {
        registered_id(&self.id)
    }

    fn built_in(id: &str, name: &str, grants: &[Grant]) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            secret_hash: None,
            grants: grants.to_vec(),
            redirect_uris: Vec::new(),
            scopes: Vec::new(),
            method: AuthMethod::None,
            jwks: None,
            keys: Arc::default(),
            first_party: true,
            party: RelyingParty::default(),
            version: 1,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            disabled_at: None,
            deleted_at: None,
        }
    }
}

/// The clients that every installation has: the sign-in of its own pages, and the command line.
pub fn built_in() -> Vec<Arc<Client>> {
    vec![
        Arc::new(Client::built_in(FIRST_PARTY_CLIENT, "Keystead", &[])),
        Arc::new(Client::built_in(CLI_CLIENT, "Keystead CLI", &[Grant::DeviceCode, Grant::RefreshToken])),
    ]
}

/// The UUID of a registered client's id, in the one spelling that it is given out in.
pub fn registered_id(id: &str) -> Option<Uuid> {
    Uuid::try_parse(id).ok().filter(|parsed| parsed.to_string() == id)
}
