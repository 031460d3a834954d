//! Sums of transactions: by month, by category and in all, for each currency by itself, to the smallest unit.

use std::collections::BTreeMap;

use crate::exports::source::Money;

/// What came in and went out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub income: i128,
    /// Negative.
    pub expense: i128,
    pub count: u64,
    pub decimals: u8,
}

impl Sum {
    fn add(&mut self, money: &Money) {
        let side = if money.minor < 0 { &mut self.expense } else { &mut self.income };
        *side = side.saturating_add(money.minor);
        self.count += 1;
        self.decimals = self.decimals.max(money.decimals);
    }

    /// What is left.
    pub const fn net(&self) -> i128 {
        self.income.saturating_add(self.expense)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// By month and currency.
    pub months: BTreeMap<(String, String), Sum>,
    /// By category, nothing last, and currency.
    pub categories: BTreeMap<(bool, String, String), Sum>,
    /// By currency.
    pub totals: BTreeMap<String, Sum>,
}

impl Sums {
    /// Counts `money`.
    pub fn add(&mut self, money: &Money) {
        let currency = || money.currency.clone();
        self.months.entry((money.month.clone(), currency())).or_default().add(money);
        let category = money.category.clone();
        let key = (category.is_none(), category.unwrap_or_default(), currency());
        self.categories.entry(key).or_default().add(money);
        self.totals.entry(currency()).or_default().add(money);
    }

    /// The sums of one month, by currency.
    pub fn of_month<'a>(&'a self, month: &'a str) -> impl Iterator<Item = (&'a str, &'a Sum)> {
        self.months.iter().filter(move |((of, _), _)| of == month).map(|((_, currency), sum)| (currency.as_str(), sum))
    }
}

/// `-1,234.50` of -123450 with two decimals.
pub(super) fn amount(minor: i128, decimals: u8) -> String {
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = usize::from(decimals) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(decimals));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if minor < 0 { "-" } else { "" };
    let point = if decimals > 0 { "." } else { "" };
    format!("{sign}{grouped}{point}{fraction}")
}
