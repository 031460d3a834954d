//! Every SQL line about people.

use uuid::Uuid;

use super::status::Status;
use crate::args;
use crate::db::{Db, DbError, Row, Tx, hex};
use crate::time::Timestamp;

crate::statements! {
    /// A new person, unless the address is taken.
    INSERT = "INSERT INTO users (id, email_index, email, name, job_role, status, roles, email_verified_at, password_hash, password_changed_at,
            created_at, updated_at, established_at, version)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $10, $11, 1)
        ON CONFLICT (email_index) DO NOTHING";
    /// New people, many at once ($1 is JSON: one list a person, bytes in hex); whoever's address is taken is left out.
    INSERT_MANY = "INSERT INTO users (id, email_index, email, name, job_role, status, roles, email_verified_at, password_hash, password_changed_at,
            created_at, updated_at, established_at, version)
        SELECT unhex(value ->> 0), unhex(value ->> 1), unhex(value ->> 2), unhex(value ->> 3), unhex(value ->> 4), value ->> 5, value ->> 6,
            value ->> 7, value ->> 8, CASE WHEN value ->> 8 IS NULL THEN NULL ELSE $2 END, value ->> 9, $2, value ->> 10, 1
        FROM json_each($1) WHERE true ON CONFLICT (email_index) DO NOTHING",
      postgres "INSERT INTO users (id, email_index, email, name, job_role, status, roles, email_verified_at, password_hash, password_changed_at,
            created_at, updated_at, established_at, version)
        SELECT (value ->> 0)::uuid, decode(value ->> 1, 'hex'), decode(value ->> 2, 'hex'), decode(value ->> 3, 'hex'), decode(value ->> 4, 'hex'),
            value ->> 5, value ->> 6, (value ->> 7)::bigint, value ->> 8, CASE WHEN value ->> 8 IS NULL THEN NULL ELSE $2::bigint END,
            (value ->> 9)::bigint, $2::bigint, (value ->> 10)::bigint, 1
        FROM json_array_elements($1::text::json) ON CONFLICT (email_index) DO NOTHING";
    /// Which blind indexes are in use ($1 is a JSON list of hex).
    TAKEN = "SELECT email_index FROM users WHERE email_index IN (SELECT unhex(value) FROM json_each($1))",
      postgres "SELECT email_index FROM users WHERE email_index IN (SELECT decode(value, 'hex') FROM json_array_elements_text($1::text::json))";
    /// A person by id.
    FIND = "SELECT id, email, name, job_role, status, roles, email_verified_at, password_hash, created_at, last_active_at, deleted_at, erases_at, version,
            password_changed_at, contested_at, updated_at, established_at
        FROM users WHERE id = $1";
    /// A person by address.
    FIND_BY_EMAIL = "SELECT id, email, name, job_role, status, roles, email_verified_at, password_hash, created_at, last_active_at, deleted_at, erases_at, version,
            password_changed_at, contested_at, updated_at, established_at
        FROM users WHERE email_index = $1";
    /// A page of people, newest first.
    LIST = "SELECT id, email, name, job_role, status, roles, email_verified_at, password_hash, created_at, last_active_at, deleted_at, erases_at, version,
            password_changed_at, contested_at, updated_at, established_at
        FROM users WHERE id < $1 AND (status = $2 OR $2 = '') AND (deleted_at IS NULL OR $3) ORDER BY id DESC LIMIT $4";
    /// Who was changed since. Who is new was remembered by nobody: an import would be read again and again.
    CHANGED_SINCE = "SELECT id, updated_at, version FROM users WHERE updated_at > $1 AND version > 1";
    /// A new password.
    SET_PASSWORD = "UPDATE users SET password_hash = $2, password_changed_at = $3, updated_at = $3, version = version + 1 WHERE id = $1 AND status <> 'deleted'";
    /// A new password, unless it was changed meanwhile.
    SWAP_PASSWORD = "UPDATE users SET password_hash = $3, password_changed_at = $4, updated_at = $4, version = version + 1
        WHERE id = $1 AND password_hash = $2 AND status <> 'deleted'";
    /// The same password under today's parameters, unless it was changed meanwhile.
    REHASH = "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2";
    /// The address is confirmed and the account opens.
    CONFIRM = "UPDATE users SET status = 'active', email_verified_at = $2, updated_at = $2, version = version + 1, contested_at = NULL, established_at = coalesce(established_at, $2),
            password_hash = CASE WHEN $3 THEN $4 ELSE password_hash END, password_changed_at = CASE WHEN $3 THEN $2 ELSE password_changed_at END,
            name = coalesce($5, name), job_role = CASE WHEN $5 IS NULL THEN job_role ELSE $6 END
        WHERE id = $1 AND status = 'pending'",
      postgres "UPDATE users SET status = 'active', email_verified_at = $2, updated_at = $2, version = version + 1, contested_at = NULL, established_at = coalesce(established_at, $2),
            password_hash = CASE WHEN $3::boolean THEN $4::text ELSE password_hash END,
            password_changed_at = CASE WHEN $3::boolean THEN $2 ELSE password_changed_at END,
            name = coalesce($5::bytea, name), job_role = CASE WHEN $5::bytea IS NULL THEN job_role ELSE $6::bytea END
        WHERE id = $1 AND status = 'pending'";
    /// Somebody signed up again before the address was confirmed.
    CONTEST = "UPDATE users SET contested_at = coalesce(contested_at, $2) WHERE id = $1 AND status = 'pending' AND established_at IS NULL";
    /// Whether a person is as they were when their password was checked; on PostgreSQL they stay so until the commit.
    HOLD = "SELECT id FROM users WHERE id = $1 AND status = $2 AND coalesce(password_changed_at, 0) = $3",
      postgres "SELECT id FROM users WHERE id = $1 AND status = $2 AND coalesce(password_changed_at, 0) = $3 FOR SHARE";
    /// What people change about themselves.
    SET_PROFILE = "UPDATE users SET name = coalesce($2, name), job_role = CASE WHEN $3 THEN $4 ELSE job_role END, updated_at = $5, version = version + 1
        WHERE id = $1 AND status = 'active'",
      postgres "UPDATE users SET name = coalesce($2::bytea, name), job_role = CASE WHEN $3::boolean THEN $4::bytea ELSE job_role END, updated_at = $5, version = version + 1
        WHERE id = $1 AND status = 'active'";
    /// From one of two states to another; out of a deletion only while its grace lasts.
    SET_STATUS = "UPDATE users SET status = $4, deleted_at = $5, erases_at = $6, updated_at = $7, version = version + 1,
            established_at = CASE WHEN $4 = 'active' THEN coalesce(established_at, $7) ELSE established_at END
        WHERE id = $1 AND (status = $2 OR status = $3) AND (erases_at IS NULL OR erases_at > $7) AND (version = $8 OR $8 = 0)";
    /// Ends the grace of a deleted person, so that nobody restores them while they are erased.
    END_GRACE = "UPDATE users SET erases_at = 0 WHERE id = $1 AND status = 'deleted'";
    /// Removes a person for good.
    ERASE = "DELETE FROM users WHERE id = $1 AND status = 'deleted'";
    /// Sign-ups that nobody confirmed in time, oldest first.
    DUE_UNCONFIRMED = "SELECT id FROM users WHERE status = 'pending' AND established_at IS NULL AND created_at < $1 ORDER BY created_at LIMIT $2";
    /// Whose time to be erased has come. Those with whom it was begun before come last: whoever cannot be erased holds nobody up.
    DUE_FOR_ERASURE = "SELECT id FROM users WHERE erases_at <= $1 ORDER BY erases_at = 0, erases_at LIMIT $2";
    /// Which of the ids exist ($1 is a JSON list of simple UUIDs).
    EXISTING = "SELECT id FROM users WHERE id IN (SELECT unhex(value) FROM json_each($1))",
      postgres "SELECT id FROM users WHERE id IN (SELECT value::uuid FROM json_array_elements_text($1::text::json))";
    /// When people were last active, for many at once ($1 is JSON: [[id, at], …]).
    TOUCH = "UPDATE users SET last_active_at = max(coalesce(last_active_at, 0), n.at)
        FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS at FROM json_each($1)) AS n WHERE users.id = n.id",
      postgres "UPDATE users SET last_active_at = greatest(last_active_at, n.at)
        FROM (SELECT (value ->> 0)::uuid AS id, (value ->> 1)::bigint AS at FROM json_array_elements($1::text::json)) AS n WHERE users.id = n.id";
}

