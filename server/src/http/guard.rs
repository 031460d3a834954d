//! Who may call: every handler takes one of these first, and that is the declaration of its guard.
//!
//! [`Caller`] is a signed-in person; the access token is checked from memory and the per-user limit is
//! taken. [`Visitor`] is anybody; the limit for callers not signed in is taken per
//! address, and the route's own limit with it. `openapi.json` shows the same declaration, and a test
//! runs every operation as nobody to prove that it holds. [`Scoped`] is a person or a service client that was granted
//! the scope that its type names. [`Personal`] is a person, or something that acts for them with such a scope.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;
use uuid::Uuid;

use super::challenge::{Fault, Scheme, challenged, invited};
use super::limits::Policy;
use super::visit::Visit;
use crate::app::App;
use crate::error::{Code, Problem};
use crate::time::Timestamp;

/// Whom an access token speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A person, in one of their sessions.
    Person {
        /// The person.
        user: Uuid,
        /// The session.
        session: Uuid,
        /// The refresh generation the token was issued with.
        generation: i64,
    },
    /// A program of a person, with a personal access token: the person is not there.
    Token {
        /// The person.
        user: Uuid,
        /// The token.
        token: Uuid,
    },
    /// An OAuth client itself, by its id: nobody is signed in.
    Service(Uuid),
}

impl Subject {
    /// The id of the person or of the client.
    pub const fn id(self) -> Uuid {
        match self {
            Self::Person { user, .. } | Self::Token { user, .. } => user,
            Self::Service(client) => client,
        }
    }

    /// The person, if it speaks for one.
    pub const fn person(self) -> Option<Uuid> {
        match self {
            Self::Person { user, .. } | Self::Token { user, .. } => Some(user),
            Self::Service(_) => None,
        }
    }
}

/// A verified access token: for whom, with which rights, until when.
#[derive(Debug)]
pub struct Verified {
    /// The token's own id (`jti`).
    pub id: Uuid,
    /// For whom.
    pub subject: Subject,
    /// The OAuth client the token was issued to.
    pub client: String,
    /// Whether it stands for the person in full: the client is our own sign-in or the command line, and nobody impersonates them.
    pub own: bool,
    /// Who acts in the person's name (RFC 8693 section 4.1).
    pub impersonator: Option<Uuid>,
    /// Thumbprint of the key that it is bound to (RFC 9449 section 6.1), when it is to one.
    pub jkt: Option<Box<str>>,
    /// Whom the token is for (RFC 8707), when that is not this server.
    pub elsewhere: Option<Box<[String]>>,
    /// Granted scopes.
    pub scopes: Vec<String>,
    /// Authorization roles.
    pub roles: Vec<String>,
    /// When the token was issued.
    pub issued_at: Timestamp,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// When its use was last noted, in microseconds; so that noting costs one comparison on a hot token.
    pub touched: AtomicI64,
}

impl Verified {
    /// The one scheme by which it may be presented (RFC 9449 section 7.1).
    pub const fn scheme(&self) -> Scheme {
        match self.jkt {
            Some(_) => Scheme::Dpop,
            None => Scheme::Bearer,
        }
    }

    /// A refusal of this token, which is good, with what is to be said about it.
    pub fn refused(&self, problem: Problem) -> Problem {
        let fault = match problem.code.status() {
            401 => Fault::InvalidToken,
            403 => Fault::InsufficientScope(None),
            _ => return problem,
        };
        challenged(problem, self.scheme(), fault)
    }
}

/// A person, signed in by themselves: an application that they let in has scopes, and [`Scoped`] routes.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The person.
    pub user: Uuid,
    /// Their session.
    pub session: Uuid,
    token: Arc<Verified>,
}

impl std::ops::Deref for Caller {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.token
    }
}

/// A scope, as a type: [`crate::access::scope`] has one for each.
pub trait Scope {
    /// As it stands in tokens and in the API reference.
    const NAME: &'static str;
}

/// A person or a service client that was granted the scope `S`, at this moment: roles and scopes that were taken away or
/// given since the token was issued count at once (see [`App::grants`]).
#[derive(Debug)]
pub struct Scoped<S> {
    token: Arc<Verified>,
    scope: PhantomData<S>,
}

impl<S> std::ops::Deref for Scoped<S> {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.token
    }
}

impl<S: Scope + Send> FromRequestParts<App> for Scoped<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = admitted(parts, app).await?;
        if app.grants(&token, S::NAME).await.map_err(|problem| token.refused(problem))? {
            return Ok(Self { token, scope: PhantomData });
        }
        Err(lacks::<S>(&token))
    }
}

