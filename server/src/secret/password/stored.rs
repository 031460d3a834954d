//! A stored password hash of any known format.

use std::fmt;

use super::argon::{Argon2Cost, Argon2Hash, Memory};
use super::bcrypt::BcryptHash;
use super::firebase::FirebaseHash;
use super::pbkdf2::Pbkdf2Hash;
use super::phpass::PhpassHash;
use super::scrypt::ScryptHash;
use super::ssha::SshaHash;

/// No known format is longer, in bytes.
pub const MAX_STORED_LEN: usize = 2048;

/// A stored hash, parsed and found affordable. Printing it names the format alone.
pub enum Stored {
    /// `$argon2id$`, `$argon2i$`, `$argon2d$`.
    Argon2(Argon2Hash),
    /// `$scrypt$`.
    Scrypt(ScryptHash),
    /// `$pbkdf2-sha256$`, `$pbkdf2-sha512$`, Django's `pbkdf2_sha256$`.
    Pbkdf2(Pbkdf2Hash),
    /// `$2a$`, `$2b$`, `$2x$`, `$2y$`.
    Bcrypt(BcryptHash),
    /// `$P$`, `$H$`.
    Phpass(PhpassHash),
    /// `{SSHA}`.
    Ssha(SshaHash),
    /// Firebase's scrypt, as its JSON object or as `$firebase-scrypt$m=14,r=8$salt$hash$separator$signerKey`.
    FirebaseScrypt(FirebaseHash),
}

/// Why a text is not taken as a password hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownHash {
    /// Nothing known begins like this.
    #[error("the password hash is in no known format")]
    Format,
    /// A known format, but not well-formed.
    #[error("the password hash is malformed")]
    Malformed,
    /// Verifying it would cost more memory or time than anyone should be able to ask for.
    #[error("the cost parameters of the password hash are too high")]
    TooCostly,
}

/// Reads a stored hash. For imports, and before every verification.
///
/// # Errors
/// [`UnknownHash`] says why it is not accepted; nothing of the text is repeated.
pub fn parse(text: &str) -> Result<Stored, UnknownHash> {
    if text.len() > MAX_STORED_LEN {
        return Err(UnknownHash::Malformed);
    }
    match text {
        _ if text.starts_with("$argon2") => Argon2Hash::parse(text).map(Stored::Argon2),
        _ if text.starts_with("$scrypt$") => ScryptHash::parse(text).map(Stored::Scrypt),
        _ if text.starts_with("$pbkdf2-") => Pbkdf2Hash::parse(text).map(Stored::Pbkdf2),
        _ if text.starts_with("pbkdf2_sha256$") => Pbkdf2Hash::parse_django(text).map(Stored::Pbkdf2),
        _ if text.starts_with("$2") => BcryptHash::parse(text).map(Stored::Bcrypt),
        _ if text.starts_with("$P$") || text.starts_with("$H$") => PhpassHash::parse(text).map(Stored::Phpass),
        _ if text.starts_with("{SSHA}") => SshaHash::parse(text).map(Stored::Ssha),
        _ if text.starts_with("$firebase-scrypt$") => FirebaseHash::parse_compact(text).map(Stored::FirebaseScrypt),
        _ if text.trim_start().starts_with('{') => FirebaseHash::parse_object(text).map(Stored::FirebaseScrypt),
        _ => Err(UnknownHash::Format),
    }
}

impl Stored {
    /// The name of the format, for logs and import reports.
    pub fn format(&self) -> &'static str {
        match self {
            Self::Argon2(_) => "argon2",
            Self::Scrypt(_) => "scrypt",
            Self::Pbkdf2(_) => "pbkdf2",
            Self::Bcrypt(_) => "bcrypt",
            Self::Phpass(_) => "phpass",
            Self::Ssha(_) => "ssha",
            Self::FirebaseScrypt(_) => "firebase-scrypt",
        }
    }

    /// Whether it is what a new hash at `cost` would be.
    pub fn is_current(&self, cost: Argon2Cost) -> bool {
        matches!(self, Self::Argon2(hash) if hash.is_at(cost))
    }

    /// Hashes `password` in this format and compares in constant time. Takes as long as the format costs.
    pub(super) fn matches(&self, password: &[u8], memory: &mut Memory) -> bool {
        match self {
            Self::Argon2(hash) => hash.matches(password, memory),
            Self::Scrypt(hash) => hash.matches(password),
            Self::Pbkdf2(hash) => hash.matches(password),
            Self::Bcrypt(hash) => hash.matches(password),
            Self::Phpass(hash) => hash.matches(password),
            Self::Ssha(hash) => hash.matches(password),
            Self::FirebaseScrypt(hash) => hash.matches(password),
        }
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stored({})", self.format())
    }
}
