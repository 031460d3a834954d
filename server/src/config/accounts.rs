//! Accounts: passwords, lockout, lifetimes.

use std::time::Duration;

use super::fault::Fault;
use super::parse;
use super::values::Values;

/// `KEYSTEAD_ACCOUNTS__…`.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// New accounts confirm their address before they can sign in.
    pub require_verified_email: bool,
    /// How long a deleted account can be restored.
    pub restore_grace: Duration,
}

impl Accounts {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        Ok(Self {
            require_verified_email: values.get("accounts.require_verified_email", parse::flag)?,
            restore_grace: values.get("accounts.restore_grace", parse::span)?,
        })
    }
}

/// `KEYSTEAD_PASSWORDS__…`: cost of hashing, policy, lifetimes of links and codes.
#[derive(Clone, Debug)]
pub struct Passwords {
    /// Memory of one Argon2id hash, in KiB.
    pub argon2_memory_kib: u32,
    /// Passes of Argon2id.
    pub argon2_iterations: u32,
    /// Lanes of Argon2id.
    pub argon2_parallelism: u32,
    /// Threads that hash; 0 = one per core.
    pub hash_threads: usize,
    /// A sign-in that would wait longer for a hashing thread is shed.
    pub max_queue_wait: Duration,
    /// Shortest password, in characters.
    pub min_length: usize,
    /// An upper-case letter is needed.
    pub require_upper: bool,
    /// A lower-case letter is needed.
    pub require_lower: bool,
    /// A digit is needed.
    pub require_digit: bool,
    /// Least zxcvbn score, 0 to 4.
    pub min_strength: u8,
    /// Life of a reset link.
    pub reset_ttl: Duration,
    /// Life of a verification code.
    pub verify_ttl: Duration,
}

impl Passwords {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        Ok(Self {
            argon2_memory_kib: values.get("passwords.argon2_memory_kib", parse::number)?,
            argon2_iterations: values.get("passwords.argon2_iterations", parse::number)?,
            argon2_parallelism: values.get("passwords.argon2_parallelism", parse::number)?,
            hash_threads: values.get("passwords.hash_threads", parse::number)?,
            max_queue_wait: values.get("passwords.max_queue_wait", parse::span)?,
            min_length: values.get("passwords.min_length", parse::number)?,
            require_upper: values.get("passwords.require_upper", parse::flag)?,
            require_lower: values.get("passwords.require_lower", parse::flag)?,
            require_digit: values.get("passwords.require_digit", parse::flag)?,
            min_strength: values.get("passwords.min_strength", parse::number)?,
            reset_ttl: values.get("passwords.reset_ttl", parse::span)?,
            verify_ttl: values.get("passwords.verify_ttl", parse::span)?,
        })
    }
}

/// `KEYSTEAD_LOCKOUT__…`.
#[derive(Clone, Copy, Debug)]
pub struct Lockout {
    /// Failed sign-ins that lock an address.
    pub threshold: u32,
    /// How long the lock holds.
    pub duration: Duration,
}

impl Lockout {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        Ok(Self { threshold: values.get("lockout.threshold", parse::number)?, duration: values.get("lockout.duration", parse::span)? })
    }
}

/// The longest that an administrator acts as somebody else with one access token.
pub const IMPERSONATION_MAX: Duration = Duration::from_secs(60 * 60);

/// `KEYSTEAD_TOKENS__…`.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    /// Life of an access token.
    pub access_ttl: Duration,
    /// Life of a refresh token.
    pub refresh_ttl: Duration,
    /// How long a just rotated refresh token still gets the same successor.
    pub reuse_window: Duration,
    /// How long an instance may verify without hearing of ended sessions.
    pub staleness: Duration,
}

impl Tokens {
    /// The longest that any access token lives: so long its key stays published, and an ended session is remembered.
    pub fn longest(&self) -> Duration {
        self.access_ttl.max(IMPERSONATION_MAX)
    }

    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        Ok(Self {
            access_ttl: values.get("tokens.access_ttl", parse::span)?,
            refresh_ttl: values.get("tokens.refresh_ttl", parse::span)?,
            reuse_window: values.get("tokens.reuse_window", parse::span)?,
            staleness: values.get("tokens.staleness", parse::span)?,
        })
    }
}

/// `KEYSTEAD_KEYS__…`.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// Age at which the signing key is replaced; `None`: only when somebody asks.
    pub rotate_every: Option<Duration>,
}

impl Keys {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        Ok(Self { rotate_every: values.get("keys.rotate_every", parse::span_or_never)? })
    }
}

/// `KEYSTEAD_SESSIONS__…`.
#[derive(Clone, Copy, Debug)]
pub struct Sessions {
    /// A session unused for this long ends.
    pub idle_ttl: Duration,
    /// A session ends this long after sign-in.
    pub absolute_ttl: Duration,
}

impl Sessions {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        Ok(Self {
            idle_ttl: values.get("sessions.idle_ttl", parse::span)?,
            absolute_ttl: values.get("sessions.absolute_ttl", parse::span)?,
        })
    }
}
