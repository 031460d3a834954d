//! What is sent about a transaction, checked: everything that is wrong at once, field by field.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;

use super::money::{Currency, MoneyFault, WHOLE_DIGITS};
use crate::error::{Code, FieldError, Problem};
use crate::time::Timestamp;

/// The longest description, in characters.
const DESCRIPTION_MAX: usize = 500;
/// The longest category, in characters.
pub(super) const CATEGORY_MAX: usize = 64;
/// The most metadata, in bytes of compact JSON, and how deep it may go.
const METADATA_MAX: usize = 4096;
const METADATA_DEPTH: usize = 8;
/// 1900-01-01 and 2200-01-01: what lies outside is a slip of the keyboard.
pub(super) const EARLIEST: Timestamp = Timestamp::from_secs(-2_208_988_800);
pub(super) const LATEST: Timestamp = Timestamp::from_secs(7_258_118_400);

/// Earned or spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = TransactionKind)]
pub enum Kind {
    /// Earned.
    Income,
    /// Spent.
    Expense,
}

impl Kind {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Income => "income",
            Self::Expense => "expense",
        }
    }

    /// Reads what [`Kind::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Income, Self::Expense].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A transaction that is written down.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewTransaction {
    /// A positive decimal without sign, spaces or exponent. At most 12 digits before the point, and no more behind it than the
    /// currency has: what is more precise is refused, never rounded.
    #[schema(example = "12.34", pattern = "^(0|[1-9][0-9]{0,11})(\\.[0-9]{1,4})?$")]
    pub amount: String,
    /// ISO 4217 code.
    #[schema(example = "EUR", pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// `income` or `expense`.
    #[schema(pattern = "^(income|expense)$")]
    pub kind: String,
    /// What it was.
    #[schema(min_length = 1, max_length = 500)]
    pub description: String,
    /// What it belongs to; found in whatever case.
    #[schema(max_length = 64)]
    pub category: Option<String>,
    /// When it happened (RFC 3339), from 1900 to 2199.
    #[schema(format = DateTime)]
    pub occurred_at: String,
    /// Anything of the application's own: at most 4,096 bytes of JSON, 8 levels deep.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
}

/// What to change; members left out stay as they are.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TransactionChange {
    /// As in a new one.
    #[schema(example = "12.34", pattern = "^(0|[1-9][0-9]{0,11})(\\.[0-9]{1,4})?$")]
    pub amount: Option<String>,
    /// Another currency needs an amount as well.
    #[schema(example = "EUR", pattern = "^[A-Z]{3}$")]
    pub currency: Option<String>,
    /// `income` or `expense`.
    #[schema(pattern = "^(income|expense)$")]
    pub kind: Option<String>,
    /// What it was.
    #[schema(min_length = 1, max_length = 500)]
    pub description: Option<String>,
    /// Null or empty takes it away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 64)]
    pub category: Option<Option<String>>,
    /// When it happened (RFC 3339), from 1900 to 2199.
    #[schema(format = DateTime)]
    pub occurred_at: Option<String>,
    /// All of it anew; null takes it away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Option<Map<String, Value>>>,
}

/// Tells `null` from absent.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A transaction that was checked, or the changed parts of one.
#[derive(Clone, Debug, Default)]
pub(super) struct Checked {
    /// Minor units and their currency.
    pub money: Option<(i64, Currency)>,
    pub kind: Option<Kind>,
    pub description: Option<String>,
    pub category: Option<Option<String>>,
    pub occurred_at: Option<Timestamp>,
    pub metadata: Option<Option<Map<String, Value>>>,
}

impl Checked {
    /// Whether it changes nothing.
    pub const fn is_empty(&self) -> bool {
        self.money.is_none()
            && self.kind.is_none()
            && self.description.is_none()
            && self.category.is_none()
            && self.occurred_at.is_none()
            && self.metadata.is_none()
    }
}

impl NewTransaction {
    /// Everything that is wrong at once; or all of it.
    pub fn check(self) -> Result<Checked, Problem> {
        let change = TransactionChange {
            amount: Some(self.amount),
            currency: Some(self.currency),
            kind: Some(self.kind),
            description: Some(self.description),
            category: Some(self.category),
            occurred_at: Some(self.occurred_at),
            metadata: Some(self.metadata),
        };
        change.check(None)
    }
}

impl TransactionChange {
    /// Everything that is wrong at once; or what is to be changed of a transaction in `currency`.
    pub fn check(self, currency: Option<Currency>) -> Result<Checked, Problem> {
        let mut errors = Vec::new();
        let checked = Checked {
            money: self.amount_of(currency, &mut errors),
            kind: self.kind.as_deref().and_then(|typed| kept(check_kind(typed), &mut errors)),
            description: self.description.as_deref().and_then(|typed| kept(check_description(typed), &mut errors)),
            category: self.category.as_ref().and_then(|typed| kept(check_category(typed.as_deref()), &mut errors)),
            occurred_at: self.occurred_at.as_deref().and_then(|typed| kept(check_time(typed), &mut errors)),
            metadata: self.metadata.and_then(|typed| kept(check_metadata(typed), &mut errors)),
        };
        if errors.is_empty() { Ok(checked) } else { Err(Problem { errors, ..Problem::new(Code::ValidationFailed) }) }
    }

