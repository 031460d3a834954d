//! The SQL of what administrators change about others.

use uuid::Uuid;

use crate::args;
use crate::db::{DbError, Tx};
use crate::roles::ADMIN;
use crate::time::Timestamp;

crate::statements! {
    /// Everybody who may be an active administrator; on PostgreSQL they stay so until the commit.
    HOLD_ADMINISTRATORS = "SELECT id, roles FROM users WHERE status = 'active' AND roles LIKE '%admin%' ORDER BY id",
      postgres "SELECT id, roles FROM users WHERE status = 'active' AND roles LIKE '%admin%' ORDER BY id FOR UPDATE";
    /// Other roles for the version that somebody knows; 0 for whichever it is.
    SET_ROLES = "UPDATE users SET roles = $2, updated_at = $3, version = version + 1
        WHERE id = $1 AND status <> 'deleted' AND (version = $4 OR $4 = 0)";
    /// Nobody signs in with the password any more.
    DROP_PASSWORD = "UPDATE users SET password_hash = NULL, password_changed_at = $2 WHERE id = $1";
    /// Another address, which nobody has confirmed. Who was active waits for that, where it is asked for.
    SET_EMAIL = "UPDATE users SET email_index = $2, email = $3, email_verified_at = NULL, contested_at = NULL, updated_at = $5,
            status = CASE WHEN status = 'active' AND $4 THEN 'pending' ELSE status END, version = version + 1
        WHERE id = $1 AND status <> 'deleted'",
      postgres "UPDATE users SET email_index = $2, email = $3, email_verified_at = NULL, contested_at = NULL, updated_at = $5,
            status = CASE WHEN status = 'active' AND $4::boolean THEN 'pending' ELSE status END, version = version + 1
        WHERE id = $1 AND status <> 'deleted'";
    /// Another profile, in the same way.
    SET_PROFILE_OF = "UPDATE users SET name = coalesce($2, name), job_role = CASE WHEN $3 THEN $4 ELSE job_role END, updated_at = $5, version = version + 1
        WHERE id = $1 AND status <> 'deleted' AND (version = $6 OR $6 = 0)",
      postgres "UPDATE users SET name = coalesce($2::bytea, name), job_role = CASE WHEN $3::boolean THEN $4::bytea ELSE job_role END, updated_at = $5, version = version + 1
        WHERE id = $1 AND status <> 'deleted' AND (version = $6 OR $6 = 0)";
}

/// The active administrators, by id; on PostgreSQL nobody stops to be one until the commit.
pub(super) async fn hold_administrators(tx: &mut Tx) -> Result<Vec<Uuid>, DbError> {
    let mut active = Vec::new();
    for row in tx.query(HOLD_ADMINISTRATORS, args![]).await? {
        if row.get::<String>(1)?.split_ascii_whitespace().any(|role| role == ADMIN) {
            active.push(row.get(0)?);
        }
    }
    Ok(active)
}

/// Voids somebody's password: whoever knows it is not let in, and a new one is set by a link.
pub(super) async fn drop_password(tx: &mut Tx, id: Uuid, now: Timestamp) -> Result<(), DbError> {
    tx.execute(DROP_PASSWORD, args![id, now]).await.map(|_| ())
}

/// Gives somebody exactly `roles`; false when they are deleted, or not of `version` (any more).
pub(super) async fn set_roles(tx: &mut Tx, id: Uuid, roles: &[String], version: Option<i64>, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(SET_ROLES, args![id, roles.join(" "), now, version.unwrap_or(0)]).await? == 1)
}

/// Writes the sealed profile of somebody; `None` leaves a column as it is. False in the same cases.
pub(super) async fn set_profile(
    tx: &mut Tx,
    id: Uuid,
    name: Option<Vec<u8>>,
    job_role: Option<Option<Vec<u8>>>,
    version: Option<i64>,
    now: Timestamp,
) -> Result<bool, DbError> {
    let args = args![id, name, job_role.is_some(), job_role.flatten(), now, version.unwrap_or(0)];
    Ok(tx.execute(SET_PROFILE_OF, args).await? == 1)
}

/// Gives somebody another address, sealed and by its index; with `confirm` whoever is active waits until it is confirmed. False when
/// they are deleted.
///
/// # Errors
/// `Unique` when somebody has the address.
pub(super) async fn set_email(
    tx: &mut Tx,
    id: Uuid,
    index: [u8; 32],
    email: Vec<u8>,
    confirm: bool,
    now: Timestamp,
) -> Result<bool, DbError> {
    Ok(tx.execute(SET_EMAIL, args![id, index, email, confirm, now]).await? == 1)
}
