//! A person lets an application in, or not.

use std::time::Duration;

use serde::Serialize;
use url::Url;
use utoipa::ToSchema;
use uuid::Uuid;

use super::request::{Addressed, Asked};
use super::store::{self, Consent, NewCode};
use super::{codes, count, send_back};
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::{Code, Problem};
use crate::http::context::Origin;
use crate::http::guard::Caller;
use crate::oauth::client::{AuthMethod, Client};
use crate::oauth::error::{OAuthCode, OAuthError};
use crate::oauth::grantor::{Grantor, Unfit};
use crate::time::Timestamp;

/// How long a code is good (RFC 9700 section 4.5 wants it short; ten minutes at most by RFC 6749 section 4.1.2).
const CODE_LIFETIME: Duration = Duration::from_secs(60);

const DENIED: OAuthError = OAuthError::new(OAuthCode::AccessDenied, "The person did not agree.");

/// Scopes that every application of OpenID Connect knows, in words for people.
const IN_WORDS: &[(&str, &str)] = &[
    ("openid", "Know who you are"),
    ("profile", "See your name"),
    ("email", "See your e-mail address"),
    ("offline_access", "Stay signed in while you are away"),
];

/// Why nobody has to be asked (any more).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// The application is one of ours.
    FirstParty,
    /// They agreed to all of it before.
    Remembered,
    /// They agree now.
    Asked,
}

impl How {
    const fn as_str(self) -> &'static str {
        match self {
            Self::FirstParty => "first_party",
            Self::Remembered => "remembered",
            Self::Asked => "asked",
        }
    }
}

/// The application, as the person is shown it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AskingApplication {
    client_id: String,
    /// As whoever runs this server named it.
    name: String,
    /// Ours: a part of this installation.
    first_party: bool,
}

/// A scope, as the person is shown it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AskedScope {
    name: String,
    /// In words, for scopes that every application knows.
    #[schema(required = true)]
    description: Option<&'static str>,
}

/// Who would let the application in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Account {
    email: String,
    name: String,
}

/// A request that waits for a decision.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthorizationAsked {
    client: AskingApplication,
    /// Who is signed in; null while nobody is.
    #[schema(required = true)]
    account: Option<Account>,
    scopes: Vec<AskedScope>,
    /// What its tokens will be for besides this server.
    resources: Vec<String>,
    /// Where the person is sent back to.
    redirect_host: String,
    /// The person has to be asked; when not, approve without asking.
    consent_required: bool,
    /// Nobody is signed in, or the application wants them to sign in anew; until then it cannot be approved.
    sign_in_again: bool,
    /// The address that the application expects.
    #[schema(required = true)]
    login_hint: Option<String>,
    /// When the request ends.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// The refusal of a request that is not good (any more).
pub(super) fn void() -> Problem {
    Problem::new(Code::Gone).detail("This sign-in has expired or is not one of this server. Go back to the application and begin anew.")
}

fn opened(app: &App, request: &str, now: Timestamp) -> Result<Asked, Problem> {
    Asked::open(&app.ground.roots, request, now).ok_or_else(void)
}

async fn grantor(app: &App, caller: &Caller, now: Timestamp) -> Result<Grantor, Problem> {
    Grantor::of(app, caller.session, now).await.map_err(|unfit| match unfit {
        Unfit::SignedOut | Unfit::Barred => Code::SessionRevoked.into(),
        Unfit::Failed(problem) => problem,
    })
}

/// What to tell whoever was sent here with `request`.
pub(super) async fn look_up(app: &App, caller: Option<&Caller>, request: &str, now: Timestamp) -> Result<AuthorizationAsked, Problem> {
    let asked = opened(app, request, now)?;
    let addressed = Addressed::again(app, &asked).await?;
    let (grantor, agreed) = match caller {
        Some(caller) => (Some(grantor(app, caller, now).await?), agreed(app, &addressed, &asked, caller.user).await?),
        None => (None, None),
    };
    let back = Url::parse(&asked.redirect_uri).map_err(Problem::internal)?;
    let in_words = |name: &str| IN_WORDS.iter().find(|(known, _)| *known == name).map(|(_, words)| *words);
    Ok(AuthorizationAsked {
        client: AskingApplication {
            client_id: addressed.client.id.clone(),
            name: addressed.client.name.clone(),
            first_party: addressed.client.first_party,
        },
        account: grantor.as_ref().map(|who| Account { email: who.view.email.clone(), name: who.view.name.clone() }),
        scopes: asked.scopes.iter().map(|name| AskedScope { name: name.clone(), description: in_words(name) }).collect(),
        redirect_host: back.host_str().map_or_else(|| format!("{}:", back.scheme()), str::to_owned),
        consent_required: agreed.is_none(),
        sign_in_again: grantor.is_none_or(|who| asked.wants_sign_in_after(who.session.authorization.auth_time)),
        login_hint: asked.login_hint.clone(),
        expires_at: asked.expires_at(),
        resources: asked.resources,
    })
}

/// Whether the answer goes to a program that proves itself by nothing: no secret, and no address that it alone owns.
fn is_native(addressed: &Addressed) -> bool {
    addressed.client.method == AuthMethod::None && !addressed.redirect_uri.starts_with("https://")
}

