//! Which client calls: in exactly one way, and proven.
//!
//! Memory answers for a client that is right. A refusal is never from memory: the client is read again first, because its
//! secret or its keys may have changed a moment ago elsewhere; and a client that does not exist then costs what a wrong
//! secret costs.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use secrecy::SecretString;

use super::client::{AuthMethod, Client};
use super::error::{OAuthCode, OAuthError, Refusal};
use super::form::Form;
use super::{assertion, client_secret, store};
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::Problem;
use crate::http::context::Origin;
use crate::http::guard::{take, take_address};
use crate::http::limits::Policy;
use crate::http::visit::Visit;

/// Counts attempts of clients to prove themselves, by method and outcome.
pub const CLIENT_AUTHENTICATIONS: &str = "keystead_client_authentications_total";

/// What a request brings to prove its client.
enum Presented {
    Secret { client: String, secret: SecretString },
    Assertion { client: String, assertion: String },
    Nothing { client: String },
}

impl Presented {
    fn client(&self) -> &str {
        match self {
            Self::Secret { client, .. } | Self::Assertion { client, .. } | Self::Nothing { client } => client,
        }
    }

    const fn method(&self) -> &'static str {
        match self {
            Self::Secret { .. } => "secret",
            Self::Assertion { .. } => "private_key_jwt",
            Self::Nothing { .. } => "none",
        }
    }
}

const NOT_PROVEN: OAuthError =
    OAuthError::new(OAuthCode::InvalidClient, "The client is not known here, or did not prove that it is who it says.");
const MALFORMED: OAuthError =
    OAuthError::new(OAuthCode::InvalidClient, "The Authorization header is not Basic with the client id and its secret.");
const TWO_WAYS: OAuthError = OAuthError::new(OAuthCode::InvalidRequest, "The client proves itself in more than one way; use one.");
const TWO_NAMES: OAuthError = OAuthError::new(OAuthCode::InvalidRequest, "The request names two different clients.");
const HALF: OAuthError =
    OAuthError::new(OAuthCode::InvalidRequest, "A client assertion needs client_assertion and client_assertion_type (RFC 7523).");

/// The client of a request, proven and counted.
pub async fn authenticate(app: &App, visit: &Visit, origin: &Origin, headers: &HeaderMap, form: &Form) -> Result<Arc<Client>, Refusal> {
    let client = identify(app, visit, origin, headers, form).await?;
    count(app, visit, &client).await?;
    Ok(client)
}

/// Counts a request against its client, or its address.
pub async fn count(app: &App, visit: &Visit, client: &Client) -> Result<(), Problem> {
    match client.uuid() {
        Some(id) if client.method != AuthMethod::None => take(app, visit, Policy::SignedIn, id.as_bytes()).await,
        // Anybody can call themselves a public client; one of them must not use up the budget of all.
        _ => take_address(app, visit, Policy::Global).await,
    }
}

/// The client of a request, proven; the caller counts it. Whoever fails counts against the address, and is on record.
pub async fn identify(app: &App, visit: &Visit, origin: &Origin, headers: &HeaderMap, form: &Form) -> Result<Arc<Client>, Refusal> {
    let presented = match presented(headers, form) {
        Ok(presented) => presented,
        Err(error) => {
            take_address(app, visit, Policy::Global).await?;
            return Err(error.into());
        }
    };
    let proven = prove(app, visit, &presented).await?;
    let outcome = if proven.is_some() { "success" } else { "refused" };
    metrics::counter!(CLIENT_AUTHENTICATIONS, "method" => presented.method(), "outcome" => outcome).increment(1);
    let Some(client) = proven else {
        take_address(app, visit, Policy::Global).await?;
        record_refusal(app, visit, origin, &presented).await?;
        return Err(NOT_PROVEN.into());
    };
    Ok(client)
}

