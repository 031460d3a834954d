//! `keystead clients update|disable|enable|rotate-secret`.

use std::path::PathBuf;

use clap::Args;
use secrecy::ExposeSecret;
use serde::Serialize;
use uuid::Uuid;

use super::{grant, method, read_keys, unknown};
use crate::app::App;
use crate::cli::{Failure, Output};
use crate::oauth::{AuthMethod, By, ClientBody, ClientChange, ClientWithSecret, Grant};

/// Change a client; what is left out stays as it is
///
/// A list is put in the place of the one that is there. Running servers follow within a second.
#[derive(Clone, Debug, Args)]
pub struct Update {
    /// The client's id
    pub client: Uuid,
    /// What people are shown
    #[arg(long)]
    pub name: Option<String>,
    /// How it gets tokens: authorization_code, refresh_token, client_credentials, device_code
    #[arg(long, value_name = "GRANT", value_delimiter = ',', value_parser = grant)]
    pub grant_types: Option<Vec<Grant>>,
    /// Where people may be sent back to; repeat it for several
    #[arg(long, value_name = "ADDRESS")]
    pub redirect_uris: Option<Vec<String>>,
    /// What its tokens may carry at most
    #[arg(long, value_name = "SCOPES", value_delimiter = ',')]
    pub scopes: Option<Vec<String>>,
    /// Only from one way of sending the secret to the other
    #[arg(long, value_name = "METHOD", value_parser = method)]
    pub token_endpoint_auth_method: Option<AuthMethod>,
    /// A file with its public keys as a JSON Web Key Set, for private_key_jwt
    #[arg(long, value_name = "FILE")]
    pub jwks: Option<PathBuf>,
    /// Ours: people are not asked whether they agree
    #[arg(long, value_name = "true|false")]
    pub first_party: Option<bool>,
    /// What else its access tokens may be for; repeat it for several
    #[arg(long, value_name = "URI")]
    pub resources: Option<Vec<String>>,
    /// Its authorization requests must be pushed (RFC 9126)
    #[arg(long, value_name = "true|false")]
    pub require_pushed_authorization_requests: Option<bool>,
    /// Where people may be sent after they signed out; repeat it for several
    #[arg(long, value_name = "ADDRESS")]
    pub post_logout_redirect_uris: Option<Vec<String>>,
    /// Where it is told that a session ended; empty: nowhere any more
    #[arg(long, value_name = "ADDRESS")]
    pub backchannel_logout_uri: Option<String>,
    /// It gets no access token but one that is bound to a key (RFC 9449)
    #[arg(long, value_name = "true|false")]
    pub dpop_bound_access_tokens: Option<bool>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// One client
#[derive(Clone, Debug, Args)]
pub struct Named {
    /// The client's id
    pub client: Uuid,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// `--json`: the client as the API shows it.
#[derive(Serialize)]
struct One {
    client: ClientBody,
}

impl Update {
    pub(super) async fn act(self, app: &App, output: Output) -> Result<(), Failure> {
        let change = ClientChange {
            name: self.name,
            grant_types: self.grant_types,
            redirect_uris: self.redirect_uris,
            scopes: self.scopes,
            token_endpoint_auth_method: self.token_endpoint_auth_method,
            jwks: self.jwks.as_ref().map(read_keys).transpose()?,
            first_party: self.first_party,
            resources: self.resources,
            require_pushed_authorization_requests: self.require_pushed_authorization_requests,
            post_logout_redirect_uris: self.post_logout_redirect_uris,
            backchannel_logout_uri: self.backchannel_logout_uri,
            backchannel_logout_session_required: None,
            dpop_bound_access_tokens: self.dpop_bound_access_tokens,
            disabled: None,
        };
        let client = changed(app, self.client, change).await?;
        let said = format!("Changed {} ({}).", client.name, client.client_id);
        tell(client, self.json, &said, output);
        Ok(())
    }
}

impl Named {
    pub(super) async fn switch(&self, app: &App, output: Output, disabled: bool) -> Result<(), Failure> {
        let client = changed(app, self.client, ClientChange { disabled: Some(disabled), ..ClientChange::default() }).await?;
        let said = match disabled {
            true => format!("Disabled {} ({}). It and its tokens are refused within a second.", client.name, client.client_id),
            false => format!("Enabled {} ({}).", client.name, client.client_id),
        };
        tell(client, self.json, &said, output);
        Ok(())
    }

    pub(super) async fn rotate_secret(&self, app: &App, output: Output) -> Result<(), Failure> {
        let not_done = |problem| unknown(self.client, problem);
        let before = app.oauth.find(self.client).await.map_err(not_done)?;
        let registered = app.oauth.rotate_secret(&before, By::operator(), app.ground.clock.now()).await.map_err(not_done)?;
        if self.json {
            output.json(&ClientWithSecret::from(&registered));
        } else if let Some(secret) = &registered.secret {
            output.line(format!("The old secret of {} ({}) is void.", registered.client.name, registered.client.id));
            output.line(format!("Secret: {}  (shown this once)", secret.expose_secret()));
        }
        Ok(())
    }
}

async fn changed(app: &App, client: Uuid, change: ClientChange) -> Result<ClientBody, Failure> {
    let not_done = |problem| unknown(client, problem);
    let before = app.oauth.find(client).await.map_err(not_done)?;
    let (wanted, disabled) = change.over(&before);
    let after = app.oauth.update(&before, wanted, disabled, By::operator(), app.ground.clock.now()).await.map_err(not_done)?;
    Ok(ClientBody::from(after.as_ref()))
}

fn tell(client: ClientBody, json: bool, said: &str, output: Output) {
    if json { output.json(&One { client }) } else { output.line(said) }
}
