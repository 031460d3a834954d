//! Everything secret: randomness, keys, sealing, password hashes, signed tokens.
//!
//! One master key (several while it is being replaced) comes from the configuration. [`RootKeys`]
//! derives a key per purpose from it and never lets it touch data. Data of a person is sealed by
//! that person's own [`PersonKey`]; the [`Keyring`] keeps those keys, wrapped by the master key, in
//! a store of its own, so destroying one key erases a person from every copy of the database.
//! [`PasswordPool`] hashes passwords on its own threads within bounded memory and a bounded wait.
//! [`Signer`] signs and verifies access tokens and publishes the key set.
//!
//! Owned tables: `installation_keys` and `person_keys` (keyring store), `signing_keys` (main store).
//! Nothing here prints a secret, and secrets are compared in constant time.

mod keyring;
mod keyring_store;
mod lasting_key;
pub mod password;
mod person;
mod random;
mod roots;
mod seal;
mod signer;
mod signing_key;
mod signing_keys_store;
mod token;

pub use keyring::Keyring;
pub use keyring_store::STATEMENTS as KEYRING_STATEMENTS;
pub use lasting_key::{LastingKey, PublicKey};
pub use password::{Argon2Cost, Overloaded, PasswordPool, Verdict};
pub use person::PersonKey;
pub use random::Random;
pub use roots::{KeyId, Purpose, RootKeys, Sealer};
pub use seal::{Place, SealError};
pub use signer::{EXPIRY_LEEWAY, NextKey, PUBLISH_AHEAD, Signer, Trigger};
pub use signing_key::{KeyState, PublishedKey};
pub use signing_keys_store::STATEMENTS as SIGNING_STATEMENTS;
pub use token::{NOT_BEFORE_LEEWAY, TokenError};