fn presented(headers: &HeaderMap, form: &Form) -> Result<Presented, OAuthError> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (given.next(), given.next());
    let (named, secret) = (form.get("client_id"), form.get("client_secret"));
    let (assertion, kind) = (form.get("client_assertion"), form.get("client_assertion_type"));
    let signed = assertion.is_some() || kind.is_some();
    if second.is_some() || usize::from(first.is_some()) + usize::from(secret.is_some()) + usize::from(signed) > 1 {
        return Err(TWO_WAYS);
    }
    let presented = match (first, secret, signed, named) {
        (Some(header), ..) => header.to_str().ok().and_then(basic).ok_or(MALFORMED)?,
        (_, Some(secret), _, Some(client)) => Presented::Secret { client: client.to_owned(), secret: secret.to_owned().into() },
        (_, _, true, _) => match (assertion, kind) {
            (Some(assertion), Some(assertion::TYPE)) => {
                let client = assertion::claimed_client(assertion).ok_or(NOT_PROVEN)?;
                Presented::Assertion { client, assertion: assertion.to_owned() }
            }
            _ => return Err(HALF),
        },
        (None, None, false, Some(client)) => Presented::Nothing { client: client.to_owned() },
        (None, _, false, None) => return Err(NOT_PROVEN),
    };
    // RFC 6749 section 2.3.1 lets a client name itself in the body as well.
    if named.is_some_and(|named| named != presented.client()) { Err(TWO_NAMES) } else { Ok(presented) }
}

/// Reads `Basic base64(form(id):form(secret))` (RFC 6749 section 2.3.1).
fn basic(header: &str) -> Option<Presented> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (client, secret) = plain.split_once(':')?;
    Some(Presented::Secret { client: form_decode(client)?, secret: form_decode(secret)?.into() })
}

/// Undoes the encoding of one form value.
fn form_decode(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                let digit = |byte: u8| char::from(byte).to_digit(16);
                u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()?
            }
            plain => *plain,
        });
    }
    String::from_utf8(bytes).ok()
}

async fn prove(app: &App, visit: &Visit, presented: &Presented) -> Result<Option<Arc<Client>>, Refusal> {
    if let Some(client) = app.oauth.clients.remembered(presented.client())
        && is_proven(app, visit, presented, Some(&client)).await?
    {
        return Ok(Some(client));
    }
    let client = app.oauth.clients.read(presented.client()).await?;
    let proven = is_proven(app, visit, presented, client.as_deref()).await?;
    Ok(client.filter(|_| proven))
}

async fn is_proven(app: &App, visit: &Visit, presented: &Presented, client: Option<&Client>) -> Result<bool, Refusal> {
    let (ground, client) = (&app.ground, client.filter(|client| client.is_live()));
    Ok(match (presented, client) {
        (Presented::Secret { client: id, secret }, client) => {
            let stored = client.filter(|client| client.method.has_secret()).and_then(|client| client.secret_hash.as_deref());
            let right = client_secret::matches(&ground.roots, id, secret, stored);
            if let (true, Some(client), Some(stored)) = (right, client, stored) {
                renew(app, client, secret, stored).await?;
            }
            right
        }
        (Presented::Assertion { assertion, .. }, Some(client)) if client.method == AuthMethod::PrivateKeyJwt => {
            let issuer = ground.settings.public_url();
            let audiences = [issuer.to_owned(), format!("{issuer}{}", super::token::PATH)];
            match assertion::verify(client, assertion, &audiences, visit.now()) {
                Some(jti) => assertion::use_up(ground, client, &jti, visit.now()).await?,
                None => false,
            }
        }
        (Presented::Nothing { .. }, Some(client)) => client.method == AuthMethod::None,
        _ => false,
    })
}

/// Hashes a secret anew that an older master key hashed, so that the older key can be taken out.
async fn renew(app: &App, client: &Client, secret: &SecretString, stored: &[u8]) -> Result<(), Problem> {
    let ground = &app.ground;
    let Some(id) = client.uuid().filter(|_| !ground.roots.is_current(stored)) else { return Ok(()) };
    let fresh = client_secret::hash(&ground.roots, &client.id, secret);
    store::rehash_secret(&ground.db, id, stored.to_vec(), fresh).await?;
    app.oauth.clients.forget(id);
    Ok(())
}

/// A made-up client leaves the same event as a real one.
async fn record_refusal(app: &App, visit: &Visit, origin: &Origin, presented: &Presented) -> Result<(), Problem> {
    let known = super::client::registered_id(presented.client());
    let event = audit::Event::new(&app.ground, audit::CLIENT_REFUSED, visit.now())
        .actor(Actor::Unknown)
        .target(known.map_or(Target::none("client"), Target::client))
        .denied()
        .detail("method", presented.method())
        .origin(&app.ground, None, origin);
    Ok(app.ground.db.write(async move |tx| audit::record(tx, &event).await).await?)
}
