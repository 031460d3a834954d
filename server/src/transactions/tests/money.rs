//! Exact decimals in and out, held by a table and by properties.

use keystead::transactions::{Currency, MoneyFault};
use proptest::prelude::*;

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap_or_else(|| panic!("{code} is a currency"))
}

#[test]
fn amounts_are_read_to_the_minor_unit() {
    for (code, text, minor, printed) in [
        ("EUR", "12.34", 1234, "12.34"),
        ("EUR", "12.3", 1230, "12.30"),
        ("EUR", "12", 1200, "12.00"),
        ("EUR", "0.01", 1, "0.01"),
        ("EUR", "999999999999.99", 99_999_999_999_999, "999999999999.99"),
        ("JPY", "500", 500, "500"),
        ("JPY", "999999999999", 999_999_999_999, "999999999999"),
        ("KRW", "1", 1, "1"),
        ("KWD", "1.234", 1234, "1.234"),
        ("BHD", "0.005", 5, "0.005"),
        ("CLF", "1.2345", 12_345, "1.2345"),
        ("CLF", "999999999999.9999", 9_999_999_999_999_999, "999999999999.9999"),
        ("UYW", "3.0001", 30_001, "3.0001"),
        ("USD", "0.10", 10, "0.10"),
        ("DEM", "1.95", 195, "1.95"),
    ] {
        let Some(currency) = Currency::parse(code) else {
            assert_eq!(code, "DEM", "{code} is a currency");
            continue;
        };
        assert_eq!(currency.amount(text), Ok(minor), "{text} {code}");
        assert_eq!(currency.print(minor), printed, "{text} {code}");
    }
}

#[test]
fn what_is_no_amount_is_refused_and_never_rounded() {
    use MoneyFault::{NotDecimal, NotPositive, TooLarge, TooPrecise};
    for (code, text, fault) in [
        ("EUR", "12.345", TooPrecise),
        ("EUR", "12.340", TooPrecise),
        ("EUR", "0.001", TooPrecise),
        ("JPY", "5.0", TooPrecise),
        ("JPY", "0.5", TooPrecise),
        ("KWD", "1.2345", TooPrecise),
        ("CLF", "1.23456", TooPrecise),
        ("EUR", "0", NotPositive),
        ("EUR", "0.00", NotPositive),
        ("EUR", "-1", NotPositive),
        ("EUR", "-0", NotPositive),
        ("EUR", "-1.999", TooPrecise),
        ("EUR", "--1", NotDecimal),
        ("EUR", "+1", NotDecimal),
        ("EUR", "1000000000000", TooLarge),
        ("EUR", "9223372036854775808", TooLarge),
        ("EUR", &"9".repeat(400), TooLarge),
        ("EUR", "", NotDecimal),
        ("EUR", ".", NotDecimal),
        ("EUR", ".5", NotDecimal),
        ("EUR", "5.", NotDecimal),
        ("EUR", "1.2.3", NotDecimal),
        ("EUR", "1,5", NotDecimal),
        ("EUR", "1 000", NotDecimal),
        ("EUR", " 1", NotDecimal),
        ("EUR", "1\n", NotDecimal),
        ("EUR", "01", NotDecimal),
        ("EUR", "00.5", NotDecimal),
        ("EUR", "1e3", NotDecimal),
        ("EUR", "1E-2", NotDecimal),
        ("EUR", "0x10", NotDecimal),
        ("EUR", "NaN", NotDecimal),
        ("EUR", "Infinity", NotDecimal),
        ("EUR", "1_000", NotDecimal),
        ("EUR", "١٢", NotDecimal),
        ("EUR", "１２", NotDecimal),
        ("EUR", "½", NotDecimal),
        ("EUR", "1.-5", NotDecimal),
        ("EUR", "1\u{0}", NotDecimal),
    ] {
        assert_eq!(currency(code).amount(text), Err(fault), "{text:?} {code}");
    }
}

#[test]
fn currencies_are_those_of_the_standard_with_a_minor_unit() {
    for (code, digits) in [("EUR", 2), ("JPY", 0), ("KWD", 3), ("TND", 3), ("CLF", 4), ("ISK", 0), ("HUF", 2), ("XOF", 0), ("MRU", 2)] {
        assert_eq!(currency(code).digits(), digits, "{code}");
    }
    for none in ["eur", "Eur", "EURO", "EU", "", " EUR", "€", "XXX", "XTS", "XAU", "XDR", "BTC", "978", "ＥＵＲ", "EUR\0"] {
        assert_eq!(Currency::parse(none), None, "{none:?}");
    }
}

#[test]
fn a_difference_is_printed_with_its_sign() {
    assert_eq!(currency("EUR").print(-5), "-0.05");
    assert_eq!(currency("EUR").print(0), "0.00");
    assert_eq!(currency("JPY").print(-100), "-100");
    assert_eq!(currency("CLF").print(i64::MIN), "-922337203685477.5808");
    assert_eq!(currency("KWD").print(i64::MAX), "9223372036854775.807");
}

fn any_currency() -> impl Strategy<Value = Currency> {
    prop::sample::select(vec!["JPY", "EUR", "USD", "KWD", "CLF", "ISK", "GBP", "TND"]).prop_map(currency)
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(currency in any_currency(), units in 1..1_000_000_000_000_i64, fraction in 0..10_000_i64) {
        let minor = units * 10_i64.pow(currency.digits()) - fraction % 10_i64.pow(currency.digits());
        prop_assume!(minor > 0);
        let printed = currency.print(minor);
        prop_assert_eq!(currency.amount(&printed), Ok(minor));
        prop_assert_eq!(printed.split_once('.').map_or(0, |(_, digits)| digits.len()), currency.digits() as usize);
    }

    #[test]
    fn any_text_is_read_exactly_or_refused(currency in any_currency(), text in "[-+0-9.,eE ]{0,20}|\\PC{0,12}") {
        if let Ok(minor) = currency.amount(&text) {
            prop_assert!(minor > 0);
            // The same digits, padded to the minor unit.
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            let width = currency.digits() as usize;
            prop_assert!(fraction.len() <= width);
            let digits = format!("{whole}{fraction:0<width$}");
            prop_assert_eq!(digits.parse::<i64>(), Ok(minor));
        }
    }
}