/// The refusal of `token`, which was not granted `S`.
pub fn lacks<S: Scope>(token: &Verified) -> Problem {
    let detail = format!("This needs the scope `{}`, which the access token does not have.", S::NAME);
    challenged(Problem::new(Code::InsufficientScope).detail(detail), token.scheme(), Fault::InsufficientScope(Some(S::NAME)))
}

/// A person or a service client, whatever they were granted: for routes that tell the two apart themselves.
#[derive(Debug)]
pub struct Bearer(Arc<Verified>);

impl std::ops::Deref for Bearer {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.0
    }
}

impl FromRequestParts<App> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        admitted(parts, app).await.map(Self)
    }
}

/// An access token as a request presents it. Nothing is verified yet.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// How.
    pub scheme: Scheme,
    /// The token.
    pub token: &'a str,
}

/// The token of an `Authorization` header with one of the schemes there are (RFC 6750 section 2.1, RFC 9449 section 7.1), in any
/// case. Of two such headers neither counts: somebody on the way may have looked at the other one.
pub fn presented(parts: &Parts) -> Option<Presented<'_>> {
    let mut given = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let scheme = match () {
        () if scheme.eq_ignore_ascii_case("bearer") => Scheme::Bearer,
        () if scheme.eq_ignore_ascii_case("dpop") => Scheme::Dpop,
        () => return None,
    };
    Some(Presented { scheme, token: token.trim() })
}

/// The verified token of a request, whose holder's limit is taken.
async fn admitted(parts: &mut Parts, app: &App) -> Result<Arc<Verified>, Problem> {
    let visit = Visit::from_request_parts(parts, app).await?;
    admit(app, &visit, parts, presented(parts)).await
}

/// The same for a token that may have come in another way with the request `parts`.
///
/// # Errors
/// `unauthenticated` and the like for a token that is not good; `rate_limited`.
pub async fn admit(app: &App, visit: &Visit, parts: &Parts, presented: Option<Presented<'_>>) -> Result<Arc<Verified>, Problem> {
    let verified = match presented {
        Some(presented) => app.authenticate(parts, presented, visit.now()).await,
        None => Err(invited(Problem::new(Code::Unauthenticated))),
    };
    match verified {
        Ok(verified) => {
            if let Some(user) = verified.subject.person() {
                visit.set_user(user);
            }
            if let Some(admin) = verified.impersonator {
                visit.set_impersonator(admin);
            }
            // Whoever acts as somebody else does not use up what that person may ask.
            let asks = verified.impersonator.unwrap_or(verified.subject.id());
            take(app, visit, Policy::SignedIn, asks.as_bytes()).await?;
            Ok(verified)
        }
        // A token that does not verify is an anonymous request, and counts as one.
        Err(problem) => {
            take_address(app, visit, Policy::Global).await?;
            Err(problem)
        }
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Self::of(admitted(parts, app).await?)
    }
}

impl Caller {
    /// The person behind a verified token.
    ///
    /// # Errors
    /// `insufficient_scope` or `forbidden` for a token that stands for somebody or something else.
    pub fn of(token: Arc<Verified>) -> Result<Self, Problem> {
        match token.subject {
            Subject::Person { user, session, .. } if token.own => Ok(Self { user, session, token }),
            Subject::Person { .. } if token.impersonator.is_some() => {
                let detail = "This is for the person alone; whoever acts as them does not reach it.";
                Err(token.refused(Problem::new(Code::InsufficientScope).detail(detail)))
            }
            Subject::Person { .. } => {
                let detail = "This is for the person alone; the access token of an application does not reach it.";
                Err(token.refused(Problem::new(Code::InsufficientScope).detail(detail)))
            }
            Subject::Token { .. } => {
                let detail = "This is for the person alone; a personal access token does not reach it.";
                Err(token.refused(Problem::new(Code::InsufficientScope).detail(detail)))
            }
            Subject::Service(_) => Err(token.refused(no_person())),
        }
    }
}

/// A person, signed in by themselves; or an administrator who acts as them for a while. For what shows a person their own, and
/// for the little that may be changed in their name: everything else asks for a [`Caller`].
#[derive(Clone, Debug)]
pub struct Present(Caller);

impl std::ops::Deref for Present {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl FromRequestParts<App> for Present {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = admitted(parts, app).await?;
        match token.subject {
            Subject::Person { user, session, .. } if token.impersonator.is_some() => Ok(Self(Caller { user, session, token })),
            _ => Caller::of(token).map(Self),
        }
    }
}

