//! Firebase's scrypt: the derived key encrypts the project's signer key, and the ciphertext is the hash.
//!
//! Two spellings are read. The object, with the names of Firebase's console and of its user export:
//! `{"algorithm":"firebase-scrypt","base64_signer_key":"…","base64_salt_separator":"…","rounds":8,
//! "mem_cost":14,"salt":"…","passwordHash":"…"}`; and a compact one of our own, base64 throughout:
//! `$firebase-scrypt$m=<mem_cost>,r=<rounds>$<salt>$<hash>$<salt separator>$<signer key>`.

use aes::Aes256;
use aes::cipher::{KeyIvInit, StreamCipher};
use ctr::Ctr128BE;
use scrypt::Params;
use serde::Deserialize;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{UnknownHash, encoding, scrypt::params};

/// The least that the signer key, and so the hash, may have; Firebase's has 64 bytes.
const MIN_SIGNER_KEY: usize = 16;

/// A hash of Firebase's scrypt.
pub struct FirebaseHash {
    params: Params,
    salt: Vec<u8>,
    signer_key: Vec<u8>,
    output: Vec<u8>,
}

#[derive(Deserialize)]
struct Object {
    algorithm: String,
    #[serde(alias = "signerKey", alias = "signer_key")]
    base64_signer_key: String,
    #[serde(alias = "saltSeparator", alias = "salt_separator", default)]
    base64_salt_separator: String,
    rounds: u32,
    #[serde(alias = "memCost", alias = "memoryCost")]
    mem_cost: u32,
    salt: String,
    #[serde(alias = "passwordHash", alias = "hash")]
    password_hash: String,
}

impl FirebaseHash {
    pub(super) fn parse_object(text: &str) -> Result<Self, UnknownHash> {
        let object: Object = serde_json::from_str(text).map_err(|_| UnknownHash::Malformed)?;
        if !matches!(object.algorithm.to_ascii_lowercase().as_str(), "firebase-scrypt" | "scrypt") {
            return Err(UnknownHash::Format);
        }
        let params = params(object.mem_cost, object.rounds, 1)?;
        Self::new(params, &object.salt, &object.password_hash, &object.base64_salt_separator, &object.base64_signer_key)
    }

    pub(super) fn parse_compact(text: &str) -> Result<Self, UnknownHash> {
        let fields: Vec<_> = text.split('$').collect();
        let ["", "firebase-scrypt", list, salt, output, separator, signer_key] = fields[..] else { return Err(UnknownHash::Malformed) };
        let params = params(encoding::parameter(list, "m")?, encoding::parameter(list, "r")?, 1)?;
        Self::new(params, salt, output, separator, signer_key)
    }

    fn new(params: Params, salt: &str, output: &str, separator: &str, signer_key: &str) -> Result<Self, UnknownHash> {
        let mut salt = encoding::bytes(salt)?;
        salt.extend(encoding::bytes(separator)?);
        let (output, signer_key) = (encoding::output(output)?, encoding::bytes(signer_key)?);
        if signer_key.len() < MIN_SIGNER_KEY || signer_key.len() != output.len() {
            return Err(UnknownHash::Malformed);
        }
        Ok(Self { params, salt, signer_key, output })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        // AES-256-CTR with an all-zero counter, under the first half of scrypt's 64 bytes.
        let mut key = Zeroizing::new([0; 32]);
        if scrypt::scrypt(password, &self.salt, &self.params, &mut *key).is_err() {
            return false;
        }
        let Ok(mut cipher) = Ctr128BE::<Aes256>::new_from_slices(&*key, &[0; 16]) else { return false };
        let mut output = self.signer_key.clone();
        cipher.apply_keystream(&mut output);
        output.ct_eq(&self.output).into()
    }
}
