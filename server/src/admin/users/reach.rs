//! Whom somebody may act on, and who they are on record.

use uuid::Uuid;

use crate::accounts::By;
use crate::accounts::directory::{self, Entry, Who};
use crate::app::App;
use crate::error::{Code, Problem};
use crate::http::context::Origin;
use crate::http::guard::Verified;

/// The longest reason that is kept, in characters.
pub(super) const REASON_MAX: usize = 500;

/// The account with this id, in whatever state.
///
/// # Errors
/// `not_found`.
pub(super) async fn account(app: &App, id: Uuid) -> Result<Entry, Problem> {
    directory::find(&app.ground, &Who::Id(id)).await?.ok_or_else(|| Code::NotFound.into())
}

/// The same for whom `caller` may act on: they hold everything that the account holds. Whoever may change accounts could
/// otherwise lock out, or become, those who may do more.
///
/// # Errors
/// `not_found`, `forbidden`.
pub(in crate::admin) async fn within_reach(app: &App, caller: &Verified, id: Uuid) -> Result<Entry, Problem> {
    let found = account(app, id).await?;
    holds(app, caller, &found.row.roles).await?;
    Ok(found)
}

/// Whether `caller` holds everything that `roles` grant.
///
/// # Errors
/// `forbidden`, with the first scope that is missing.
pub(super) async fn holds(app: &App, caller: &Verified, roles: &[String]) -> Result<(), Problem> {
    match app.beyond(caller, roles).await? {
        None => Ok(()),
        Some(scope) => {
            let detail = format!("This is about more than you have: it takes the scope `{scope}`, which you do not hold.");
            Err(Problem::new(Code::Forbidden).detail(detail))
        }
    }
}

/// Who acts, from where and why, on the account as it was `seen`: if it became another meanwhile, nothing is done.
pub(in crate::admin) async fn by(
    app: &App,
    caller: &Verified,
    seen: &Entry,
    origin: Origin,
    reason: Option<String>,
) -> Result<By, Problem> {
    let key = match caller.subject.person() {
        Some(person) => Some(app.ground.keyring.get(person).await?),
        None => None,
    };
    let reason = reason.map(checked_reason).transpose()?;
    Ok(By { actor: caller.subject.into(), reason, origin: Some(origin), key, seen: Some(seen.row.version) })
}

/// A reason as it is kept.
///
/// # Errors
/// `validation_failed`.
pub fn checked_reason(reason: String) -> Result<String, Problem> {
    let refuse = |code, message: &str| Err(Problem::new(Code::ValidationFailed).field("reason", code, message.to_owned()));
    let text = reason.trim();
    if text.is_empty() {
        return refuse("required", "Say why; it stands in the audit trail.");
    }
    if text.chars().count() > REASON_MAX {
        return refuse("too_long", "Use at most 500 characters.");
    }
    if text.chars().any(char::is_control) {
        return refuse("invalid_characters", "Use only visible characters.");
    }
    Ok(text.to_owned())
}
