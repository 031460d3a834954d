//! The letters: every reason Keystead has to write to a person, with what its template needs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Every mail Keystead sends. Names and devices may be hostile input; they are tamed when the letter is rendered.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "template", rename_all = "snake_case")]
pub enum Letter {
    /// The 6-digit code that proves the address.
    VerifyEmail {
        /// Display name.
        name: String,
        /// The code.
        code: String,
        /// Its lifetime.
        minutes: u64,
    },
    /// Somebody signed up with an address that has an account already.
    AlreadyRegistered {
        /// Display name of the account.
        name: String,
        /// Where to sign in.
        sign_in_url: String,
        /// Where to ask for a new password.
        reset_url: String,
    },
    /// The single-use link that sets a new password.
    ResetPassword {
        /// Display name.
        name: String,
        /// The link with its token.
        link: String,
        /// Its lifetime.
        minutes: u64,
    },
    /// The password was changed or reset.
    PasswordChanged {
        /// Display name.
        name: String,
    },
    /// Too many failed sign-ins.
    AccountLocked {
        /// Display name.
        name: String,
        /// How long the lock holds.
        minutes: u64,
        /// Where to ask for a new password.
        reset_url: String,
    },
    /// A rotated refresh token was presented again: the session was ended.
    SessionReplayed {
        /// Display name.
        name: String,
        /// The session's device, in words.
        device: String,
        /// When, RFC 3339 or words.
        at: String,
    },
    /// A device was signed in with a code that the person approved.
    DeviceSignedIn {
        /// Display name.
        name: String,
        /// The client that runs on it, by its name.
        client: String,
        /// The device, in words.
        device: String,
        /// When, RFC 3339 or words.
        at: String,
    },
    /// A personal access token was made.
    TokenCreated {
        /// Display name.
        name: String,
        /// What the person called the token.
        token: String,
        /// What it may be used for, in a list.
        scopes: String,
        /// The device it was made on, in words.
        device: String,
        /// When, RFC 3339 or words.
        at: String,
    },
    /// The account has another address now; to the old one, and to the new one where nothing is to be confirmed.
    EmailChanged {
        /// Display name.
        name: String,
        /// When, RFC 3339 or words.
        at: String,
    },
    /// Whoever runs the installation locked the account, because somebody else may have got into it.
    LockedDown {
        /// Display name.
        name: String,
        /// When, RFC 3339 or words.
        at: String,
    },
    /// An administrator acts as the person for a while.
    Impersonated {
        /// Display name.
        name: String,
        /// Since when, RFC 3339 or words.
        at: String,
        /// For how long at most.
        minutes: u64,
    },
    /// The account was deleted and can be restored for a while.
    AccountDeleted {
        /// Display name.
        name: String,
        /// When it is erased for good, RFC 3339 or words.
        erases_at: String,
    },
}

impl Letter {
    /// The template's name: the stem of its files and the label in the metrics.
    pub const fn template(&self) -> &'static str {
        match self {
            Self::VerifyEmail { .. } => "verify_email",
            Self::AlreadyRegistered { .. } => "already_registered",
            Self::ResetPassword { .. } => "reset_password",
            Self::PasswordChanged { .. } => "password_changed",
            Self::AccountLocked { .. } => "account_locked",
            Self::SessionReplayed { .. } => "session_replayed",
            Self::DeviceSignedIn { .. } => "device_signed_in",
            Self::TokenCreated { .. } => "token_created",
            Self::EmailChanged { .. } => "email_changed",
            Self::LockedDown { .. } => "locked_down",
            Self::Impersonated { .. } => "impersonated",
            Self::AccountDeleted { .. } => "account_deleted",
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::VerifyEmail { name, .. }
            | Self::AlreadyRegistered { name, .. }
            | Self::ResetPassword { name, .. }
            | Self::PasswordChanged { name }
            | Self::AccountLocked { name, .. }
            | Self::SessionReplayed { name, .. }
            | Self::DeviceSignedIn { name, .. }
            | Self::TokenCreated { name, .. }
            | Self::EmailChanged { name, .. }
            | Self::LockedDown { name, .. }
            | Self::Impersonated { name, .. }
            | Self::AccountDeleted { name, .. } => name,
        }
    }
}

/// The template alone: the rest is personal or secret.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letter({})", self.template())
    }
}
