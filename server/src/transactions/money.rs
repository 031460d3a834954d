//! Money: exact decimals in, whole minor units kept, exact decimals out.

use std::fmt::Write;

/// Digits before the decimal point that an amount has at most. So 400 amounts of the finest currency there is, or four million
/// of one without a minor unit, still add up to what a sum may be.
pub const WHOLE_DIGITS: usize = 12;
/// Digits behind the decimal point of the currencies that have most of them (CLF, UYW).
const FINEST: u32 = 4;

/// A currency of ISO 4217 that amounts can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency {
    code: &'static str,
    digits: u32,
}

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoneyFault {
    /// Not plain decimal digits with a point.
    NotDecimal,
    /// Zero or less.
    NotPositive,
    /// More digits before the point than [`WHOLE_DIGITS`].
    TooLarge,
    /// More digits behind the point than the currency has.
    TooPrecise,
}

impl Currency {
    /// Reads a code of three capital letters. Those without a minor unit of their own (gold, testing, no currency at all) are none;
    /// former currencies are some, for what happened then.
    pub fn parse(code: &str) -> Option<Self> {
        let known = iso_currency::Currency::from_code(code)?;
        let digits = known.exponent().map(u32::from).filter(|digits| *digits <= FINEST)?;
        // Whatever case the library takes, ours is the one of the standard.
        (known.code() == code).then(|| Self { code: known.code(), digits })
    }

    /// Three capital letters.
    pub const fn code(self) -> &'static str {
        self.code
    }

    /// Digits of the minor unit: 0 for JPY, 2 for EUR, 3 for KWD, 4 for CLF.
    pub const fn digits(self) -> u32 {
        self.digits
    }

    /// Reads a positive amount such as `12.34` as minor units. Nothing is rounded: what does not fit is refused.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn amount(self, text: &str) -> Result<i64, MoneyFault> {
        if let Some(positive) = text.strip_prefix('-') {
            return Err(self.unsigned(positive).map_or_else(|fault| fault, |_| MoneyFault::NotPositive));
        }
        match self.unsigned(text)? {
            0 => Err(MoneyFault::NotPositive),
            minor => Ok(minor),
        }
    }

    fn unsigned(self, text: &str) -> Result<i64, MoneyFault> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(MoneyFault::NotDecimal),
            None => (text, ""),
        };
        let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || leading_zero || !plain(whole) || !plain(fraction) {
            return Err(MoneyFault::NotDecimal);
        }
        if whole.len() > WHOLE_DIGITS {
            return Err(MoneyFault::TooLarge);
        }
        let missing = u32::try_from(fraction.len()).ok().and_then(|given| self.digits.checked_sub(given)).ok_or(MoneyFault::TooPrecise)?;
        let digits = whole.bytes().chain(fraction.bytes());
        // At most 16 digits: far from the end of 63 bits.
        let units = digits.fold(0, |units: i64, digit| units * 10 + i64::from(digit - b'0'));
        Ok(units * 10_i64.pow(missing))
    }

    /// Minor units as a decimal with all digits of the currency: `12.30`, `-0.05`, `100`.
    pub fn print(self, minor: i64) -> String {
        let mut text = String::with_capacity(24);
        if minor < 0 {
            text.push('-');
        }
        let scale = 10_u64.pow(self.digits);
        let units = minor.unsigned_abs();
        // Writing into memory does not fail.
        let _ = write!(text, "{}", units / scale);
        if self.digits > 0 {
            let _ = write!(text, ".{:0width$}", units % scale, width = self.digits as usize);
        }
        text
    }

    /// Minor units in ten-thousandths, so that amounts of different currencies stand in the order of their numbers.
    pub(super) const fn value(self, minor: i64) -> i64 {
        minor.saturating_mul(10_i64.pow(FINEST - self.digits))
    }
}
