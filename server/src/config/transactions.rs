//! What people write down of their money.

use super::fault::Fault;
use super::parse;
use super::values::Values;

/// `KEYSTEAD_TRANSACTIONS__…`.
#[derive(Clone, Copy, Debug)]
pub struct Transactions {
    /// Transactions that are kept for one person at most, deleted ones that can be restored among them.
    pub ledger_limit: i64,
}

impl Transactions {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        Ok(Self { ledger_limit: values.get("transactions.ledger_limit", parse::number)? })
    }
}
