//! A role is made, changed or deleted, on record.
//!
//! `roles:write` alone must not lead to other scopes: whoever changes a role must hold each scope that it has and that it shall
//! have. That includes what is taken away: a scope that no role grants any more is not governed by roles any more.

use super::snapshot::is_built_in;
use super::store::{self, Stored};
use super::view::{NewRole, RoleView};
use crate::access::{OPENID_SCOPES, SCOPES, is_scope, scope};
use crate::app::App;
use crate::audit::{self, Action, Actor, Event, Target};
use crate::error::{Code, FieldError, Problem};
use crate::http::guard::Verified;
use crate::http::if_match::IfMatch;
use crate::time::Timestamp;

/// Roles of an installation besides the built-in ones; all of them are in the memory of every instance.
pub(super) const ROLES_MAX: i64 = 200;
/// The longest name of a role, in characters.
pub const NAME_MAX: usize = 64;
const SCOPES_MAX: usize = 100;
const DESCRIPTION_MAX: usize = 200;
/// Characters of all the application's scopes that roles grant, together: they stand in the access token of an administrator, which
/// has to fit into a header.
const APPLICATION_MAX: usize = 2_000;

/// Who changes a role.
pub struct Act<'a> {
    /// Who has to hold what they give; `None` for an operator at the command line.
    pub by: Option<&'a Verified>,
    /// Fills in who and from where.
    pub event: Event,
    /// When.
    pub now: Timestamp,
}

impl Act<'_> {
    /// An operator at the command line, who does `action`.
    pub fn of_operator(app: &App, action: Action, now: Timestamp) -> Self {
        Self { by: None, event: event(app, action, now).actor(Actor::Operator), now }
    }

    async fn check_holds(&self, app: &App, scopes: &[String]) -> Result<(), Problem> {
        let Some(by) = self.by else { return Ok(()) };
        for scope in scopes {
            if !app.grants(by, scope).await? {
                let detail = format!("The role has or would have the scope `{scope}`, which you do not have; nobody gives what they lack.");
                return Err(Problem::new(Code::InsufficientScope).detail(detail));
            }
        }
        Ok(())
    }
}

/// The event of `action`, to be completed.
pub(super) fn event(app: &App, action: Action, now: Timestamp) -> Event {
    Event::new(&app.ground, action, now).target(Target::none("role"))
}

/// Makes a role, or puts `new` in its place.
///
/// # Errors
/// `validation_failed` with everything that is wrong; `conflict` for a built-in role and when there are too many;
/// `insufficient_scope` when it has or would have what the caller lacks; `version_conflict` when `expected` allows none of what is
/// there, or somebody else changes the role at the same moment.
pub async fn put(app: &App, name: &str, new: NewRole, expected: &IfMatch, act: Act<'_>) -> Result<RoleView, Problem> {
    check_fixed(name)?;
    let new = check(name, new)?;
    let before = store::find(&app.ground.db, name).await?;
    check_version(expected, before.as_ref())?;
    act.check_holds(app, before.as_ref().map_or(&[], |role| &role.scopes)).await?;
    act.check_holds(app, &new.scopes).await?;
    let (roles, name, version, now) = (app.roles.clone(), name.to_owned(), before.map(|role| role.version), act.now);
    let event = act.event;
    let stored = app
        .ground
        .db
        .write(async move |tx| {
            let stored = match version {
                Some(version) => store::replace(tx, &name, new.description.clone(), &new.scopes, version, now).await?,
                None => store::create(tx, &name, new.description.clone(), &new.scopes, now).await?,
            };
            let stored = stored.ok_or(Code::VersionConflict)?;
            check_room(&store::all_in(tx, ROLES_MAX + 1).await?)?;
            let event = event.clone().detail("name", name.clone()).detail("version", stored.version);
            audit::record(tx, &event.detail("scopes", stored.scopes.clone())).await?;
            roles.changed_on_commit(tx);
            Ok::<_, Problem>(stored)
        })
        .await?;
    app.roles.reload().await?;
    Ok(stored.into())
}

