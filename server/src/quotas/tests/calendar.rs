//! When days and periods begin.

use std::time::Duration;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use keystead::quotas::calendar::{Day, window};
use keystead::time::Timestamp;
use proptest::prelude::*;

const DAY: Duration = Duration::from_secs(86_400);

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// The window as times, and its length in hours.
fn shown(name: &str, days: u32, now: &str) -> (String, String, u64) {
    let window = window(&zone(name), DAY * days, time(now));
    (window.start.to_string(), window.end.to_string(), window.end.since(window.start).as_secs() / 3600)
}

fn expected(start: &str, end: &str, hours: u64) -> (String, String, u64) {
    (start.to_owned(), end.to_owned(), hours)
}

#[test]
fn a_day_ends_at_midnight_of_its_zone() {
    assert_eq!(shown("UTC", 1, "2026-11-29T19:28:16Z"), expected("2026-11-29T00:00:00Z", "2026-11-30T00:00:00Z", 24));
    assert_eq!(shown("Europe/Berlin", 1, "2026-11-29T23:00:00Z"), expected("2026-11-29T23:00:00Z", "2026-11-30T23:00:00Z", 24));
    assert_eq!(shown("Europe/Berlin", 1, "2026-11-29T22:59:59Z"), expected("2026-11-28T23:00:00Z", "2026-11-29T23:00:00Z", 24));
    assert_eq!(shown("Asia/Kathmandu", 1, "2026-11-29T18:15:00Z"), expected("2026-11-29T18:15:00Z", "2026-11-30T18:15:00Z", 24));
}

#[test]
fn a_day_on_which_the_clocks_change_is_as_long_as_it_is() {
    // The clocks go from 2 to 3 o'clock, and back from 3 to 2.
    assert_eq!(shown("Europe/Berlin", 1, "2026-03-29T12:00:00Z"), expected("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23));
    assert_eq!(shown("Europe/Berlin", 1, "2026-10-25T12:00:00Z"), expected("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25));
    // Where midnight itself is left out, the day begins an hour later; where it comes twice, with the first.
    assert_eq!(shown("Africa/Cairo", 1, "2026-04-24T12:00:00Z"), expected("2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z", 23));
    assert_eq!(shown("America/Havana", 1, "2024-11-03T12:00:00Z"), expected("2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z", 25));
    // A week in which the clocks change.
    assert_eq!(shown("Europe/Berlin", 7, "2026-03-29T12:00:00Z"), expected("2026-03-22T23:00:00Z", "2026-03-29T22:00:00Z", 167));
}

#[test]
fn weeks_end_on_sunday_and_other_days_are_counted_from_a_monday() {
    assert_eq!(shown("UTC", 7, "2026-11-29T19:28:16Z"), expected("2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z", 168));
    assert_eq!(shown("UTC", 30, "1970-01-05T00:00:00Z"), expected("1970-01-05T00:00:00Z", "1970-02-04T00:00:00Z", 720));
    assert_eq!(shown("UTC", 7, "1970-01-04T23:59:59Z"), expected("1969-12-29T00:00:00Z", "1970-01-05T00:00:00Z", 168));
}

#[test]
fn other_periods_do_not_ask_for_the_zone() {
    for name in ["UTC", "Asia/Kathmandu", "America/Havana"] {
        let hour = window(&zone(name), Duration::from_secs(3600), time("2026-11-29T19:28:16Z"));
        assert_eq!((hour.start, hour.end), (time("2026-11-29T19:00:00Z"), time("2026-11-29T20:00:00Z")));
        let odd = window(&zone(name), Duration::from_secs(90_000), time("1970-01-02T01:00:00Z"));
        assert_eq!((odd.start, odd.end), (time("1970-01-02T01:00:00Z"), time("1970-01-03T02:00:00Z")));
    }
}

#[test]
fn days_are_written_and_read() {
    assert_eq!(Day::of(&zone("Europe/Berlin"), time("2026-11-29T23:00:00Z")).to_string(), "2026-11-30");
    assert_eq!(Day::parse("2026-11-30"), Some(Day::of(&zone("UTC"), time("2026-11-30T10:00:00Z"))));
    for text in ["", "2026-13-01", "2026-02-30", "20261130", "2026-11-30T00:00:00Z", "-2026-1-01", "heute", "2026-11-3\u{0660}"] {
        assert_eq!(Day::parse(text), None, "{text}");
    }
}

proptest! {
    /// Whatever the zone and the moment: it is within its period, which begins where the one before ends.
    #[test]
    fn periods_follow_each_other(
        name in prop::sample::select(vec!["UTC", "Europe/Berlin", "Africa/Cairo", "America/Havana", "Pacific/Apia", "Asia/Kathmandu",
            "Australia/Lord_Howe", "America/Sao_Paulo", "Antarctica/Troll", "Asia/Beirut"]),
        seconds in prop::sample::select(vec![1_u64, 60, 3600, 86_400, 90_000, 7 * 86_400, 30 * 86_400, 366 * 86_400]),
        micros in 0_i64..4_102_444_800_000_000,
    ) {
        let (zone, period, now) = (zone(name), Duration::from_secs(seconds), Timestamp::from_micros(micros));
        let this = window(&zone, period, now);
        prop_assert!(this.start <= now && now < this.end);
        let before = window(&zone, period, this.start.minus(Duration::from_micros(1)));
        prop_assert_eq!(before.end, this.start);
        prop_assert_eq!(window(&zone, period, this.start), this);
        prop_assert_eq!(window(&zone, period, this.end).start, this.end);
    }

    /// No instant that can be stored is too much.
    #[test]
    fn the_ends_of_time_are_harmless(micros: i64, seconds in 1_u64..40_000_000) {
        let now = Timestamp::from_micros(micros);
        let window = window(&zone("Europe/Berlin"), Duration::from_secs(seconds), now);
        prop_assert!(window.start <= window.end);
        let _ = Day::of(&zone("Europe/Berlin"), now).to_string();
    }
}