/// A person as the store has it.
#[derive(Clone)]
pub struct UserRow {
    /// The person.
    pub id: Uuid,
    /// Sealed address.
    pub email: Vec<u8>,
    /// Sealed name.
    pub name: Vec<u8>,
    /// Sealed job role.
    pub job_role: Option<Vec<u8>>,
    /// State of the account.
    pub status: Status,
    /// Authorization roles.
    pub roles: Vec<String>,
    /// When the address was confirmed.
    pub email_verified_at: Option<Timestamp>,
    /// PHC string or a foreign format.
    pub password_hash: Option<String>,
    /// Sign-up.
    pub created_at: Timestamp,
    /// Last use that was written down.
    pub last_active_at: Option<Timestamp>,
    /// Soft deletion.
    pub deleted_at: Option<Timestamp>,
    /// When the deletion becomes final.
    pub erases_at: Option<Timestamp>,
    /// Counts changes.
    pub version: i64,
    /// When the password was set.
    pub password_changed_at: Option<Timestamp>,
    /// When somebody signed up again with the address before it was confirmed.
    pub contested_at: Option<Timestamp>,
    /// Last change of what is known about them.
    pub updated_at: Timestamp,
    /// Since when the account is in force; `None` for a sign-up that nobody has confirmed.
    pub established_at: Option<Timestamp>,
}

