//! A client as the API shows it, and as it takes one.

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::client::{AuthMethod, Client, Grant, RelyingParty};
use super::registration::Wanted;
use super::registry::Registered;
use crate::time::Timestamp;

/// A client as operators see it. Its secret cannot be shown: nobody has it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientBody {
    /// The `client_id`.
    pub client_id: String,
    /// What people are shown.
    pub name: String,
    /// How it gets tokens.
    pub grant_types: Vec<Grant>,
    /// Where people may be sent back to.
    pub redirect_uris: Vec<String>,
    /// What its tokens may carry at most.
    pub scopes: Vec<String>,
    /// How it proves who it is.
    pub token_endpoint_auth_method: AuthMethod,
    /// Its public keys, for `private_key_jwt`.
    #[schema(required = true, value_type = Option<Object>)]
    pub jwks: Option<Value>,
    /// Ours: people are not asked whether they agree.
    pub first_party: bool,
    /// What else its access tokens may be for.
    pub resources: Vec<String>,
    /// Its authorization requests are pushed (RFC 9126), or refused.
    pub require_pushed_authorization_requests: bool,
    /// Where people may be sent after they signed out.
    pub post_logout_redirect_uris: Vec<String>,
    /// Where it is told that a session ended.
    #[schema(required = true)]
    pub backchannel_logout_uri: Option<String>,
    /// It cannot do without `sid` in that notice.
    pub backchannel_logout_session_required: bool,
    /// It gets no access token but one that is bound to a key (RFC 9449).
    pub dpop_bound_access_tokens: bool,
    /// Refused until it is enabled again.
    pub disabled: bool,
    /// For `If-Match`.
    pub version: i64,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl From<&Client> for ClientBody {
    fn from(client: &Client) -> Self {
        Self {
            client_id: client.id.clone(),
            name: client.name.clone(),
            grant_types: client.grants.clone(),
            redirect_uris: client.redirect_uris.clone(),
            scopes: client.scopes.clone(),
            token_endpoint_auth_method: client.method,
            jwks: client.jwks.as_deref().and_then(|set| serde_json::from_str(set).ok()),
            first_party: client.first_party,
            resources: client.party.resources.clone(),
            require_pushed_authorization_requests: client.party.require_pushed,
            post_logout_redirect_uris: client.party.post_logout_redirect_uris.clone(),
            backchannel_logout_uri: client.party.backchannel_logout_uri.clone(),
            backchannel_logout_session_required: client.party.backchannel_logout_session_required,
            dpop_bound_access_tokens: client.party.dpop_bound,
            disabled: client.disabled_at.is_some(),
            version: client.version,
            created_at: client.created_at,
            updated_at: client.updated_at,
        }
    }
}

/// `{client}`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClientAnswer {
    pub(super) client: ClientBody,
}

/// A client with its new secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientWithSecret {
    /// The client.
    pub client: ClientBody,
    /// Shown this once; left out for a client that has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
}

impl From<&Registered> for ClientWithSecret {
    fn from(registered: &Registered) -> Self {
        let client_secret = registered.secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        Self { client: registered.client.as_ref().into(), client_secret }
    }
}

/// What to register.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewClient {
    /// What people are shown.
    #[schema(max_length = 200, min_length = 1)]
    name: String,
    /// How it gets tokens.
    #[schema(min_items = 1)]
    grant_types: Vec<Grant>,
    /// Where people may be sent back to: compared as they are, without a fragment; https, http on loopback, or a
    /// private-use scheme (RFC 8252).
    #[serde(default)]
    #[schema(max_items = 20)]
    redirect_uris: Vec<String>,
    /// What its tokens may carry at most: scopes of Keystead, and of the application's own services.
    #[serde(default)]
    #[schema(max_items = 100)]
    scopes: Vec<String>,
    /// `client_secret_basic` when left out.
    #[serde(default)]
    token_endpoint_auth_method: Option<AuthMethod>,
    /// A JSON Web Key Set with public keys; with `private_key_jwt` only.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    /// Ours: people are not asked whether they agree.
    #[serde(default)]
    first_party: bool,
    /// What else its access tokens may be for (RFC 8707): absolute URIs without a fragment.
    #[serde(default)]
    #[schema(max_items = 20)]
    resources: Vec<String>,
    /// Authorization requests must be pushed (RFC 9126).
    #[serde(default)]
    require_pushed_authorization_requests: bool,
    /// Where people may be sent after they signed out: compared as they are.
    #[serde(default)]
    #[schema(max_items = 20)]
    post_logout_redirect_uris: Vec<String>,
    /// Where to tell the client that a session ended (OpenID Connect Back-Channel Logout): https, or http on loopback in
    /// development.
    #[serde(default)]
    backchannel_logout_uri: Option<String>,
    /// It cannot do without `sid` in that notice; ours always has it.
    #[serde(default)]
    backchannel_logout_session_required: bool,
    /// It gets no access token without a proof in the `DPoP` header (RFC 9449).
    #[serde(default)]
    dpop_bound_access_tokens: bool,
}

