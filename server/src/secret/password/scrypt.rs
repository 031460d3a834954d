//! scrypt (RFC 7914) in PHC strings: `$scrypt$ln=16,r=8,p=1$salt$hash`.

use scrypt::Params;
use subtle::ConstantTimeEq;

use super::{UnknownHash, encoding};

// 256 MiB, and as much work as 1 GiB filled once.
const MAX_MEMORY: u64 = 256 << 20;
const MAX_WORK: u64 = 1 << 30;

/// An scrypt hash.
pub struct ScryptHash {
    params: Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl ScryptHash {
    pub(super) fn parse(text: &str) -> Result<Self, UnknownHash> {
        let fields: Vec<_> = text.split('$').collect();
        let ["", "scrypt", list, salt, output] = fields[..] else { return Err(UnknownHash::Malformed) };
        let parameter = |name| encoding::parameter(list, name);
        let params = params(parameter("ln")?, parameter("r")?, parameter("p")?)?;
        Ok(Self { params, salt: encoding::bytes(salt)?, output: encoding::output(output)? })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut output = vec![0; self.output.len()];
        scrypt::scrypt(password, &self.salt, &self.params, &mut output).is_ok() && output.ct_eq(&self.output).into()
    }
}

/// Parameters within the bounds. `log_n` is the exponent of N.
pub(super) fn params(log_n: u32, r: u32, p: u32) -> Result<Params, UnknownHash> {
    let memory =
        1_u64.checked_shl(log_n).filter(|_| log_n <= 24 && r <= 1024 && p <= 1024).ok_or(UnknownHash::TooCostly)? * u64::from(r) * 128;
    if memory > MAX_MEMORY || memory * u64::from(p) > MAX_WORK {
        return Err(UnknownHash::TooCostly);
    }
    let log_n = u8::try_from(log_n).map_err(|_| UnknownHash::TooCostly)?;
    Params::new(log_n, r, p).map_err(|_| UnknownHash::Malformed)
}
