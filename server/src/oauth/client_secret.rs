//! The secret of a client: 256 random bits, kept as a keyed hash, compared in constant time.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use crate::secret::{Purpose, Random, RootKeys};

const PREFIX: &str = "kcs_";

/// A new secret, as it is shown once. Its letters need no escaping in a form or in a header.
pub fn generate(random: &Random) -> SecretString {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random.bytes::<32>())).into()
}

/// What is stored of it: the id of the master key, then the keyed hash. Bound to the client, so that a hash that is
/// moved to another row says nothing.
pub fn hash(roots: &RootKeys, client: &str, secret: &SecretString) -> Vec<u8> {
    let (key, tag) = roots.mac(Purpose::ClientSecrets, &[client.as_bytes(), secret.expose_secret().as_bytes()]);
    [key.as_slice(), &tag].concat()
}

/// Whether `secret` is the one that `stored` was made of. Nothing stored is compared all the same: that a client does not
/// exist costs what a wrong secret costs.
pub fn matches(roots: &RootKeys, client: &str, secret: &SecretString, stored: Option<&[u8]>) -> bool {
    let nothing = [roots.current().as_slice(), &[0; 32]].concat();
    let (key, tag) = stored.unwrap_or(&nothing).split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
    let right = roots.verify(*key, Purpose::ClientSecrets, &[client.as_bytes(), secret.expose_secret().as_bytes()], tag);
    right && stored.is_some()
}
