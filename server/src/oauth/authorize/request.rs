//! An authorization request: who asks, where the answer goes, and what is asked for.
//!
//! Two steps. Before the client and its address are known to belong together, nobody may be sent anywhere: what is wrong up to
//! there is told to whoever sits in front of the browser ([`Addressed::of`]). What is wrong afterwards is told to the client
//! ([`Asked::read`]).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::error::Problem;
use crate::oauth::client::{Client, Grant};
use crate::oauth::error::{OAuthCode, OAuthError, Refusal};
use crate::oauth::form::Form;
use crate::oauth::{redirect, resource, token};
use crate::secret::{Purpose, RootKeys};
use crate::time::Timestamp;

/// How long a person has to sign in and decide.
pub(super) const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// The values of `prompt` (OpenID Connect Core section 3.1.2.1).
pub(in crate::oauth) const PROMPTS: &[&str] = &["none", "login", "consent", "select_account"];

/// More than any client needs in one parameter, in bytes.
const TEXT_MAX: usize = 2048;
const SEALED_AS: &[u8] = b"oauth.authorization_request";

/// Where an answer may go: the client exists, and the address is one of its own.
pub(super) struct Addressed {
    pub client: Arc<Client>,
    pub redirect_uri: String,
    pub state: Option<String>,
}

/// What a client asks for, checked.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Asked {
    pub client: String,
    pub redirect_uri: String,
    pub state: Option<String>,
    pub nonce: Option<String>,
    pub scopes: Vec<String>,
    /// None: this server.
    pub resources: Vec<String>,
    /// PKCE with S256 (RFC 7636).
    pub challenge: String,
    pub prompt: Vec<String>,
    /// Seconds since the person proved who they are, at most.
    pub max_age: Option<u64>,
    pub login_hint: Option<String>,
    /// Thumbprint of the key that the code is bound to (RFC 9449 section 10).
    pub jkt: Option<String>,
    /// When it was asked, in microseconds.
    at: i64,
}

const fn invalid(sentence: &'static str) -> OAuthError {
    OAuthError::new(OAuthCode::InvalidRequest, sentence)
}

impl Addressed {
    /// Who asks, and where the answer goes.
    ///
    /// # Errors
    /// What to tell the person: nobody may be sent to an address that is not known to be the client's.
    pub async fn of(app: &App, form: &Form) -> Result<Self, Refusal> {
        let id = form.required("client_id", "The link has no client_id.")?;
        let client = app.oauth.clients.live(id).await?;
        let client = client.ok_or(OAuthError::new(OAuthCode::InvalidClient, "The application is not known here."))?;
        let redirect_uri = form.required("redirect_uri", "The link has no redirect_uri.")?;
        Self::checked(client, redirect_uri, form.get("state")).map_err(Refusal::from)
    }

    /// The same for what was checked a while ago: the client may have changed.
    pub async fn again(app: &App, asked: &Asked) -> Result<Self, Problem> {
        let client = app.oauth.clients.live(&asked.client).await?;
        let addressed = client.and_then(|client| Self::checked(client, &asked.redirect_uri, asked.state.as_deref()).ok());
        addressed.ok_or_else(super::decision::void)
    }

    /// The same for a client that has proven itself.
    pub fn checked(client: Arc<Client>, redirect_uri: &str, state: Option<&str>) -> Result<Self, OAuthError> {
        if !client.may(Grant::AuthorizationCode) {
            return Err(OAuthError::new(OAuthCode::UnauthorizedClient, "The application was not registered to sign people in."));
        }
        if !redirect::is_registered(&client.redirect_uris, redirect_uri) {
            return Err(invalid("The link would lead back to an address that the application was not registered with."));
        }
        Ok(Self { client, redirect_uri: redirect_uri.to_owned(), state: state.map(str::to_owned) })
    }
}

