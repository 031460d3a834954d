//! `keystead clients`: OAuth clients, from the machine that holds the database.

mod change;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::installation::{settings, within};
use super::output::moment;
use super::{Failure, Output, block_on};
use crate::app::App;
use crate::error::{Code, FieldError, Problem};
use crate::oauth::registration::Wanted;
use crate::oauth::{self, AuthMethod, By, Client, ClientBody, ClientWithSecret, Grant, RelyingParty};

/// Register and manage OAuth clients
#[derive(Clone, Debug, Subcommand)]
pub enum Clients {
    /// Register a client; its secret is shown once
    Create(Create),
    /// List the registered clients, newest first
    List(List),
    /// Change a client; what is left out stays as it is
    Update(Box<change::Update>),
    /// Refuse a client and all its tokens, until it is enabled again
    Disable(change::Named),
    /// Let a disabled client in again
    Enable(change::Named),
    /// Give a client a new secret, shown once; the old one is void at once
    RotateSecret(change::Named),
    /// Delete a client: its tokens are refused within a second
    Delete(Delete),
}

/// Register a client
#[derive(Clone, Debug, Args)]
pub struct Create {
    /// What people are shown
    #[arg(long)]
    pub name: String,
    /// How it gets tokens: authorization_code, refresh_token, client_credentials, device_code
    #[arg(long, value_name = "GRANT", value_delimiter = ',', required = true, value_parser = grant)]
    pub grant_types: Vec<Grant>,
    /// Where people may be sent back to; repeat it for several
    #[arg(long, value_name = "ADDRESS")]
    pub redirect_uris: Vec<String>,
    /// What its tokens may carry at most
    #[arg(long, value_name = "SCOPES", value_delimiter = ',')]
    pub scopes: Vec<String>,
    /// How it proves who it is: client_secret_basic, client_secret_post, private_key_jwt, none
    #[arg(long, value_name = "METHOD", default_value = "client_secret_basic", value_parser = method)]
    pub token_endpoint_auth_method: AuthMethod,
    /// A file with its public keys as a JSON Web Key Set, for private_key_jwt
    #[arg(long, value_name = "FILE")]
    pub jwks: Option<PathBuf>,
    /// Ours: people are not asked whether they agree
    #[arg(long)]
    pub first_party: bool,
    /// What else its access tokens may be for; repeat it for several
    #[arg(long, value_name = "URI")]
    pub resources: Vec<String>,
    /// Its authorization requests must be pushed (RFC 9126)
    #[arg(long)]
    pub require_pushed_authorization_requests: bool,
    /// Where people may be sent after they signed out; repeat it for several
    #[arg(long, value_name = "ADDRESS")]
    pub post_logout_redirect_uris: Vec<String>,
    /// Where it is told that a session ended
    #[arg(long, value_name = "ADDRESS")]
    pub backchannel_logout_uri: Option<String>,
    /// It gets no access token but one that is bound to a key (RFC 9449)
    #[arg(long)]
    pub dpop_bound_access_tokens: bool,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// List the registered clients
#[derive(Clone, Debug, Args)]
pub struct List {
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Go on where a listing ended (its nextCursor)
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<Uuid>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Delete a client
#[derive(Clone, Debug, Args)]
pub struct Delete {
    /// The client's id
    pub client: Uuid,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

fn grant(word: &str) -> Result<Grant, String> {
    let device = (word == "device_code").then_some(Grant::DeviceCode);
    device.or_else(|| Grant::parse(word)).ok_or_else(|| one_of("device_code", Grant::ALL.iter().map(|grant| grant.as_str())))
}

fn method(word: &str) -> Result<AuthMethod, String> {
    AuthMethod::parse(word).ok_or_else(|| one_of("", AuthMethod::ALL.iter().map(|method| method.as_str())))
}

fn one_of(first: &'static str, words: impl Iterator<Item = &'static str>) -> String {
    let short = words.filter(|word| !word.contains(':'));
    format!("use one of {}", short.chain([first]).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", "))
}

impl Clients {
    pub(super) fn run(self, output: &Output) -> Result<(), Failure> {
        let settings = settings()?;
        let output = *output;
        block_on(
            1,
            within(settings, async |app: &App| match self {
                Self::Create(create) => create.act(app, output).await,
                Self::List(list) => list.act(app, output).await,
                Self::Update(update) => update.act(app, output).await,
                Self::Disable(named) => named.switch(app, output, true).await,
                Self::Enable(named) => named.switch(app, output, false).await,
                Self::RotateSecret(named) => named.rotate_secret(app, output).await,
                Self::Delete(delete) => delete.act(app, output).await,
            }),
        )
    }
}

impl Create {
    async fn act(self, app: &App, output: Output) -> Result<(), Failure> {
        let jwks = self.jwks.as_ref().map(read_keys).transpose()?;
        let wanted = Wanted {
            name: self.name,
            grants: self.grant_types,
            redirect_uris: self.redirect_uris,
            scopes: self.scopes,
            method: self.token_endpoint_auth_method,
            jwks,
            first_party: self.first_party,
            party: RelyingParty {
                resources: self.resources,
                require_pushed: self.require_pushed_authorization_requests,
                post_logout_redirect_uris: self.post_logout_redirect_uris,
                backchannel_logout_uri: self.backchannel_logout_uri,
                backchannel_logout_session_required: false,
                dpop_bound: self.dpop_bound_access_tokens,
            },
        };
        let created = app.oauth.create(wanted, By::operator(), app.ground.clock.now()).await.map_err(refused)?;
        if self.json {
            output.json(&ClientWithSecret::from(&created));
            return Ok(());
        }
        output.line(format!("Registered {} ({}).", created.client.name, created.client.id));
        if let Some(secret) = &created.secret {
            output.line(format!("Secret: {}  (shown this once)", secret.expose_secret()));
        }
        Ok(())
    }
}

fn read_keys(file: &PathBuf) -> Result<Value, Failure> {
    let mend = "Name a file that holds a JSON Web Key Set: {\"keys\": [...]}.";
    let text =
        std::fs::read_to_string(file).map_err(|error| Failure::usage(format!("{} cannot be read: {error}.", file.display()), mend))?;
    serde_json::from_str(&text).map_err(|error| Failure::usage(format!("{} is not JSON: {error}.", file.display()), mend))
}

/// The command has one option where the API has a list.
fn refused(problem: Problem) -> Failure {
    if problem.code != Code::ValidationFailed {
        return problem.into();
    }
    let whole = |error: FieldError| {
        let field = error.field.split('.').next().unwrap_or_default().to_owned();
        FieldError { field: field.into(), ..error }
    };
    Failure::Refused(problem.errors.into_iter().map(whole).collect())
}

/// `clients list --json`, in the form of every list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    items: Vec<ClientBody>,
    next_cursor: Option<String>,
}

impl List {
    async fn act(&self, app: &App, output: Output) -> Result<(), Failure> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        // One more than asked for tells whether there are more.
        let mut clients = oauth::list(&app.ground.db, self.cursor, i64::from(self.limit) + 1).await.map_err(Problem::from)?;
        let more = clients.len() > limit;
        clients.truncate(limit);
        let next_cursor = clients.last().filter(|_| more).map(|client| client.id.clone());
        if self.json {
            output.json(&Listing { items: clients.iter().map(ClientBody::from).collect(), next_cursor });
            return Ok(());
        }
        output.table(&["CLIENT", "NAME", "GRANTS", "SCOPES", "STATE", "CREATED"], &clients.iter().map(row).collect::<Vec<_>>());
        if let Some(next) = next_cursor {
            output.line(format!("\nThere are more: --cursor {next}"));
        }
        Ok(())
    }
}

fn row(client: &Client) -> Vec<String> {
    let state = if client.disabled_at.is_some() { "disabled" } else { "enabled" };
    let grants = client.grants.iter().map(|grant| grant.as_str().rsplit(':').next().unwrap_or_default()).collect::<Vec<_>>();
    vec![client.id.clone(), client.name.clone(), grants.join(","), client.scopes.join(","), state.to_owned(), moment(client.created_at)]
}

fn unknown(client: Uuid, problem: Problem) -> Failure {
    match problem.code {
        Code::NotFound => Failure::failed(format!("There is no client `{client}`."), "See `keystead clients list`."),
        _ => refused(problem),
    }
}

/// `clients delete --json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deleted {
    client_id: Uuid,
}

impl Delete {
    async fn act(&self, app: &App, output: Output) -> Result<(), Failure> {
        let deleted = app.oauth.delete(self.client, By::operator(), app.ground.clock.now()).await;
        deleted.map_err(|problem| unknown(self.client, problem))?;
        if self.json {
            output.json(&Deleted { client_id: self.client });
        } else {
            output.line(format!("Deleted {}. Its tokens are refused within a second.", self.client));
        }
        Ok(())
    }
}