fn no_person() -> Problem {
    Problem::new(Code::Forbidden).detail("This needs a person who is signed in; this access token speaks for a client.")
}

/// A person, signed in by themselves; or something that acts for them, an application or a program with a personal access token,
/// and was granted the scope `S`.
#[derive(Debug)]
pub struct Personal<S> {
    /// The person.
    pub user: Uuid,
    token: Arc<Verified>,
    scope: PhantomData<S>,
}

impl<S> Personal<S> {
    /// What they came with.
    pub fn token(&self) -> Arc<Verified> {
        self.token.clone()
    }
}

impl<S> std::ops::Deref for Personal<S> {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.token
    }
}

impl<S: Scope + Send> FromRequestParts<App> for Personal<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = admitted(parts, app).await?;
        let user = token.subject.person().ok_or_else(|| token.refused(no_person()))?;
        if token.own || app.grants(&token, S::NAME).await.map_err(|problem| token.refused(problem))? {
            return Ok(Self { user, token, scope: PhantomData });
        }
        Err(lacks::<S>(&token))
    }
}

/// A signed-in person, if there is one. A bad token counts as none.
#[derive(Clone, Debug)]
pub struct MaybeCaller(pub Option<Caller>);

impl FromRequestParts<App> for MaybeCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        maybe(parts, app).await.map(Self)
    }
}

/// The same, or who acts as them.
#[derive(Clone, Debug)]
pub struct MaybePresent(pub Option<Present>);

impl FromRequestParts<App> for MaybePresent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        maybe(parts, app).await.map(Self)
    }
}

async fn maybe<G: FromRequestParts<App, Rejection = Problem>>(parts: &mut Parts, app: &App) -> Result<Option<G>, Problem> {
    if presented(parts).is_none() {
        take_address(app, &Visit::from_request_parts(parts, app).await?, Policy::Global).await?;
        return Ok(None);
    }
    match G::from_request_parts(parts, app).await {
        Ok(caller) => Ok(Some(caller)),
        Err(problem) if problem.code.status() == 401 => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// A route's own limit, as a type: `Visitor<Login>`.
pub trait OwnLimit {
    /// The policy, besides the global one.
    const POLICY: Option<Policy>;
}

macro_rules! own_limits {
    ($($(#[$doc:meta])* $name:ident = $policy:expr;)+) => {
        $($(#[$doc])* #[derive(Clone, Copy, Debug)] pub struct $name;
        impl OwnLimit for $name { const POLICY: Option<Policy> = $policy; })+
    };
}

own_limits! {
    /// Only the global limit.
    NoOwnLimit = None;
    /// `KEYSTEAD_LIMITS__LOGIN`.
    LoginLimit = Some(Policy::Login);
    /// `KEYSTEAD_LIMITS__SIGNUP`.
    SignupLimit = Some(Policy::Signup);
    /// `KEYSTEAD_LIMITS__PASSWORD_FORGOT`.
    ForgotLimit = Some(Policy::PasswordForgot);
    /// `KEYSTEAD_LIMITS__VERIFY_RESEND`.
    ResendLimit = Some(Policy::VerifyResend);
}

/// Anybody: a caller who is not signed in, or does not need to be.
#[derive(Clone, Debug)]
pub struct Visitor<L = NoOwnLimit> {
    /// The request.
    pub visit: Visit,
    limit: PhantomData<L>,
}

impl<L: OwnLimit + Send> FromRequestParts<App> for Visitor<L> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let visit = Visit::from_request_parts(parts, app).await?;
        take_address(app, &visit, Policy::Global).await?;
        if let Some(policy) = L::POLICY {
            take_address(app, &visit, policy).await?;
        }
        Ok(Self { visit, limit: PhantomData })
    }
}

/// Takes from the budget of the caller's address. Behind a proxy that is not declared trusted that is the
/// proxy's, and the doctor says so.
pub async fn take_address(app: &App, visit: &Visit, policy: Policy) -> Result<(), Problem> {
    take(app, visit, policy, visit.client().limit_key().as_ref()).await
}

/// Takes one from the budget of `key` and notes it for the answer.
pub async fn take(app: &App, visit: &Visit, policy: Policy, key: &[u8]) -> Result<(), Problem> {
    if let Some(headers) = app.ground.limiter.check(policy, key, visit.now()).await? {
        visit.note_limit(headers);
    }
    Ok(())
}