    fn amount_of(&self, current: Option<Currency>, errors: &mut Vec<FieldError>) -> Option<(i64, Currency)> {
        let typed = self.currency.as_deref().map(|code| Currency::parse(code).ok_or(()));
        let currency = match typed {
            Some(Err(())) => {
                errors.push(fault("currency", "unknown_currency", "Use a code of ISO 4217 with a minor unit, such as EUR."));
                return None;
            }
            Some(Ok(currency)) => Some(currency),
            None => current,
        };
        let Some(amount) = &self.amount else {
            // What was exact in one currency need not be so in another.
            if currency != current {
                errors.push(fault("amount", "required", "Send the amount in the new currency as well."));
            }
            return None;
        };
        let currency = currency?;
        kept(currency.amount(amount).map_err(|wrong| money_fault(wrong, currency)).map(|minor| (minor, currency)), errors)
    }
}

fn kept<T>(checked: Result<T, FieldError>, errors: &mut Vec<FieldError>) -> Option<T> {
    checked.map_err(|fault| errors.push(fault)).ok()
}

fn fault(field: &'static str, code: &'static str, message: impl Into<std::borrow::Cow<'static, str>>) -> FieldError {
    FieldError { field: field.into(), code, message: message.into() }
}

fn money_fault(wrong: MoneyFault, currency: Currency) -> FieldError {
    let (code, digits) = (currency.code(), currency.digits());
    match wrong {
        MoneyFault::NotDecimal => fault("amount", "invalid_amount", "Write the amount as plain digits with a point, such as 12.34."),
        MoneyFault::NotPositive => fault("amount", "not_positive", "An amount is above zero; `kind` says which way it went."),
        MoneyFault::TooLarge => fault("amount", "too_large", format!("Use at most {WHOLE_DIGITS} digits before the point.")),
        MoneyFault::TooPrecise if digits == 0 => fault("amount", "too_precise", format!("{code} has no digits behind the point.")),
        MoneyFault::TooPrecise => fault("amount", "too_precise", format!("{code} has at most {digits} digits behind the point.")),
    }
}

fn check_kind(typed: &str) -> Result<Kind, FieldError> {
    Kind::parse(typed).ok_or_else(|| fault("kind", "unknown", "Use income or expense."))
}

fn check_description(typed: &str) -> Result<String, FieldError> {
    match check_text("description", typed, DESCRIPTION_MAX)? {
        text if text.is_empty() => Err(fault("description", "required", "Say what it was.")),
        text => Ok(text),
    }
}

/// A category, trimmed and in NFC; empty means none.
pub(super) fn check_category(typed: Option<&str>) -> Result<Option<String>, FieldError> {
    let text = check_text("category", typed.unwrap_or_default(), CATEGORY_MAX)?;
    Ok((!text.is_empty()).then_some(text))
}

fn check_text(field: &'static str, typed: &str, most: usize) -> Result<String, FieldError> {
    let too_long = || fault(field, "too_long", format!("Use at most {most} characters."));
    // Bytes first, so that a huge input is refused before it is normalised.
    if typed.len() > most * 8 || typed.chars().count() > most {
        return Err(too_long());
    }
    let text: String = typed.trim().nfc().collect();
    if text.chars().count() > most {
        return Err(too_long());
    }
    if text.chars().any(char::is_control) {
        return Err(fault(field, "invalid_characters", "Use only visible characters."));
    }
    Ok(text)
}

fn check_time(typed: &str) -> Result<Timestamp, FieldError> {
    let at = Timestamp::parse_rfc3339(typed)
        .ok_or_else(|| fault("occurredAt", "invalid_time", "Write the time as in 2026-05-01T12:00:00Z (RFC 3339)."))?;
    if (EARLIEST..LATEST).contains(&at) { Ok(at) } else { Err(fault("occurredAt", "out_of_range", "Use a time from 1900 to 2199.")) }
}

fn check_metadata(typed: Option<Map<String, Value>>) -> Result<Option<Map<String, Value>>, FieldError> {
    let Some(metadata) = typed else { return Ok(None) };
    if !within(metadata.values(), METADATA_DEPTH - 1) {
        return Err(fault("metadata", "too_deep", format!("Use at most {METADATA_DEPTH} levels.")));
    }
    let size = serde_json::to_vec(&metadata).map_or(usize::MAX, |written| written.len());
    if size > METADATA_MAX {
        return Err(fault("metadata", "too_long", format!("Use at most {METADATA_MAX} bytes of JSON.")));
    }
    Ok(Some(metadata))
}

/// Whether `values` go at most `levels` further down.
fn within<'v>(mut values: impl Iterator<Item = &'v Value>, levels: usize) -> bool {
    values.all(|value| match value {
        Value::Array(items) => levels > 0 && within(&mut items.iter() as &mut dyn Iterator<Item = _>, levels - 1),
        Value::Object(members) => levels > 0 && within(&mut members.values() as &mut dyn Iterator<Item = _>, levels - 1),
        _ => true,
    })
}
