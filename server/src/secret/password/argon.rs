//! Argon2 (RFC 9106) over memory that a thread keeps between two hashes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq;

use super::UnknownHash;

/// Bytes of a new salt (RFC 9106 section 4 recommends 16).
pub(super) const SALT_LEN: usize = 16;
/// Bytes of a new hash.
const OUTPUT_LEN: usize = 32;

// Bounds on what an imported hash may ask for: 256 MiB, and as much work as 1 GiB filled once.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_WORK_KIB: u64 = 1024 * 1024;
const MAX_LANES: u32 = 16;

/// Whether hashes of this cost are verified. The configuration must not ask for others.
pub const fn is_bearable(cost: Argon2Cost) -> bool {
    let work = cost.memory_kib as u64 * cost.iterations as u64;
    cost.memory_kib <= MAX_MEMORY_KIB && work <= MAX_WORK_KIB && cost.parallelism <= MAX_LANES
}

/// Cost parameters of Argon2id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory in KiB (`m`).
    pub memory_kib: u32,
    /// Passes over the memory (`t`).
    pub iterations: u32,
    /// Lanes (`p`), computed one after the other.
    pub parallelism: u32,
}

impl Argon2Cost {
    /// The parameters, raised to the least that Argon2 defines where they are below it.
    pub(super) fn params(self) -> Params {
        let lanes = self.parallelism.clamp(Params::MIN_P_COST, Params::MAX_P_COST);
        let memory = self.memory_kib.max(lanes * 8);
        #[expect(clippy::expect_used, reason = "each value was just brought into its range")]
        Params::new(memory, self.iterations.max(1), lanes, Some(OUTPUT_LEN)).expect("the parameters are in range")
    }
}

/// The blocks of one thread. They are allocated by the first hash and reused by the next ones.
pub(super) struct Memory {
    blocks: Vec<Block>,
    /// What may be kept; a foreign hash that needs more gives it back at once.
    keep: usize,
    /// Bytes held by all threads of the pool.
    held: Arc<AtomicU64>,
}

impl Memory {
    pub(super) fn new(cost: Argon2Cost, held: Arc<AtomicU64>) -> Self {
        Self { blocks: Vec::new(), keep: cost.params().block_count(), held }
    }

    /// At least `count` blocks. Argon2 overwrites them all before it reads them.
    fn at_least(&mut self, count: usize) -> &mut [Block] {
        if self.blocks.len() < count {
            // Not `resize`: it would copy the old blocks into the new place.
            self.release();
            self.blocks = vec![Block::new(); count];
            self.held.fetch_add(self.bytes(), Ordering::Relaxed);
        }
        &mut self.blocks
    }

    pub(super) fn is_held(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// Gives everything back.
    pub(super) fn release(&mut self) {
        self.held.fetch_sub(self.bytes(), Ordering::Relaxed);
        self.blocks = Vec::new();
    }

    fn bytes(&self) -> u64 {
        (self.blocks.len() * Block::SIZE) as u64
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.release();
    }
}

/// An Argon2 hash of any variant and cost.
pub struct Argon2Hash {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Salt,
    output: Output,
}

impl Argon2Hash {
    pub(super) fn parse(text: &str) -> Result<Self, UnknownHash> {
        let phc = PasswordHash::new(text).map_err(|_| UnknownHash::Malformed)?;
        let algorithm = Algorithm::try_from(phc.algorithm.as_str()).map_err(|_| UnknownHash::Malformed)?;
        // The first strings named no version and meant 0x10.
        let version = phc.version.map_or(Ok(Version::V0x10), Version::try_from).map_err(|_| UnknownHash::Malformed)?;
        let params = Params::try_from(&phc).map_err(|_| UnknownHash::Malformed)?;
        let cost = Argon2Cost { memory_kib: params.m_cost(), iterations: params.t_cost(), parallelism: params.p_cost() };
        if !is_bearable(cost) {
            return Err(UnknownHash::TooCostly);
        }
        let (Some(salt), Some(output)) = (phc.salt, phc.hash) else { return Err(UnknownHash::Malformed) };
        Ok(Self { algorithm, version, params, salt, output })
    }

    /// Whether a new hash would look like this one.
    pub(super) fn is_at(&self, cost: Argon2Cost) -> bool {
        let wanted = cost.params();
        let (have, want) = (&self.params, &wanted);
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && (have.m_cost(), have.t_cost(), have.p_cost()) == (want.m_cost(), want.t_cost(), want.p_cost())
            && self.output.len() == OUTPUT_LEN
            && self.salt.len() >= SALT_LEN
    }

    pub(super) fn matches(&self, password: &[u8], memory: &mut Memory) -> bool {
        let mut output = [0; Output::MAX_LENGTH];
        let output = &mut output[..self.output.len()];
        let argon = Argon2::new(self.algorithm, self.version, self.params.clone());
        compute(&argon, password, &self.salt, output, memory) && bool::from(output.ct_eq(self.output.as_bytes()))
    }
}

/// A new hash as a PHC string; `None` when Argon2 refuses the password (4 GiB or more).
pub(super) fn hash(cost: Argon2Cost, password: &[u8], salt: &[u8; SALT_LEN], memory: &mut Memory) -> Option<String> {
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.params());
    let mut output = [0; OUTPUT_LEN];
    if !compute(&argon, password, salt, &mut output, memory) {
        return None;
    }
    let phc = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&Params::new(argon.params().m_cost(), argon.params().t_cost(), argon.params().p_cost(), None).ok()?)
            .ok()?,
        salt: Some(Salt::new(salt).ok()?),
        hash: Some(Output::new(&output).ok()?),
    };
    Some(phc.to_string())
}

/// Costs what verifying a hash of `cost` costs, and never matches: for people who are not there.
pub(super) fn pretend(cost: Argon2Cost, password: &[u8], memory: &mut Memory) {
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.params());
    let mut output = [0; OUTPUT_LEN];
    compute(&argon, password, &[0; SALT_LEN], &mut output, memory);
    std::hint::black_box(bool::from(output.ct_eq(&[0; OUTPUT_LEN])));
}

fn compute(argon: &Argon2<'_>, password: &[u8], salt: &[u8], output: &mut [u8], memory: &mut Memory) -> bool {
    let blocks = memory.at_least(argon.params().block_count());
    let done = argon.hash_password_into_with_memory(password, salt, output, blocks).is_ok();
    if memory.blocks.len() > memory.keep {
        memory.release();
    }
    done
}