/// A person to be written.
#[derive(Clone)]
pub struct NewUser {
    /// The person.
    pub id: Uuid,
    /// Blind index of the address.
    pub email_index: [u8; 32],
    /// Sealed address.
    pub email: Vec<u8>,
    /// Sealed name.
    pub name: Vec<u8>,
    /// Sealed job role.
    pub job_role: Option<Vec<u8>>,
    /// State of the account.
    pub status: Status,
    /// Authorization roles.
    pub roles: Vec<String>,
    /// When the address was confirmed.
    pub email_verified_at: Option<Timestamp>,
    /// PHC string or a foreign format.
    pub password_hash: Option<String>,
    /// Sign-up.
    pub created_at: Timestamp,
    /// Since when it is in force; `None` for a sign-up that waits for its confirmation.
    pub established_at: Option<Timestamp>,
}

fn user(row: &Row) -> Result<UserRow, DbError> {
    Ok(UserRow {
        id: row.get(0)?,
        email: row.get(1)?,
        name: row.get(2)?,
        job_role: row.get(3)?,
        status: Status::parse(&row.get::<String>(4)?)?,
        roles: row.get::<String>(5)?.split_ascii_whitespace().map(str::to_owned).collect(),
        email_verified_at: row.get(6)?,
        password_hash: row.get(7)?,
        created_at: row.get(8)?,
        last_active_at: row.get(9)?,
        deleted_at: row.get(10)?,
        erases_at: row.get(11)?,
        version: row.get(12)?,
        password_changed_at: row.get(13)?,
        contested_at: row.get(14)?,
        updated_at: row.get(15)?,
        established_at: row.get(16)?,
    })
}

/// Writes a new person; false when the address is taken.
pub async fn insert(tx: &mut Tx, new: &NewUser) -> Result<bool, DbError> {
    let args = args![
        new.id,
        new.email_index,
        new.email.clone(),
        new.name.clone(),
        new.job_role.clone(),
        new.status.as_str(),
        new.roles.join(" "),
        new.email_verified_at,
        new.password_hash.clone(),
        new.created_at,
        new.established_at
    ];
    Ok(tx.execute(INSERT, args).await? == 1)
}

/// Writes many new people at `now`; how many, without those whose address was taken meanwhile.
pub async fn insert_many(tx: &mut Tx, people: &[NewUser], now: Timestamp) -> Result<usize, DbError> {
    let row = |new: &NewUser| {
        serde_json::json!([
            new.id.simple().to_string(),
            hex(&new.email_index),
            hex(&new.email),
            hex(&new.name),
            new.job_role.as_deref().map(hex),
            new.status.as_str(),
            new.roles.join(" "),
            new.email_verified_at.map(Timestamp::as_micros),
            new.password_hash,
            new.created_at.as_micros(),
            new.established_at.map(Timestamp::as_micros)
        ])
    };
    let rows: Vec<_> = people.iter().map(row).collect();
    let written = tx.execute(INSERT_MANY, args![json(&rows)?, now]).await?;
    Ok(usize::try_from(written).unwrap_or(usize::MAX))
}

