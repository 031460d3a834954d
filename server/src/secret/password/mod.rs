//! Passwords: hashed with Argon2id in PHC strings, verified in every format that imports bring.
//!
//! [`PasswordPool`] is the only way to hash. Its threads are its own, so that a flood of sign-ins
//! never occupies the async runtime; its memory is bounded by `threads × m` and given back when idle; and
//! work whose estimated wait exceeds the limit is refused at once ([`Overloaded`]) instead of piling up.
//!
//! [`parse`] reads a stored hash of any known format into [`Stored`], with bounds on cost parameters
//! that an importer could choose to hurt us. Whatever is not Argon2id at the configured cost verifies
//! with `rehash: true`, and the caller stores a new hash while it has the password at hand.

mod argon;
mod bcrypt;
mod encoding;
mod firebase;
mod pbkdf2;
mod phpass;
mod pool;
mod queue;
mod scrypt;
mod ssha;
mod stored;

pub use argon::{Argon2Cost, is_bearable};
pub use pool::{Overloaded, PasswordPool, PoolOptions, PoolStats, Verdict};
pub use stored::{MAX_STORED_LEN, Stored, UnknownHash, parse};
