//! The audit trail: every security-relevant act, written in the transaction of the act.
//!
//! Where an act came from is personal, so it stands sealed in the event: under the person's own key when
//! there is one, else under the installation's. Everything else is ids and words of ours.
//!
//! Twice a second events are given their place and the hash of the one before ([`seal`]), so that whoever edits, drops,
//! adds or moves one by hand is found out ([`verify`]). The end of the chain is signed again and again ([`checkpoint`]), so
//! that whoever computes it anew or cuts it off is found out, too.
//!
//! Owns the tables `audit_events`, `audit_checkpoints` and `audit_keys`. `seq`, `hash` and `previous_hash` stay empty until an event is sealed.

mod about;
pub mod chain;
mod checkpoint;
mod checkpoint_store;
mod csv;
mod event;
mod export;
mod extract;
mod inspect;
mod line;
mod listed;
mod offline;
mod retention;
mod routes;
mod seal;
mod search;
mod store;
mod verify;

pub use about::{AboutEvent, about};
pub use checkpoint::{SPACING, checkpoint, reseal};
pub use checkpoint_store::STATEMENTS as CHECKPOINT_STATEMENTS;
pub use event::{Action, Actor, Event, Target};
pub use export::{Export, Format, Selection};
pub use listed::{EventView, count, page};
pub use offline::{FileVerification, NotVerifiable, verify_file};
pub use retention::{cut, forgotten};
pub use routes::routes;
pub use seal::seal;
pub use search::{Filter, Typed};
pub use store::{STATEMENTS, record};
pub use verify::{Broken, Verification, verify};

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $action:literal;)+) => {
        $($(#[$doc])* pub const $name: Action = Action($action);)+
        /// Every act that is recorded.
        pub const ACTIONS: &[Action] = &[$($name),+];
    };
}

actions! {
    /// Somebody signed up.
    USER_REGISTERED = "user.registered";
    /// An address was confirmed.
    EMAIL_VERIFIED = "user.email_verified";
    /// A session began.
    SESSION_STARTED = "session.started";
    /// A session was ended.
    SESSION_ENDED = "session.ended";
    /// Several sessions of a person were ended.
    SESSIONS_ENDED = "sessions.ended";
    /// A rotated refresh token was presented again.
    SESSION_REPLAYED = "session.replayed";
    /// The end of a session has closed its realtime connections.
    REALTIME_CLOSED = "realtime.closed";
    /// A sign-in was refused.
    LOGIN_FAILED = "login.failed";
    /// An address was locked after too many failed sign-ins.
    LOGIN_LOCKED = "login.locked";
    /// A lock was taken away before its time.
    LOGIN_UNLOCKED = "login.unlocked";
    /// Somebody asked for a reset link.
    PASSWORD_RESET_REQUESTED = "password.reset_requested";
    /// A password was set through a reset link.
    PASSWORD_RESET = "password.reset";
    /// A password was changed by its owner.
    PASSWORD_CHANGED = "password.changed";
    /// A profile was changed.
    PROFILE_UPDATED = "user.profile_updated";
    /// A policy was accepted.
    CONSENT_GIVEN = "consent.given";
    /// An account was created by an operator.
    USER_CREATED = "user.created";
    /// Accounts were imported from another system.
    USERS_IMPORTED = "users.imported";
    /// A large import was handed in; it is carried out in the background.
    USERS_IMPORT_QUEUED = "users.import_queued";
    /// Every account was exported.
    USERS_EXPORTED = "users.exported";
    /// An account was suspended.
    USER_SUSPENDED = "user.suspended";
    /// An account was made active.
    USER_ACTIVATED = "user.activated";
    /// An account was deleted, restorable.
    USER_DELETED = "user.deleted";
    /// A deleted account was restored.
    USER_RESTORED = "user.restored";
    /// An account was deleted, to be erased at a time that was named.
    USER_ERASURE_SCHEDULED = "user.erasure_scheduled";
    /// Somebody was locked out of everything at once.
    USER_LOCKED_DOWN = "user.locked_down";
    /// Somebody's profile was changed by an administrator.
    USER_UPDATED = "user.updated";
    /// Somebody got another e-mail address from an administrator.
    USER_EMAIL_CHANGED = "user.email_changed";
    /// Somebody got other roles.
    USER_ROLES_CHANGED = "user.roles_changed";
    /// A person was erased.
    USER_ERASED = "user.erased";
    /// A feature flag was configured.
    FLAG_CHANGED = "flag.changed";
    /// A feature flag was deleted.
    FLAG_DELETED = "flag.deleted";
    /// Somebody came to the threshold of a quota in its period.
    QUOTA_WARNED = "quota.warned";
    /// Somebody asked for more than was left of a quota in its period.
    QUOTA_EXCEEDED = "quota.exceeded";
    /// Somebody got a limit of their own.
    QUOTA_LIMIT_SET = "quota.limit_set";
    /// Somebody's own limit was taken away.
    QUOTA_LIMIT_REMOVED = "quota.limit_removed";
    /// A role was made or changed.
    ROLE_CHANGED = "role.changed";
    /// A role was deleted.
    ROLE_DELETED = "role.deleted";
    /// A person made a personal access token.
    PERSONAL_TOKEN_CREATED = "personal_token.created";
    /// A personal access token was revoked.
    PERSONAL_TOKEN_REVOKED = "personal_token.revoked";
    /// An OAuth client was registered.
    CLIENT_CREATED = "client.created";
    /// A client's registration was changed, or it was disabled or enabled.
    CLIENT_UPDATED = "client.updated";
    /// A client got a new secret; the old one is void.
    CLIENT_SECRET_ROTATED = "client.secret_rotated";
    /// A client was deleted.
    CLIENT_DELETED = "client.deleted";
    /// Somebody who called themselves a client could not prove it.
    CLIENT_REFUSED = "client.authentication_failed";
    /// A client could not be told that sessions ended, and is left alone for a while.
    CLIENT_LEFT_ALONE = "client.left_alone";
    /// A client that had been left alone was told again.
    CLIENT_ANSWERS_AGAIN = "client.answers_again";
    /// A client revoked an access token of its own.
    TOKEN_REVOKED = "token.revoked";
    /// A new signing key was published.
    SIGNING_KEY_ROTATED = "signing_key.rotated";
    /// An administrator began to act as somebody else.
    USER_IMPERSONATED = "user.impersonated";
    /// A dead letter was queued again.
    JOB_RETRIED = "job.retried";
    /// Somebody let a device in.
    DEVICE_APPROVED = "device.approved";
    /// Somebody did not let a device in.
    DEVICE_DENIED = "device.denied";
    /// Somebody let an application in; its code is on the way.
    AUTHORIZATION_GRANTED = "authorization.granted";
    /// Somebody did not let an application in.
    AUTHORIZATION_DENIED = "authorization.denied";
    /// Somebody took back what they had let an application do.
    AUTHORIZATION_WITHDRAWN = "authorization.withdrawn";
    /// An authorization code was presented again; what it had given is void.
    CODE_REPLAYED = "authorization.code_replayed";
    /// A person ordered a file of their data.
    EXPORT_REQUESTED = "export.requested";
    /// A person fetched such a file, or a part of it.
    EXPORT_DOWNLOADED = "export.downloaded";
    /// A person took an export back.
    EXPORT_DELETED = "export.deleted";
    /// A person had a small export at once.
    EXPORT_STREAMED = "export.streamed";
    /// Somebody opened a voice session.
    VOICE_SESSION_STARTED = "voice_session.started";
    /// A voice session was ended, by its person or with the sign-in it was opened in.
    VOICE_SESSION_ENDED = "voice_session.ended";
    /// Somebody took a token for the room of a voice session.
    VOICE_TOKEN_ISSUED = "voice_token.issued";
    /// A service redeemed a voice token; or tried to, and it was not good any more.
    VOICE_TOKEN_REDEEMED = "voice_token.redeemed";
    /// Voice tokens that nobody had redeemed were revoked with the sign-in or the voice session they belong to.
    VOICE_TOKENS_REVOKED = "voice_tokens.revoked";
    /// Somebody looked at another person's transactions.
    TRANSACTIONS_READ = "transactions.read";
    /// The audit trail was exported.
    AUDIT_EXPORTED = "audit.exported";
    /// Old events of the audit trail were deleted.
    AUDIT_CUT = "audit.cut";
    /// What was kept for as long as it is to be was deleted.
    RETENTION_APPLIED = "retention.applied";
}