/// Whether `user` need not be asked, and why.
pub(super) async fn agreed(app: &App, addressed: &Addressed, asked: &Asked, user: Uuid) -> Result<Option<How>, Problem> {
    // Whoever sits on the machine can call themselves a native application and catch its answer (RFC 8252 section 8.6).
    if asked.prompts("consent") || is_native(addressed) {
        return Ok(None);
    }
    if addressed.client.first_party {
        return Ok(Some(How::FirstParty));
    }
    let given = store::find_consent(&app.ground.db, user, &asked.client).await?;
    let covers = |given: &Consent| {
        asked.scopes.iter().all(|scope| given.scopes.contains(scope)) && asked.resources.iter().all(|one| given.resources.contains(one))
    };
    Ok(given.filter(covers).map(|_| How::Remembered))
}

/// The person agrees: to all that was asked, or to `scopes` of it. Where to send them.
pub(super) async fn approve(
    app: &App,
    caller: &Caller,
    request: &str,
    scopes: Option<Vec<String>>,
    origin: &Origin,
    now: Timestamp,
) -> Result<String, Problem> {
    let asked = opened(app, request, now)?;
    let addressed = Addressed::again(app, &asked).await?;
    let grantor = grantor(app, caller, now).await?;
    if asked.wants_sign_in_after(grantor.session.authorization.auth_time) {
        return Err(Problem::new(Code::Forbidden).detail("The application asks that you sign in again before you agree."));
    }
    let scopes = scopes.unwrap_or_else(|| asked.scopes.clone());
    if !scopes.iter().all(|scope| asked.scopes.contains(scope)) {
        let message = "Agree to scopes that the application asks for.";
        return Err(Problem::new(Code::ValidationFailed).field("scopes", "not_asked_for", message));
    }
    let ours = addressed.client.first_party && !asked.prompts("consent") && !is_native(&addressed);
    let how = if ours { How::FirstParty } else { How::Asked };
    grant(app, &addressed, &asked, scopes, &grantor, how, origin, now).await
}

/// The person does not agree. Where to send them.
pub(super) async fn deny(app: &App, caller: &Caller, request: &str, origin: &Origin, now: Timestamp) -> Result<String, Problem> {
    let asked = opened(app, request, now)?;
    let addressed = Addressed::again(app, &asked).await?;
    let key = app.ground.keyring.get(caller.user).await?;
    let event = audit::Event::new(&app.ground, audit::AUTHORIZATION_DENIED, now)
        .actor(Actor::User(caller.user))
        .target(target(&addressed.client))
        .detail("client", asked.client.clone())
        .origin(&app.ground, Some(&key), origin);
    app.ground.db.write(async move |tx| audit::record(tx, &event).await).await?;
    count("denied");
    send_back::refusal(&addressed, app.ground.settings.public_url(), DENIED)
}

fn target(client: &Client) -> Target {
    client.uuid().map_or(Target::none("client"), Target::client)
}

/// Makes a code, on record with what it rests on. Where to send the person.
#[expect(clippy::too_many_arguments, reason = "each of them is another thing, and all are needed to say who let whom do what")]
pub(super) async fn grant(
    app: &App,
    addressed: &Addressed,
    asked: &Asked,
    scopes: Vec<String>,
    grantor: &Grantor,
    how: How,
    origin: &Origin,
    now: Timestamp,
) -> Result<String, Problem> {
    let ground = &app.ground;
    let code = codes::new(&ground.random);
    let new = NewCode {
        id: ground.random.uuid(now),
        hash: codes::hash(&ground.roots, &code),
        client: asked.client.clone(),
        user: grantor.row.id,
        session: grantor.session.id,
        redirect_uri: asked.redirect_uri.clone(),
        challenge: asked.challenge.clone(),
        nonce: asked.nonce.clone(),
        scopes,
        resources: asked.resources.clone(),
        jkt: asked.jkt.clone(),
        created_at: now,
        expires_at: now.plus(CODE_LIFETIME),
    };
    let event = audit::Event::new(ground, audit::AUTHORIZATION_GRANTED, now)
        .actor(Actor::User(new.user))
        .target(target(&addressed.client))
        .detail("client", asked.client.clone())
        .detail("scope", new.scopes.join(" "))
        .detail("consent", how.as_str())
        .detail("code", new.id.to_string())
        .origin(ground, Some(&grantor.key), origin);
    let consent = match how {
        How::Asked => Some(remembered(app, &new).await?),
        How::FirstParty | How::Remembered => None,
    };
    ground
        .db
        .write(async move |tx| {
            store::insert(tx, &new).await?;
            if let Some(consent) = &consent {
                store::put_consent(tx, new.user, consent).await?;
            }
            audit::record(tx, &event).await
        })
        .await?;
    count("granted");
    send_back::address(addressed, ground.settings.public_url(), &[("code", &code)])
}

/// What the person has agreed to from now on. Of two that agree at once one is forgotten: they are asked again.
async fn remembered(app: &App, new: &NewCode) -> Result<Consent, Problem> {
    let before = store::find_consent(&app.ground.db, new.user, &new.client).await?;
    let (mut scopes, mut resources) = before.map_or_else(Default::default, |before| (before.scopes, before.resources));
    let add = |list: &mut Vec<String>, more: &[String]| {
        let fresh: Vec<String> = more.iter().filter(|one| !list.contains(one)).cloned().collect();
        list.extend(fresh);
    };
    add(&mut scopes, &new.scopes);
    add(&mut resources, &new.resources);
    Ok(Consent { id: new.id, client: new.client.clone(), scopes, resources, given_at: new.created_at })
}
