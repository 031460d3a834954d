//! Rate limits: which there are, how a request is counted, and how the answer says it.
//!
//! The counting itself (GCRA, one atomic step for all instances) is `shared`'s. Headers follow
//! draft-ietf-httpapi-ratelimit-headers: `RateLimit-Policy: "login";q=10;w=300`, `RateLimit: "login";r=9;t=300`.

use std::fmt::Write;

use http::{HeaderName, HeaderValue};

use crate::config::Limits;
use crate::error::{Code, Problem};
use crate::shared::{Budget, Decision, Shared};
use crate::time::Timestamp;

pub(super) const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A tier or a route with a budget of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Callers who are not signed in, per address.
    Global,
    /// Signed-in callers, per user.
    SignedIn,
    /// Costly routes, per user.
    ApiUser,
    /// Sign-in, per address.
    Login,
    /// Sign-up, per address.
    Signup,
    /// Asking for a reset mail, per address and per account.
    PasswordForgot,
    /// Asking for another verification code, per address and per account.
    VerifyResend,
    /// Beginning the sign-in of a device, per address.
    DeviceRequest,
    /// Typing the code of a device, per person and per address.
    DeviceCode,
    /// Making a ticket for a realtime connection or a live transcript, per user.
    Ticket,
    /// Starting a voice session, per address.
    VoiceSession,
    /// Taking a voice token, per address.
    VoiceToken,
    /// Posting transcript segments, per address.
    Transcript,
}

impl Policy {
    /// All policies.
    pub const ALL: &[Policy] = &[
        Policy::Global,
        Policy::SignedIn,
        Policy::ApiUser,
        Policy::Login,
        Policy::Signup,
        Policy::PasswordForgot,
        Policy::VerifyResend,
        Policy::DeviceRequest,
        Policy::DeviceCode,
        Policy::Ticket,
        Policy::VoiceSession,
        Policy::VoiceToken,
        Policy::Transcript,
    ];

    /// The name in headers, metrics and the shared state.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::SignedIn => "signed_in",
            Self::ApiUser => "api_user",
            Self::Login => "login",
            Self::Signup => "signup",
            Self::PasswordForgot => "password_forgot",
            Self::VerifyResend => "verify_resend",
            Self::DeviceRequest => "device_request",
            Self::DeviceCode => "device_code",
            Self::Ticket => "ticket",
            Self::VoiceSession => "voice_session",
            Self::VoiceToken => "voice_token",
            Self::Transcript => "transcript",
        }
    }

    /// The configured budget.
    pub const fn budget(self, limits: &Limits) -> Budget {
        match self {
            Self::Global => limits.global,
            Self::SignedIn => limits.signed_in,
            Self::ApiUser => limits.api_user,
            Self::Login => limits.login,
            Self::Signup => limits.signup,
            Self::PasswordForgot => limits.password_forgot,
            Self::VerifyResend => limits.verify_resend,
            Self::DeviceRequest => limits.device_request,
            Self::DeviceCode => limits.device_code,
            Self::Ticket => limits.ticket,
            Self::VoiceSession => limits.voice_session,
            Self::VoiceToken => limits.voice_token,
            Self::Transcript => limits.transcript,
        }
    }
}

/// Counts requests against the configured budgets.
#[derive(Clone)]
pub struct Limiter {
    shared: Shared,
    settings: Limits,
}

impl Limiter {
    /// Counts in `shared` against `settings`.
    pub fn new(shared: Shared, settings: Limits) -> Self {
        Self { shared, settings }
    }

    /// Counts one request of `key` against `policy`. `None` when limits are switched off; `rate_limited` with
    /// `Retry-After` and the limit headers when the budget is used up.
    pub async fn check(&self, policy: Policy, key: &[u8], now: Timestamp) -> Result<Option<LimitHeaders>, Problem> {
        if !self.settings.enabled {
            return Ok(None);
        }
        let decision = self.shared.take(policy.name(), key, policy.budget(&self.settings), 1, now).await;
        if decision.allowed {
            return Ok(Some(LimitHeaders::new(policy, &decision)));
        }
        Err(refused(policy, &decision, decision.retry_after))
    }

    /// Counts nothing, and refuses when the budget is used up: before work for somebody whose request is counted only if it
    /// turns out to be a guess.
    ///
    /// # Errors
    /// As [`Limiter::check`].
    pub async fn look(&self, policy: Policy, key: &[u8], now: Timestamp) -> Result<(), Problem> {
        if !self.settings.enabled {
            return Ok(());
        }
        let decision = self.shared.take(policy.name(), key, policy.budget(&self.settings), 0, now).await;
        if decision.remaining > 0 { Ok(()) } else { Err(refused(policy, &decision, decision.reset_after)) }
    }
}

fn refused(policy: Policy, decision: &Decision, wait: std::time::Duration) -> Problem {
    metrics::counter!("keystead_limit_hits_total", "policy" => policy.name()).increment(1);
    let problem = Problem::new(Code::RateLimited).detail(format!("Too many requests. Try again in {}.", in_words(wait))).retry_after(wait);
    LimitHeaders::new(policy, decision).into_iter().fold(problem, |problem, (name, value)| problem.header(name, value))
}

/// The limit headers of one answer; several policies stand in one list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitHeaders {
    policies: String,
    states: String,
}

impl LimitHeaders {
    /// What `decision` says about `policy`. Times are whole seconds, rounded up.
    pub fn new(policy: Policy, decision: &Decision) -> Self {
        let name = policy.name();
        let (mut policies, mut states) = (String::with_capacity(32), String::with_capacity(32));
        // Writing to a string does not fail.
        let _ = write!(policies, "\"{name}\";q={};w={}", decision.limit, seconds_up(decision.window));
        let _ = write!(states, "\"{name}\";r={};t={}", decision.remaining, seconds_up(decision.reset_after));
        Self { policies, states }
    }

    /// Both policies in one pair of headers.
    #[must_use]
    pub fn join(self, other: &Self) -> Self {
        Self { policies: format!("{}, {}", self.policies, other.policies), states: format!("{}, {}", self.states, other.states) }
    }
}

impl IntoIterator for LimitHeaders {
    type Item = (HeaderName, HeaderValue);
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<Self::Item>, 2>>;

    fn into_iter(self) -> Self::IntoIter {
        let header = |name, text: &str| HeaderValue::from_str(text).ok().map(|value| (name, value));
        [header(RATELIMIT_POLICY, &self.policies), header(RATELIMIT, &self.states)].into_iter().flatten()
    }
}

/// "1 second", "42 seconds", "1 minute", "5 minutes"; never less than there is to wait.
fn in_words(wait: std::time::Duration) -> String {
    let seconds = seconds_up(wait).max(1);
    let (count, unit) = if seconds < 60 { (seconds, "second") } else { (seconds.div_ceil(60), "minute") };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

fn seconds_up(duration: std::time::Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
