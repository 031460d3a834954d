//! `/api/v1/auth/signup|register|verify-email|login|password/*`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::applicant::{Applicant, Typed};
use super::letters::{CODE_REQUESTED, RESET_REQUESTED, Requested};
use super::policy;
use super::signup::{SignUp, SignedUp, sign_up};
use crate::accounts::{Email, check_email};
use crate::app::App;
use crate::codes::normalise_code;
use crate::error::{Code, FieldError, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::Json;
use crate::http::guard::{Caller, ForgotLimit, LoginLimit, ResendLimit, Visitor, take, take_address};
use crate::http::limits::Policy;
use crate::http::visit::Visit;
use crate::idempotency::{self, Idempotent};
use crate::jobs::Kind;
use crate::privacy::{Acceptance, check_acceptance};
use crate::sessions::{SignInAnswer, Transport, UserAnswer};

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(signup))
        .routes(routes!(register))
        .routes(routes!(verify_email))
        .routes(routes!(resend))
        .routes(routes!(login))
        .routes(routes!(forgot))
        .routes(routes!(reset))
        .routes(routes!(change))
}

/// Policies that can be accepted at once.
const ACCEPTED_MAX: usize = 20;

fn refused(errors: Vec<FieldError>) -> Problem {
    Problem { errors, ..Problem::new(Code::ValidationFailed) }
}

fn email(typed: &str, errors: &mut Vec<FieldError>) -> Option<Email> {
    check_email(typed).map_err(|fault| errors.push(fault)).ok()
}

/// Refuses a password that is missing or longer than any that can have been set, before it is hashed.
fn given(field: &'static str, password: &SecretString, errors: &mut Vec<FieldError>) {
    let length = password.expose_secret().len();
    if length == 0 {
        errors.push(FieldError { field: field.into(), code: "required", message: "Enter the password.".into() });
    } else if length > policy::MAX_BYTES {
        errors.push(FieldError { field: field.into(), code: "too_long", message: "This is longer than any password can be.".into() });
    }
}

/// A sign-up.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SignupRequest {
    /// The address; normalised to lower case.
    #[serde(default)]
    #[schema(required = true, format = "email", max_length = 254, example = "ada@example.com")]
    email: String,
    /// The name.
    #[serde(default)]
    #[schema(required = true, min_length = 1, max_length = 200, example = "Ada Lovelace")]
    name: String,
    /// At least 8 characters with an upper-case letter, a lower-case letter and a digit, and not easy to guess.
    #[serde(default)]
    #[schema(required = true, value_type = String, format = Password, min_length = 8, max_length = 1024, example = "correct-Horse-7-battery")]
    password: SecretString,
    /// Free text: what the person does.
    #[serde(default)]
    #[schema(max_length = 200, example = "Engineer")]
    role: Option<String>,
    /// Policies that the person accepts with this.
    #[serde(default)]
    accepted_policies: Vec<Acceptance>,
    /// Only with e-mail verification switched off: where the refresh token goes.
    #[serde(default)]
    transport: Transport,
}

impl SignupRequest {
    fn check(self, app: &App) -> Result<(SignUp, Transport), Problem> {
        let settings = &app.ground.settings;
        let mut errors = Vec::new();
        let typed = Typed { email: &self.email, name: &self.name, role: self.role.as_deref(), password: Some(&self.password) };
        let who = Applicant::check(&settings.passwords, &typed, &mut errors);
        if self.accepted_policies.len() > ACCEPTED_MAX {
            let message = format!("Accept at most {ACCEPTED_MAX} policies at once.");
            errors.push(FieldError { field: "acceptedPolicies".into(), code: "too_many", message: message.into() });
        }
        for (index, accepted) in self.accepted_policies.iter().take(ACCEPTED_MAX).enumerate() {
            if let Err(fault) = check_acceptance(settings, accepted, &format!("acceptedPolicies.{index}")) {
                errors.push(fault);
            }
        }
        match who {
            Some(who) if errors.is_empty() => {
                Ok((SignUp { who, password: self.password, accepted: self.accepted_policies }, self.transport))
            }
            _ => Err(refused(errors)),
        }
    }
}