impl From<NewClient> for Wanted {
    fn from(new: NewClient) -> Self {
        Self {
            name: new.name,
            grants: new.grant_types,
            redirect_uris: new.redirect_uris,
            scopes: new.scopes,
            method: new.token_endpoint_auth_method.unwrap_or(AuthMethod::SecretBasic),
            jwks: new.jwks,
            first_party: new.first_party,
            party: RelyingParty {
                resources: new.resources,
                require_pushed: new.require_pushed_authorization_requests,
                post_logout_redirect_uris: new.post_logout_redirect_uris,
                backchannel_logout_uri: new.backchannel_logout_uri,
                backchannel_logout_session_required: new.backchannel_logout_session_required,
                dpop_bound: new.dpop_bound_access_tokens,
            },
        }
    }
}

/// What to change; members left out, or null, stay as they are.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientChange {
    /// What people are shown.
    #[schema(max_length = 200, min_length = 1)]
    pub name: Option<String>,
    /// How it gets tokens.
    #[schema(min_items = 1)]
    pub grant_types: Option<Vec<Grant>>,
    /// Where people may be sent back to.
    #[schema(max_items = 20)]
    pub redirect_uris: Option<Vec<String>>,
    /// What its tokens may carry at most.
    #[schema(max_items = 100)]
    pub scopes: Option<Vec<String>>,
    /// Only from one way of sending the secret to the other.
    pub token_endpoint_auth_method: Option<AuthMethod>,
    /// Its public keys.
    #[schema(value_type = Option<Object>)]
    pub jwks: Option<Value>,
    /// Ours: people are not asked.
    pub first_party: Option<bool>,
    /// What else its access tokens may be for.
    #[schema(max_items = 20)]
    pub resources: Option<Vec<String>>,
    /// Authorization requests must be pushed.
    pub require_pushed_authorization_requests: Option<bool>,
    /// Where people may be sent after they signed out.
    #[schema(max_items = 20)]
    pub post_logout_redirect_uris: Option<Vec<String>>,
    /// Empty: tell it nothing any more.
    pub backchannel_logout_uri: Option<String>,
    /// It cannot do without `sid`.
    pub backchannel_logout_session_required: Option<bool>,
    /// Its access tokens are bound to a key.
    pub dpop_bound_access_tokens: Option<bool>,
    /// Refuses the client and all its tokens, until it is false again.
    pub disabled: Option<bool>,
}

impl ClientChange {
    /// What the client is to be with this change, and whether it is to be refused.
    pub fn over(self, before: &Client) -> (Wanted, bool) {
        let known = &before.party;
        let wanted = Wanted {
            name: self.name.unwrap_or_else(|| before.name.clone()),
            grants: self.grant_types.unwrap_or_else(|| before.grants.clone()),
            redirect_uris: self.redirect_uris.unwrap_or_else(|| before.redirect_uris.clone()),
            scopes: self.scopes.unwrap_or_else(|| before.scopes.clone()),
            method: self.token_endpoint_auth_method.unwrap_or(before.method),
            jwks: self.jwks.or_else(|| before.jwks.as_deref().and_then(|set| serde_json::from_str(set).ok())),
            first_party: self.first_party.unwrap_or(before.first_party),
            party: RelyingParty {
                resources: self.resources.unwrap_or_else(|| known.resources.clone()),
                require_pushed: self.require_pushed_authorization_requests.unwrap_or(known.require_pushed),
                post_logout_redirect_uris: self.post_logout_redirect_uris.unwrap_or_else(|| known.post_logout_redirect_uris.clone()),
                backchannel_logout_uri: self
                    .backchannel_logout_uri
                    .or_else(|| known.backchannel_logout_uri.clone())
                    .filter(|address| !address.is_empty()),
                backchannel_logout_session_required: self
                    .backchannel_logout_session_required
                    .unwrap_or(known.backchannel_logout_session_required),
                dpop_bound: self.dpop_bound_access_tokens.unwrap_or(known.dpop_bound),
            },
        };
        (wanted, self.disabled.unwrap_or(before.disabled_at.is_some()))
    }
}
