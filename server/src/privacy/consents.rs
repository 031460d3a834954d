//! Accepting a policy: checked, written once, on record.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::holdings::{Asked, Erasure, Holding, Kept, Page, ROWS, Reading, Records};
use super::routes::shown;
use super::store::{self, Consent};
use crate::app::App;
use crate::config::Settings;
use crate::db::{DbError, Tx};
use crate::error::FieldError;
use crate::ground::Ground;
use crate::http::context::Origin;
use crate::secret::{PersonKey, Place};
use crate::time::Timestamp;

/// What this slice holds about people.
pub const HOLDING: Holding = Holding {
    name: "consents",
    title: "Consents",
    about: "Which version of which policy you accepted, when and from which address.",
    tables: &[("consents", "user_id")],
    kept: Kept::WithAccount,
    erasure: Erasure::Deleted,
    records: Records::Exported(records),
};

fn records<'a>(app: &'a App, asked: &'a Asked) -> Reading<'a> {
    Box::pin(async move {
        let rows = store::list(&app.ground.db, asked.person, asked.after_id(), ROWS).await?;
        Page::of(rows, |consent| consent.id, |consent| Ok(shown(&consent, &asked.key)))
    })
}

/// A policy in the version that somebody accepts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Name of the policy, such as `privacy` or `terms`.
    #[schema(max_length = 64, min_length = 1, pattern = "^[A-Za-z0-9._-]+$")]
    pub policy: String,
    /// Its version, such as `2026-01`.
    #[schema(max_length = 64, min_length = 1, pattern = "^[A-Za-z0-9._-]+$")]
    pub version: String,
}

/// Checks the two names; `field` is where they stood in the request.
pub fn check_acceptance(settings: &Settings, acceptance: &Acceptance, field: &str) -> Result<(), FieldError> {
    let plain = |text: &str| (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if !plain(&acceptance.policy) || !plain(&acceptance.version) {
        return Err(FieldError {
            field: field.to_owned().into(),
            code: "invalid_policy",
            message: "Name a policy and a version with letters, digits, dots, dashes and underscores, at most 64 each.".into(),
        });
    }
    let known = &settings.privacy.policies;
    let current = known.iter().find(|(policy, _)| *policy == acceptance.policy);
    match current {
        None if known.is_empty() => Ok(()),
        Some((_, version)) if *version == acceptance.version => Ok(()),
        Some((_, version)) => Err(FieldError {
            field: field.to_owned().into(),
            code: "outdated_version",
            message: format!("The current version is {version}.").into(),
        }),
        None => Err(FieldError { field: field.to_owned().into(), code: "unknown_policy", message: "There is no such policy here.".into() }),
    }
}

/// Seals what is written down about accepting `acceptance`.
pub fn give(ground: &Ground, user: Uuid, key: &PersonKey, acceptance: &Acceptance, origin: &Origin, now: Timestamp) -> Consent {
    let id = ground.random.uuid(now);
    let place = Place { table: "consents", column: "ip", row: id.as_bytes() };
    let ip = origin.ip.map(|ip| key.seal(place, ip.to_string().as_bytes()));
    Consent { id, user, policy: acceptance.policy.clone(), version: acceptance.version.clone(), accepted_at: now, ip }
}

/// Policies whose current version is not among `given`.
pub fn missing(settings: &Settings, given: &[Consent]) -> Vec<Acceptance> {
    let has = |policy: &str, version: &str| given.iter().any(|consent| consent.policy == policy && consent.version == version);
    let open = settings.privacy.policies.iter().filter(|(policy, version)| !has(policy, version));
    open.map(|(policy, version)| Acceptance { policy: policy.clone(), version: version.clone() }).collect()
}

/// Puts `consents` in the place of all that `user` has given: another person may have given those.
pub async fn replace(tx: &mut Tx, user: Uuid, consents: &[Consent]) -> Result<(), DbError> {
    store::clear(tx, user).await?;
    write(tx, consents).await
}

/// As many statements as [`write`], and nothing written: for whom there is nobody to write it for.
pub async fn pretend(tx: &mut Tx, consents: &[Consent]) -> Result<(), DbError> {
    for consent in consents {
        store::find(tx, consent.user, &consent.policy, &consent.version).await?;
    }
    Ok(())
}

/// Writes `consents` into the caller's transaction; one given before stays as it was.
pub async fn write(tx: &mut Tx, consents: &[Consent]) -> Result<(), DbError> {
    for consent in consents {
        store::insert(tx, consent).await?;
    }
    Ok(())
}
