//! What a period sums up to, by month or by category: read from the sums that stand beside the transactions, and from single
//! transactions only where the period begins or ends within a day.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::content::open_label;
use super::listing::times;
use super::period::{Period, month_name};
use super::totals_store::{self as store, Summed};
use crate::error::{Code, FieldError, Problem};
use crate::ground::Ground;

/// Groups of one answer.
const GROUPS_MAX: usize = 10_000;

/// A month or a category in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TransactionGroup)]
pub(super) struct Group {
    /// The month in UTC as in 2026-05, or the category; null for what has none.
    #[schema(required = true)]
    pub key: Option<String>,
    /// ISO 4217 code.
    pub currency: String,
    /// What was earned, exact.
    #[schema(example = "1234.00")]
    pub income: String,
    /// What was spent, exact.
    #[schema(example = "1000.50")]
    pub expense: String,
    /// Income less expenses; below zero with a minus.
    #[schema(example = "233.50")]
    pub net: String,
    /// How many transactions.
    pub count: i64,
}

/// `{groups}`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransactionSummary)]
pub(super) struct Summary {
    pub groups: Vec<Group>,
}

/// A checked question.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    period: Period,
    by_category: bool,
}

impl Asked {
    /// Checks what was typed; everything that is wrong at once.
    ///
    /// # Errors
    /// `invalid_request` with each parameter that cannot be read.
    pub fn check(from: Option<&str>, to: Option<&str>, group_by: Option<&str>) -> Result<Self, Problem> {
        let mut problem = Problem::new(Code::InvalidRequest);
        let mut refuse = |field: &'static str, code: &'static str, message: &'static str| {
            problem.errors.push(FieldError { field: field.into(), code, message: message.into() });
        };
        let time = times(from, to, &mut refuse);
        let by_category = match group_by {
            None | Some("month") => false,
            Some("category") => true,
            Some(_) => {
                refuse("groupBy", "unknown", "Use month or category.");
                false
            }
        };
        if problem.errors.is_empty() { Ok(Self { period: Period::of(time.start, time.end), by_category }) } else { Err(problem) }
    }
}

/// What the transactions of `owner` sum up to.
///
/// # Errors
/// `invalid_request` when there are too many groups; the store or the keyring does not answer.
pub(super) async fn summary(ground: &Ground, owner: Uuid, asked: &Asked) -> Result<Summary, Problem> {
    let most = i64::try_from(GROUPS_MAX + 1).unwrap_or(i64::MAX);
    let groups = match asked.by_category {
        false => {
            let found = store::by_month(&ground.db, owner, &asked.period, most).await?;
            found.into_iter().map(|group| shown(&group, Some(month_name(group.key)))).collect::<Vec<_>>()
        }
        true => {
            let key = ground.keyring.get(owner).await?;
            let found = store::by_category(&ground.db, owner, &asked.period, most).await?;
            let named = found.into_iter().map(|group| {
                let (category, label) = &group.key;
                let label = label.as_deref().map(|label| open_label(&key, category, label)).transpose()?;
                Ok(shown(&group, label))
            });
            let mut groups = named.collect::<Result<Vec<_>, Problem>>()?;
            // What has no category stands at the end.
            groups.sort_by(|one, next| (one.key.is_none(), &one.key, &one.currency).cmp(&(next.key.is_none(), &next.key, &next.currency)));
            groups
        }
    };
    if groups.len() > GROUPS_MAX {
        let detail = format!("This would be more than {GROUPS_MAX} groups. Ask for a shorter period.");
        return Err(Problem::new(Code::InvalidRequest).detail(detail));
    }
    Ok(Summary { groups })
}

fn shown<K>(group: &Summed<K>, key: Option<String>) -> Group {
    let currency = group.currency;
    Group {
        key,
        currency: currency.code().to_owned(),
        income: currency.print(group.income),
        expense: currency.print(group.expense),
        net: currency.print(group.income - group.expense),
        count: group.count,
    }
}