/// Deletes a role that nobody has.
///
/// # Errors
/// `not_found`; `conflict` for a built-in role and for one that people have; `insufficient_scope`; `version_conflict`.
pub async fn delete(app: &App, name: &str, expected: &IfMatch, act: Act<'_>) -> Result<(), Problem> {
    check_fixed(name)?;
    check_name(name).map_err(|_| Code::NotFound)?;
    let before = store::find(&app.ground.db, name).await?.ok_or(Code::NotFound)?;
    check_version(expected, Some(&before))?;
    act.check_holds(app, &before.scopes).await?;
    check_unused(store::holders(&app.ground.db, name).await?)?;
    let (roles, name, now) = (app.roles.clone(), name.to_owned(), act.now);
    let event = act.event.detail("name", name.clone());
    app.ground
        .db
        .write(async move |tx| {
            if !store::delete(tx, &name, before.version, now).await? {
                return Err(Problem::new(Code::VersionConflict));
            }
            // Again, now that nobody can be given it any more: see `store::hold`.
            check_unused(store::holders_in(tx, &name).await?)?;
            audit::record(tx, &event).await?;
            roles.changed_on_commit(tx);
            Ok(())
        })
        .await?;
    app.roles.reload().await?;
    Ok(())
}

fn check_fixed(name: &str) -> Result<(), Problem> {
    if is_built_in(name) {
        return Err(Problem::new(Code::Conflict).detail(format!("`{name}` is part of every installation and cannot be changed.")));
    }
    Ok(())
}

fn check_unused(holders: i64) -> Result<(), Problem> {
    let people = match holders {
        0 => return Ok(()),
        1 => "1 account has".to_owned(),
        many => format!("{many} accounts have"),
    };
    Err(Problem::new(Code::Conflict).detail(format!("{people} this role. Give them another one first.")))
}

fn check_version(expected: &IfMatch, found: Option<&Stored>) -> Result<(), Problem> {
    let allowed = *expected == IfMatch::default() || found.is_some_and(|role| expected.allows(role.version));
    if allowed { Ok(()) } else { Err(Code::VersionConflict.into()) }
}

/// Whether all roles together are few enough for memory, and for a token.
fn check_room(all: &[Stored]) -> Result<(), Problem> {
    let conflict = |detail: String| Err(Problem::new(Code::Conflict).detail(detail));
    if i64::try_from(all.len()).unwrap_or(i64::MAX) > ROLES_MAX {
        return conflict(format!("There are {ROLES_MAX} roles already. Delete one that is not used."));
    }
    let mut application: Vec<&str> = all.iter().flat_map(|role| &role.scopes).map(String::as_str).collect();
    application.sort_unstable();
    application.dedup();
    let length: usize = application.iter().filter(|scope| !SCOPES.contains(scope)).map(|scope| scope.len() + 1).sum();
    if length > APPLICATION_MAX {
        return conflict(format!(
            "The scopes of your application would take more than {APPLICATION_MAX} characters in a token. Use fewer or shorter ones."
        ));
    }
    Ok(())
}

/// Whether `name` can be that of a role: a lower-case letter, then letters, digits, dashes and underscores.
pub(super) fn check_name(name: &str) -> Result<(), FieldError> {
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'));
    if begins && plain && name.len() <= NAME_MAX {
        return Ok(());
    }
    let message = "Begin with a letter and use 1 to 64 of a-z, 0-9, dash and underscore.";
    Err(FieldError { field: "name".into(), code: "invalid_name", message: message.into() })
}

/// Everything that is wrong at once; or the role with its scopes in order, each once.
fn check(name: &str, new: NewRole) -> Result<NewRole, Problem> {
    let mut errors: Vec<FieldError> = check_name(name).err().into_iter().collect();
    let mut refuse = |field: String, code, message: &'static str| {
        errors.push(FieldError { field: field.into(), code, message: message.into() });
    };
    let description = new.description.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if description.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION_MAX || text.chars().any(char::is_control)) {
        refuse("description".into(), "invalid", "Use one line of at most 200 characters.");
    }
    if new.scopes.len() > SCOPES_MAX {
        refuse("scopes".into(), "too_many", "A role has at most 100 scopes.");
    }
    for (index, scope) in new.scopes.iter().take(SCOPES_MAX).enumerate() {
        let field = format!("scopes.{index}");
        if !is_scope(scope) {
            refuse(field, "invalid", "A scope has 1 to 64 visible ASCII characters, no space, no quote, no backslash.");
        } else if OPENID_SCOPES.contains(&scope.as_str()) || scope::PERSONAL.contains(&scope.as_str()) {
            refuse(field, "reserved", "This scope is the same for everybody; no role grants it.");
        } else if new.scopes[..index].contains(scope) {
            refuse(field, "duplicate", "Name each scope once.");
        }
    }
    if !errors.is_empty() {
        return Err(Problem { errors, ..Problem::new(Code::ValidationFailed) });
    }
    let mut scopes = new.scopes;
    scopes.sort_unstable();
    Ok(NewRole { description, scopes })
}
