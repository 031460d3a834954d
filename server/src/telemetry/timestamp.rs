//! Times and numbers as text, without the machinery of general formatting: a log line has several.

use crate::time::Timestamp;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Appends `at` as RFC 3339 with six decimals, for the years 0 to 9999.
pub fn push_timestamp(line: &mut Vec<u8>, at: Timestamp) {
    let seconds = at.as_micros().div_euclid(MICROS_PER_SECOND);
    let micros = at.as_micros().rem_euclid(MICROS_PER_SECOND);
    let (year, month, day) = civil(seconds.div_euclid(SECONDS_PER_DAY));
    let second = seconds.rem_euclid(SECONDS_PER_DAY);
    push_padded(line, year, 4);
    line.push(b'-');
    push_padded(line, month, 2);
    line.push(b'-');
    push_padded(line, day, 2);
    line.push(b'T');
    push_padded(line, second / 3600, 2);
    line.push(b':');
    push_padded(line, second / 60 % 60, 2);
    line.push(b':');
    push_padded(line, second % 60, 2);
    line.push(b'.');
    push_padded(line, micros, 6);
    line.push(b'Z');
}

/// Appends `value` in at least `width` digits; nothing here is negative.
pub fn push_padded(line: &mut Vec<u8>, value: i64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut rest = value.unsigned_abs();
    let mut start = digits.len();
    while rest > 0 {
        start -= 1;
        // A digit is below ten.
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    line.extend_from_slice(&digits[start.min(digits.len() - width)..]);
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar: the era of 400
/// years, the year in it counted from March, so that the leap day comes last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}
