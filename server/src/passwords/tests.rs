//! What the slice of passwords promises (A1–A8), over HTTP on both stores.

#[path = "tests/attempts.rs"]
mod attempts;
#[path = "tests/change.rs"]
mod change;
#[path = "tests/confirmation.rs"]
mod confirmation;
#[path = "tests/equality.rs"]
mod equality;
#[path = "tests/flood.rs"]
mod flood;
#[path = "tests/hijack.rs"]
mod hijack;
#[path = "tests/lockout.rs"]
mod lockout;
#[path = "tests/login.rs"]
mod login;
#[path = "tests/policy.rs"]
mod policy;
#[path = "tests/reset.rs"]
mod reset;
#[path = "tests/signup.rs"]
mod signup;

use serde_json::{Value, json};

use crate::support::{Answer, Client, Instance};

const SIGNUP: &str = "/api/v1/auth/signup";
const VERIFY: &str = "/api/v1/auth/verify-email";
const RESEND: &str = "/api/v1/auth/verify-email/resend";
const LOGIN: &str = "/api/v1/auth/login";
const FORGOT: &str = "/api/v1/auth/password/forgot";
const RESET: &str = "/api/v1/auth/password/reset";
const CHANGE: &str = "/api/v1/auth/password/change";
const ME: &str = "/api/v1/auth/me";

/// Another good password.
const OTHER: &str = "Quiet-Otter-Juggles-77";
/// A third one.
const THIRD: &str = "Brisk-Lemur-Paints-1903";

fn credentials(email: &str, password: &str) -> Value {
    json!({ "email": email, "password": password, "transport": "body" })
}

async fn login(api: &Client, email: &str, password: &str) -> Answer {
    api.post(LOGIN, credentials(email, password)).await
}

async fn sign_up(api: &Client, email: &str, name: &str, password: &str) -> Answer {
    api.post(SIGNUP, json!({ "email": email, "name": name, "password": password })).await.expect(201)
}

async fn verify(api: &Client, email: &str, code: &str) -> Answer {
    api.post(VERIFY, json!({ "email": email, "code": code, "transport": "body" })).await
}

/// Asks for a reset link and returns its token.
async fn reset_token(instance: &Instance, email: &str) -> String {
    instance.post(FORGOT, json!({ "email": email })).await.expect(202);
    instance.mail_to(email).await.token()
}

/// What a stranger could compare: status, headers and body without ids, times and budgets.
fn looks(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["x-request-id", "date", "ratelimit", "ratelimit-policy"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    headers.sort();
    let mut body = answer.text.clone();
    for pointer in ["/user/id", "/user/createdAt", "/requestId"] {
        if let Some(varying) = answer.body.pointer(pointer).and_then(Value::as_str) {
            body = body.replace(varying, "…");
        }
    }
    (answer.status, headers, body)
}

/// The codes of `answers`, counted: how many have this status.
fn with_status(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}
