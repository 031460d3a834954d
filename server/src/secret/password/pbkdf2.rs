//! PBKDF2-HMAC-SHA-2 (RFC 8018) in the spellings of PHC, passlib and Django:
//! `$pbkdf2-sha256$i=600000,l=32$salt$hash`, `$pbkdf2-sha512$25000$salt$hash`, `pbkdf2_sha256$600000$salt$hash`.

use pbkdf2::pbkdf2_hmac;
use pbkdf2::sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

use super::{UnknownHash, encoding};

/// About two seconds of one core; OWASP asks for 600,000.
const MAX_ROUNDS: u32 = 5_000_000;

#[derive(Clone, Copy)]
enum Digest {
    Sha256,
    Sha512,
}

/// A PBKDF2 hash.
pub struct Pbkdf2Hash {
    digest: Digest,
    rounds: u32,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Pbkdf2Hash {
    /// PHC and passlib, which differ in how they write the rounds.
    pub(super) fn parse(text: &str) -> Result<Self, UnknownHash> {
        let fields: Vec<_> = text.split('$').collect();
        let ["", algorithm, list, salt, output] = fields[..] else { return Err(UnknownHash::Malformed) };
        let digest = match algorithm {
            "pbkdf2-sha256" => Digest::Sha256,
            "pbkdf2-sha512" => Digest::Sha512,
            _ => return Err(UnknownHash::Format),
        };
        let rounds = if list.contains('=') { encoding::parameter(list, "i")? } else { encoding::number(list)? };
        Self::new(digest, rounds, encoding::bytes(salt)?, encoding::output(output)?)
    }

    /// Django, whose salt is text.
    pub(super) fn parse_django(text: &str) -> Result<Self, UnknownHash> {
        let fields: Vec<_> = text.split('$').collect();
        let ["pbkdf2_sha256", rounds, salt, output] = fields[..] else { return Err(UnknownHash::Malformed) };
        Self::new(Digest::Sha256, encoding::number(rounds)?, salt.as_bytes().to_vec(), encoding::output(output)?)
    }

    fn new(digest: Digest, rounds: u32, salt: Vec<u8>, output: Vec<u8>) -> Result<Self, UnknownHash> {
        match rounds {
            0 => Err(UnknownHash::Malformed),
            1..=MAX_ROUNDS => Ok(Self { digest, rounds, salt, output }),
            _ => Err(UnknownHash::TooCostly),
        }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut output = vec![0; self.output.len()];
        match self.digest {
            Digest::Sha256 => pbkdf2_hmac::<Sha256>(password, &self.salt, self.rounds, &mut output),
            Digest::Sha512 => pbkdf2_hmac::<Sha512>(password, &self.salt, self.rounds, &mut output),
        }
        output.ct_eq(&self.output).into()
    }
}