/// Sign up
///
/// The answer is the same whether or not the address has an account; the mail that follows is not. With e-mail
/// verification switched off the answer is the sign-in answer.
#[utoipa::path(post, path = "/api/v1/auth/signup", tag = "signing in", operation_id = "signUp", request_body = SignupRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeat safely: the same key and body get the first answer again", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses((status = 201, body = SignupAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn signup(
    State(app): State<App>,
    visitor: Visitor,
    Now(now): Now,
    origin: Origin,
    Idempotent(request, key): Idempotent<SignupRequest>,
) -> Result<Response, Problem> {
    // An answer with tokens is never kept; without verification a repeat meets the account that is there.
    let key = key.filter(|_| app.ground.settings.accounts.require_verified_email);
    let this = app.clone();
    let work = Box::pin(async move {
        let (request, transport) = request.check(&this)?;
        // What is refused counts as any request does: whoever looks for a good password is not shut out for an hour.
        take_address(&this, &visitor.visit, Policy::Signup).await?;
        Ok(match sign_up(&this, request, &origin, now).await? {
            SignedUp::Pending(user) => (StatusCode::CREATED, Json(UserAnswer { user })).into_response(),
            SignedUp::SignedIn(signed_in) => signed_in.answer(StatusCode::CREATED, transport),
        })
    });
    idempotency::once(&app, key, "signup", None, now, work).await
}

/// What a sign-up answers: the person, or with verification switched off the sign-in answer.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the two answers for the API reference")]
enum SignupAnswer {
    SignedIn(Box<SignInAnswer>),
    Pending(UserAnswer),
}

/// Sign up, under its other name
#[utoipa::path(post, path = "/api/v1/auth/register", tag = "signing in", operation_id = "register", request_body = SignupRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeat safely: the same key and body get the first answer again", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses((status = 201, body = SignupAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn register(
    state: State<App>,
    visitor: Visitor,
    now: Now,
    origin: Origin,
    request: Idempotent<SignupRequest>,
) -> Result<Response, Problem> {
    signup(state, visitor, now, origin, request).await
}

/// The mailed code.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VerifyEmailRequest {
    /// The address it was mailed to.
    #[serde(default)]
    #[schema(required = true, format = "email", max_length = 254)]
    email: String,
    /// Six digits.
    #[serde(default)]
    #[schema(required = true, pattern = "^[0-9]{6}$", example = "123456")]
    code: String,
    /// Where the refresh token goes.
    #[serde(default)]
    transport: Transport,
}

/// Confirm the address and sign in
#[utoipa::path(post, path = "/api/v1/auth/verify-email", tag = "signing in", operation_id = "verifyEmail", request_body = VerifyEmailRequest,
    responses((status = 200, body = SignInAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn verify_email(
    State(app): State<App>,
    visitor: Visitor,
    Now(now): Now,
    origin: Origin,
    Json(request): Json<VerifyEmailRequest>,
) -> Result<Response, Problem> {
    let mut errors = Vec::new();
    let email = email(&request.email, &mut errors);
    let code = normalise_code(&request.code);
    if code.is_none() {
        errors.push(FieldError { field: "code".into(), code: "invalid_code", message: "The code has six digits.".into() });
    }
    let (Some(email), Some(code)) = (email, code) else { return Err(refused(errors)) };
    let signed_in = super::confirm::confirm(&app, &email, &code, &origin, now).await?;
    visitor.visit.set_user(signed_in.user());
    Ok(signed_in.answer(StatusCode::OK, request.transport))
}

/// An address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EmailRequest {
    /// The address.
    #[serde(default)]
    #[schema(required = true, format = "email", max_length = 254, example = "ada@example.com")]
    email: String,
}

/// An empty object: what happens next is in the mail.
#[derive(Serialize, ToSchema)]
struct Accepted {}

/// The same answer for every address: a job looks whether there is anything to send.
async fn enqueue(
    app: &App,
    visit: &Visit,
    origin: Origin,
    typed: &str,
    policy: Policy,
    kind: Kind,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let mut errors = Vec::new();
    let Some(email) = email(typed, &mut errors) else { return Err(refused(errors)) };
    let index = app.ground.keyring.blind_index("email", email.as_str());
    // Per address, too, whether or not somebody has it.
    take(app, visit, policy, &index).await?;
    let (jobs, now, payload) = (app.ground.jobs.clone(), visit.now(), Requested { email: email.as_str().to_owned(), origin });
    app.ground.db.write(async move |tx| jobs.enqueue(tx, kind, &payload, now).await.map(|_| ())).await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted {})))
}