/// Which of the blind indexes have an account.
pub async fn taken(db: &Db, indexes: &[[u8; 32]]) -> Result<Vec<[u8; 32]>, DbError> {
    let indexes: Vec<String> = indexes.iter().map(|index| hex(index)).collect();
    db.query(TAKEN, args![json(&indexes)?]).await?.iter().map(|row| row.get(0)).collect()
}

/// A person by id.
pub async fn find(db: &Db, id: Uuid) -> Result<Option<UserRow>, DbError> {
    db.query_opt(FIND, args![id]).await?.as_ref().map(user).transpose()
}

/// A person by blind index of the address.
pub async fn find_by_email(db: &Db, index: [u8; 32]) -> Result<Option<UserRow>, DbError> {
    db.query_opt(FIND_BY_EMAIL, args![index]).await?.as_ref().map(user).transpose()
}

/// The same inside a transaction.
pub async fn find_by_email_in(tx: &mut Tx, index: [u8; 32]) -> Result<Option<UserRow>, DbError> {
    tx.query_opt(FIND_BY_EMAIL, args![index]).await?.as_ref().map(user).transpose()
}

/// Up to `rows` people older than `before`, newest first; `status` narrows, deleted ones only on request.
pub async fn list(db: &Db, before: Option<Uuid>, status: Option<Status>, deleted: bool, rows: i64) -> Result<Vec<UserRow>, DbError> {
    let args = args![before.unwrap_or(Uuid::max()), status.map_or("", Status::as_str), deleted, rows];
    db.query(LIST, args).await?.iter().map(user).collect()
}

/// Who was changed after `since`, with when and to which version.
pub async fn changed_since(db: &Db, since: Timestamp) -> Result<Vec<(Uuid, Timestamp, i64)>, DbError> {
    db.query(CHANGED_SINCE, args![since]).await?.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect()
}

/// Sets a new password hash; false when there is no such person.
pub async fn set_password(tx: &mut Tx, id: Uuid, hash: &str, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(SET_PASSWORD, args![id, hash.to_owned(), now]).await? == 1)
}

/// Sets a new password hash in place of `old`; false when it is another one by now.
pub async fn swap_password(tx: &mut Tx, id: Uuid, old: &str, new: &str, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(SWAP_PASSWORD, args![id, old.to_owned(), new.to_owned(), now]).await? == 1)
}

/// Replaces `old` by the same password's `new` hash.
pub async fn rehash(db: &Db, id: Uuid, old: String, new: String) -> Result<(), DbError> {
    db.write_one(REHASH, args![id, old, new]).await.map(|_| ())
}

/// What a confirmation puts in force besides the address.
#[derive(Clone, Default)]
pub struct Confirmed {
    /// The password that was chosen with the code, or none; `None` leaves the one that is there.
    pub password_hash: Option<Option<String>>,
    /// The sealed name given with it; `None` leaves name and job role.
    pub name: Option<Vec<u8>>,
    /// The sealed job role given with it.
    pub job_role: Option<Vec<u8>>,
}

/// Opens a pending account; false when it is not pending (any more).
pub async fn confirm(tx: &mut Tx, id: Uuid, with: &Confirmed, now: Timestamp) -> Result<bool, DbError> {
    let hash = with.password_hash.clone();
    let args = args![id, now, hash.is_some(), hash.flatten(), with.name.clone(), with.job_role.clone()];
    Ok(tx.execute(CONFIRM, args).await? == 1)
}

/// Notes that more than one sign-up waits for the confirmation of the same address.
pub async fn contest(db: &Db, id: Uuid, now: Timestamp) -> Result<(), DbError> {
    db.write_one(CONTEST, args![id, now]).await.map(|_| ())
}

/// Whether `row`, read a while ago, still tells the state and the password of the account; true holds until `tx` ends.
pub async fn hold(tx: &mut Tx, row: &UserRow) -> Result<bool, DbError> {
    let changed_at = row.password_changed_at.unwrap_or_default();
    Ok(tx.query_opt(HOLD, args![row.id, row.status.as_str(), changed_at]).await?.is_some())
}

