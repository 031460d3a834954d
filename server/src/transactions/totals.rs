//! The sums by day, by month and over everything that stand beside the transactions: what a write adds to them and takes away.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::body::Kind;
use super::period::{day_of, month_of};
use super::store::Stored;
use super::totals_store as store;
use crate::db::Tx;
use crate::error::{Code, Problem};

/// The most that the income, or the expenses, of somebody in one currency add up to, in minor units. So no sum of any of their
/// transactions leaves 63 bits, on either engine, and no difference of two such sums does.
pub(super) const SUM_MAX: i64 = 4_000_000_000_000_000_000;

/// Which sum.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Which {
    /// `day`, `month` or `all`.
    pub span: &'static str,
    /// First instant, in microseconds.
    pub start: i64,
    pub currency: &'static str,
    pub category: Vec<u8>,
}

/// By how much it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Minor units.
    pub income: i64,
    pub expense: i64,
    /// How many.
    pub incomes: i64,
    pub expenses: i64,
}

/// What a write does to the sums; several transactions meet in one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals(BTreeMap<Which, Sums>);

impl Totals {
    /// `transaction` is there from now on.
    pub fn add(&mut self, transaction: &Stored) {
        self.change(transaction, 1);
    }

    /// `transaction` is not there any more.
    pub fn take(&mut self, transaction: &Stored) {
        self.change(transaction, -1);
    }

    fn change(&mut self, transaction: &Stored, sign: i64) {
        let (currency, at) = (transaction.currency.code(), transaction.occurred_at);
        let category = transaction.category.clone();
        let places = [
            Which { span: "day", start: day_of(at).as_micros(), currency, category: category.clone() },
            Which { span: "month", start: month_of(at).as_micros(), currency, category },
            Which { span: "all", start: 0, currency, category: Vec::new() },
        ];
        for place in places {
            let sums = self.0.entry(place).or_default();
            match transaction.kind {
                Kind::Income => (sums.income, sums.incomes) = (sums.income + sign * transaction.amount, sums.incomes + sign),
                Kind::Expense => (sums.expense, sums.expenses) = (sums.expense + sign * transaction.amount, sums.expenses + sign),
            }
        }
    }

    /// Writes the change into the sums of `owner`, whose ledger is held.
    ///
    /// # Errors
    /// `conflict` when a sum would become larger than [`SUM_MAX`].
    pub async fn write(mut self, tx: &mut Tx, owner: Uuid) -> Result<(), Problem> {
        self.0.retain(|_, sums| *sums != Sums::default());
        if self.0.is_empty() {
            return Ok(());
        }
        let less: Vec<&Which> = self.0.iter().filter(|(_, sums)| sums.incomes < 0 || sums.expenses < 0).map(|(place, _)| place).collect();
        let rows: Vec<(&Which, &Sums)> = self.0.iter().collect();
        if store::change(tx, owner, &rows, SUM_MAX).await? != self.0.len() {
            let detail = "What you have in this currency would add up to more than can be counted here.";
            return Err(Problem::new(Code::Conflict).detail(detail));
        }
        if !less.is_empty() {
            store::drop_empty(tx, owner, &less).await?;
        }
        Ok(())
    }
}