impl Asked {
    /// What `addressed` asks for.
    ///
    /// # Errors
    /// What to tell the client.
    pub fn read(addressed: &Addressed, form: &Form, issuer: &str, now: Timestamp) -> Result<Self, OAuthError> {
        let client = &addressed.client;
        if form.get("request").is_some() {
            return Err(OAuthError::new(OAuthCode::RequestNotSupported, "Request objects are not supported; push the request instead."));
        }
        if form.get("response_type") != Some("code") {
            return Err(OAuthError::new(OAuthCode::UnsupportedResponseType, "The response_type must be code."));
        }
        if form.get("response_mode").is_some_and(|mode| mode != "query") {
            return Err(invalid("The response_mode must be query."));
        }
        let too_long = ["state", "nonce", "login_hint"].into_iter().any(|name| form.get(name).is_some_and(|text| text.len() > TEXT_MAX));
        if too_long {
            return Err(invalid("A parameter is too long."));
        }
        Ok(Self {
            client: client.id.clone(),
            redirect_uri: addressed.redirect_uri.clone(),
            state: addressed.state.clone(),
            nonce: form.get("nonce").map(str::to_owned),
            scopes: token::granted(client, form.get("scope"))?.split_ascii_whitespace().map(str::to_owned).collect(),
            resources: resource::asked(client, form, issuer)?,
            challenge: challenge(form)?,
            prompt: prompt(form)?,
            max_age: form.get("max_age").map(str::parse).transpose().map_err(|_| invalid("max_age must be a number of seconds."))?,
            login_hint: form.get("login_hint").map(str::to_owned),
            jkt: form.get("dpop_jkt").map(thumbprint).transpose()?,
            at: now.as_micros(),
        })
    }

    /// Binds the code to the key `jkt`, which the client proved to have.
    ///
    /// # Errors
    /// It named another one.
    pub fn bind_to(&mut self, jkt: String) -> Result<(), OAuthError> {
        if self.jkt.as_ref().is_some_and(|named| *named != jkt) {
            return Err(OAuthError::new(OAuthCode::InvalidDpopProof, "dpop_jkt names another key than the one that signed the proof."));
        }
        self.jkt = Some(jkt);
        Ok(())
    }

    /// Whether the client asked for `prompt`.
    pub fn prompts(&self, prompt: &str) -> bool {
        self.prompt.iter().any(|asked| asked == prompt)
    }

    /// Whether somebody who proved who they are at `auth_time` must do so again.
    pub fn wants_sign_in_after(&self, auth_time: Timestamp) -> bool {
        let asked_at = self.asked_at();
        let oldest = match (self.prompts("login"), self.max_age) {
            // Not older than the request itself, which is younger than any age that could be asked for.
            (true, _) => Some(asked_at),
            (false, Some(age)) => Some(asked_at.minus(Duration::from_secs(age.min(u64::from(u32::MAX))))),
            (false, None) => None,
        };
        oldest.is_some_and(|oldest| auth_time < oldest)
    }

    /// When it was asked.
    pub fn asked_at(&self) -> Timestamp {
        Timestamp::from_micros(self.at)
    }

    /// When the person has to be done.
    pub fn expires_at(&self) -> Timestamp {
        self.asked_at().plus(LIFETIME)
    }

    /// The request as a text that only this installation can read and make.
    ///
    /// # Errors
    /// None that can happen: the request is plain data.
    pub fn seal(&self, roots: &RootKeys) -> Result<String, Problem> {
        let plain = serde_json::to_vec(self).map_err(Problem::internal)?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode(roots.seal(Purpose::System, SEALED_AS, &plain)))
    }

    /// Reads it back; `None` for anything else, and for what has expired.
    pub fn open(roots: &RootKeys, sealed: &str, now: Timestamp) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let plain = roots.open(Purpose::System, SEALED_AS, &bytes).ok()?;
        serde_json::from_slice(&plain).ok().filter(|asked: &Self| now < asked.expires_at())
    }
}

/// `code_challenge`, with S256: a plain one shows the verifier to whoever sees the request (RFC 9700 section 2.1.1).
fn challenge(form: &Form) -> Result<String, OAuthError> {
    let challenge = form.get("code_challenge").ok_or(invalid("The request needs a code_challenge (RFC 7636)."))?;
    if form.get("code_challenge_method") != Some("S256") {
        return Err(invalid("The code_challenge_method must be S256."));
    }
    hash(challenge).ok_or(invalid("The code_challenge is not a SHA-256 hash in base64url."))
}

fn thumbprint(text: &str) -> Result<String, OAuthError> {
    hash(text).ok_or(invalid("dpop_jkt is not a SHA-256 thumbprint in base64url."))
}

fn hash(text: &str) -> Option<String> {
    BASE64_URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32).then(|| text.to_owned())
}

fn prompt(form: &Form) -> Result<Vec<String>, OAuthError> {
    let prompts: Vec<String> = form.get("prompt").unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect();
    if !prompts.iter().all(|prompt| PROMPTS.contains(&prompt.as_str())) {
        return Err(invalid("A prompt is one of none, login, consent, select_account."));
    }
    if prompts.len() > 1 && prompts.iter().any(|prompt| prompt == "none") {
        return Err(invalid("The prompt none stands alone."));
    }
    Ok(prompts)
}
