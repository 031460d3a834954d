//! Randomness as a value, so that tests can seed it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use uuid::Uuid;

use crate::time::Timestamp;

/// Randomness as a value: the operating system's, or seeded in tests. Clones share the source.
#[derive(Clone)]
pub struct Random(Source);

#[derive(Clone)]
enum Source {
    System,
    Seeded(Arc<Mutex<ChaCha20Rng>>),
}

impl Random {
    /// The cryptographic generator of aws-lc, fed by the operating system.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A reproducible ChaCha20 stream. For tests alone: who knows the seed knows every secret.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(ChaCha20Rng::seed_from_u64(seed)))))
    }

    /// Overwrites `into` with random bytes.
    pub fn fill(&self, into: &mut [u8]) {
        match &self.0 {
            // aws-lc ends the process when the machine has no entropy, so the error is never returned;
            // and if it were, going on without randomness would be the worse outage.
            #[expect(clippy::expect_used, reason = "aws-lc aborts instead of returning this error")]
            Source::System => aws_lc_rs::rand::fill(into).expect("the operating system gives randomness"),
            Source::Seeded(stream) => stream.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(into),
        }
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A UUIDv7 (RFC 9562 section 5.7) at `now`, with a random tail.
    pub fn uuid(&self, now: Timestamp) -> Uuid {
        let millis = u64::try_from(now.as_micros().div_euclid(1000)).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }

    /// `digits` decimal digits, each equally likely, leading zeros kept.
    pub fn digits(&self, digits: usize) -> String {
        let mut text = String::with_capacity(digits);
        while text.len() < digits {
            for byte in self.bytes::<16>() {
                // 250 is the largest multiple of ten in a byte: what lies above would favour small digits.
                if byte < 250 && text.len() < digits {
                    text.push(char::from(b'0' + byte % 10));
                }
            }
        }
        text
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System => "Random(system)",
            Source::Seeded(_) => "Random(seeded)",
        })
    }
}