/// Writes the sealed profile of an active account; `None` leaves a column as it is.
pub async fn set_profile(
    tx: &mut Tx,
    id: Uuid,
    name: Option<Vec<u8>>,
    job_role: Option<Option<Vec<u8>>>,
    now: Timestamp,
) -> Result<bool, DbError> {
    let args = args![id, name, job_role.is_some(), job_role.flatten(), now];
    Ok(tx.execute(SET_PROFILE, args).await? == 1)
}

/// A move from one of two states to another.
#[derive(Clone, Copy, Debug)]
pub struct Move {
    /// It must be in one of these.
    pub from: [Status; 2],
    /// It is in this one afterwards.
    pub to: Status,
    /// With `to` = deleted: when it becomes final.
    pub erases_at: Option<Timestamp>,
}

/// Moves an account's state; false when it was in none of the states it may come from, or not of the version that was `seen`.
pub async fn set_status(tx: &mut Tx, id: Uuid, step: Move, seen: Option<i64>, now: Timestamp) -> Result<bool, DbError> {
    let deleted_at = (step.to == Status::Deleted).then_some(now);
    let args =
        args![id, step.from[0].as_str(), step.from[1].as_str(), step.to.as_str(), deleted_at, step.erases_at, now, seen.unwrap_or(0)];
    Ok(tx.execute(SET_STATUS, args).await? == 1)
}

/// Ends the grace of a deleted person: nobody can restore them any more. False when they are not deleted.
pub async fn end_grace(db: &Db, id: Uuid) -> Result<bool, DbError> {
    Ok(db.write_one(END_GRACE, args![id]).await?.1 == 1)
}

/// Deletes the row of a deleted person, and with it whatever hangs on it.
pub async fn erase(tx: &mut Tx, id: Uuid) -> Result<bool, DbError> {
    Ok(tx.execute(ERASE, args![id]).await? == 1)
}

/// Up to `rows` deleted people whose grace has passed.
pub async fn due_for_erasure(db: &Db, now: Timestamp, rows: i64) -> Result<Vec<Uuid>, DbError> {
    db.query(DUE_FOR_ERASURE, args![now, rows]).await?.iter().map(|row| row.get(0)).collect()
}

/// Up to `rows` people who signed up before `before` and never confirmed their address.
pub async fn due_unconfirmed(db: &Db, before: Timestamp, rows: i64) -> Result<Vec<Uuid>, DbError> {
    db.query(DUE_UNCONFIRMED, args![before, rows]).await?.iter().map(|row| row.get(0)).collect()
}

/// Which of `ids` are people.
pub async fn existing(db: &Db, ids: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
    let ids: Vec<String> = ids.iter().map(|id| id.simple().to_string()).collect();
    db.query(EXISTING, args![json(&ids)?]).await?.iter().map(|row| row.get(0)).collect()
}

/// Writes down when people were last active.
pub async fn touch(tx: &mut Tx, people: &[(Uuid, Timestamp)]) -> Result<(), DbError> {
    let rows: Vec<_> = people.iter().map(|(id, at)| (id.simple().to_string(), at.as_micros())).collect();
    tx.execute(TOUCH, args![json(&rows)?]).await.map(|_| ())
}

fn json(value: &impl serde::Serialize) -> Result<String, DbError> {
    serde_json::to_string(value).map_err(|error| DbError::Other(error.to_string()))
}

impl From<&NewUser> for UserRow {
    /// The row as it stands right after it was written.
    fn from(new: &NewUser) -> Self {
        Self {
            id: new.id,
            email: new.email.clone(),
            name: new.name.clone(),
            job_role: new.job_role.clone(),
            status: new.status,
            roles: new.roles.clone(),
            email_verified_at: new.email_verified_at,
            password_hash: new.password_hash.clone(),
            created_at: new.created_at,
            last_active_at: None,
            deleted_at: None,
            erases_at: None,
            version: 1,
            password_changed_at: Some(new.created_at),
            contested_at: None,
            updated_at: new.created_at,
            established_at: new.established_at,
        }
    }
}