/// Mail the confirmation code again
#[utoipa::path(post, path = "/api/v1/auth/verify-email/resend", tag = "signing in", operation_id = "resendCode", request_body = EmailRequest,
    responses((status = 202, body = Accepted), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn resend(
    State(app): State<App>,
    visitor: Visitor<ResendLimit>,
    origin: Origin,
    Json(request): Json<EmailRequest>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    enqueue(&app, &visitor.visit, origin, &request.email, Policy::VerifyResend, CODE_REQUESTED).await
}

/// A sign-in.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LoginRequest {
    /// The address.
    #[serde(default)]
    #[schema(required = true, format = "email", max_length = 254, example = "ada@example.com")]
    email: String,
    /// The password.
    #[serde(default)]
    #[schema(required = true, value_type = String, format = Password, min_length = 1, max_length = 1024)]
    password: SecretString,
    /// Where the refresh token goes.
    #[serde(default)]
    transport: Transport,
}

/// Sign in
///
/// A wrong password and an unknown address get the same answer in the same time. Five failures lock the address
/// for half an hour (423), whether or not an account has it.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "signing in", operation_id = "login", request_body = LoginRequest,
    responses((status = 200, body = SignInAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn login(
    State(app): State<App>,
    visitor: Visitor<LoginLimit>,
    Now(now): Now,
    origin: Origin,
    Json(request): Json<LoginRequest>,
) -> Result<Response, Problem> {
    let mut errors = Vec::new();
    let email = email(&request.email, &mut errors);
    given("password", &request.password, &mut errors);
    let Some(email) = email.filter(|_| errors.is_empty()) else { return Err(refused(errors)) };
    let signed_in = super::login::login(&app, &email, &request.password, &origin, now).await?;
    visitor.visit.set_user(signed_in.user());
    Ok(signed_in.answer(StatusCode::OK, request.transport))
}

/// Ask for a reset link
#[utoipa::path(post, path = "/api/v1/auth/password/forgot", tag = "signing in", operation_id = "forgotPassword", request_body = EmailRequest,
    responses((status = 202, body = Accepted), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn forgot(
    State(app): State<App>,
    visitor: Visitor<ForgotLimit>,
    origin: Origin,
    Json(request): Json<EmailRequest>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    enqueue(&app, &visitor.visit, origin, &request.email, Policy::PasswordForgot, RESET_REQUESTED).await
}

/// A reset.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResetRequest {
    /// From the mailed link.
    #[serde(default)]
    #[schema(required = true, min_length = 1)]
    token: String,
    /// The new password.
    #[serde(default)]
    #[schema(required = true, value_type = String, format = Password, min_length = 8, max_length = 1024)]
    password: SecretString,
}

/// Set a new password through the mailed link
///
/// Works once. Ends every session and takes a lock away.
#[utoipa::path(post, path = "/api/v1/auth/password/reset", tag = "signing in", operation_id = "resetPassword", request_body = ResetRequest,
    responses((status = 204, description = "The password is set"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn reset(
    State(app): State<App>,
    _visitor: Visitor,
    Now(now): Now,
    origin: Origin,
    Json(request): Json<ResetRequest>,
) -> Result<StatusCode, Problem> {
    if request.token.is_empty() {
        let mut errors = policy::check(&app.ground.settings.passwords, "password", request.password.expose_secret(), &[]);
        errors.insert(0, FieldError { field: "token".into(), code: "required", message: "Use the link from the mail.".into() });
        return Err(refused(errors));
    }
    super::reset::reset(&app, &request.token, request.password, &origin, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A change.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChangeRequest {
    /// The password as it is.
    #[serde(default)]
    #[schema(required = true, value_type = String, format = Password, min_length = 1, max_length = 1024)]
    current_password: SecretString,
    /// The password as it will be.
    #[serde(default)]
    #[schema(required = true, value_type = String, format = Password, min_length = 8, max_length = 1024)]
    new_password: SecretString,
}

/// Change my password
///
/// Ends my other sessions.
#[utoipa::path(post, path = "/api/v1/auth/password/change", tag = "signing in", operation_id = "changePassword", request_body = ChangeRequest, security(("bearer" = [])),
    responses((status = 204, description = "The password is changed"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn change(
    State(app): State<App>,
    caller: Caller,
    Now(now): Now,
    origin: Origin,
    Json(request): Json<ChangeRequest>,
) -> Result<StatusCode, Problem> {
    let mut errors = Vec::new();
    given("currentPassword", &request.current_password, &mut errors);
    if !errors.is_empty() {
        errors.extend(policy::check(&app.ground.settings.passwords, "newPassword", request.new_password.expose_secret(), &[]));
        return Err(refused(errors));
    }
    super::change::change(&app, &caller, &request.current_password, request.new_password, &origin, now).await?;
    Ok(StatusCode::NO_CONTENT)
}
