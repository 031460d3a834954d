//! What several tests here need.

use keystead::config::MasterKey;
use keystead::secret::{Argon2Cost, RootKeys};

/// As cheap as Argon2 gets: tests are about behaviour.
pub const CHEAP: Argon2Cost = Argon2Cost { memory_kib: 64, iterations: 1, parallelism: 1 };

/// Root keys whose bytes are all the given ones, current first.
pub fn roots(keys: &[u8]) -> RootKeys {
    let keys: Vec<_> = keys.iter().map(|byte| MasterKey { id: byte.to_string(), key: [*byte; 32].into() }).collect();
    RootKeys::new(&keys)
}
