//! Messages in pieces: only those of this installation, each once, and nothing of them is kept for ever.

use std::time::{Duration, Instant};

use keystead::config::MasterKey;
use keystead::secret::RootKeys;
use keystead::shared::pieces::{Cutter, Gatherer};
use zeroize::Zeroizing;

use super::roots;

const ME: [u8; 16] = [1; 16];
const OTHER: [u8; 16] = [2; 16];

#[test]
fn a_message_arrives_whole_and_once() {
    let (mut cutter, mut gatherer, now) = (Cutter::new(OTHER, roots()), Gatherer::new(ME, roots()), Instant::now());
    for length in [0, 1, 5_000, 100_000] {
        let payload = vec![7; length];
        let pieces = cutter.cut("flags", &payload);
        let heard: Vec<_> = pieces.iter().filter_map(|piece| gatherer.hear(piece, now)).collect();
        assert_eq!(heard, [("flags".to_owned(), payload)]);
        assert!(pieces.iter().all(|piece| gatherer.hear(piece, now).is_none()), "said again it counts for nothing");
    }
    let own = Cutter::new(ME, roots()).cut("flags", b"mine");
    assert!(gatherer.hear(&own[0], now).is_none(), "one's own comes back unheard");
    assert_eq!(gatherer.unfinished_bytes(), 0);
}

#[test]
fn what_nobody_of_this_installation_said_is_not_heard() {
    let (mut gatherer, now) = (Gatherer::new(ME, roots()), Instant::now());
    let stranger = RootKeys::new(&[MasterKey { id: "other".to_owned(), key: Zeroizing::new([8; 32]) }]);
    for piece in Cutter::new(OTHER, stranger).cut("sessions", &[1; 20_000]) {
        assert!(gatherer.hear(&piece, now).is_none());
    }
    let whole = Cutter::new(OTHER, roots()).cut("sessions", b"ended").remove(0);
    for place in 0..whole.len() {
        let mut changed = whole.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        // The last character may have bits that say nothing.
        assert!(changed == whole || gatherer.hear(&changed, now).is_none(), "{place}");
    }
    for odd in ["", "A", "not base64 !", &"A".repeat(7_999)] {
        assert!(gatherer.hear(odd, now).is_none());
    }
    assert_eq!((gatherer.instances(), gatherer.unfinished_bytes()), (0, 0), "and nothing of it is kept");
    assert!(gatherer.hear(&whole, now).is_some());
}

#[test]
fn a_missing_piece_costs_that_message_alone() {
    let (mut cutter, mut gatherer, now) = (Cutter::new(OTHER, roots()), Gatherer::new(ME, roots()), Instant::now());
    for lost in 0..3 {
        let pieces = cutter.cut("flags", &[9; 15_000]);
        assert_eq!(pieces.len(), 3);
        let rest = pieces.iter().enumerate().filter(|(at, _)| *at != lost);
        assert!(rest.filter_map(|(_, piece)| gatherer.hear(piece, now)).next().is_none());
        assert!(gatherer.hear(&cutter.cut("flags", b"next")[0], now).is_some());
        assert_eq!(gatherer.unfinished_bytes(), 0);
    }
    // A piece that somebody says again in between disturbs nothing.
    let pieces = cutter.cut("flags", &[9; 15_000]);
    let mixed = [0, 0, 1, 0, 1, 2].map(|at| gatherer.hear(&pieces[at], now));
    assert!(mixed[5].is_some());
}

#[test]
fn what_a_dead_instance_began_is_given_up() {
    let (mut gatherer, began) = (Gatherer::new(ME, roots()), Instant::now());
    let mut cutter = Cutter::new(OTHER, roots());
    let pieces = cutter.cut("flags", &[9; 15_000]);
    gatherer.hear(&pieces[0], began);
    assert!(gatherer.unfinished_bytes() > 5_000);
    gatherer.tidy(began + Duration::from_secs(5));
    assert!(gatherer.unfinished_bytes() > 5_000, "it may still go on");
    gatherer.tidy(began + Duration::from_secs(11));
    assert_eq!(gatherer.unfinished_bytes(), 0);
    assert!(gatherer.hear(&pieces[1], began + Duration::from_secs(12)).is_none());
    assert!(gatherer.hear(&cutter.cut("flags", b"next")[0], began + Duration::from_secs(12)).is_some());
}

#[test]
fn instances_and_their_bytes_are_bounded() {
    let (mut gatherer, now) = (Gatherer::new(ME, roots()), Instant::now());
    for n in 2_u128..2_002 {
        let pieces = Cutter::new(n.to_be_bytes(), roots()).cut("flags", &vec![9; 60_000]);
        pieces[..pieces.len() - 1].iter().for_each(|piece| drop(gatherer.hear(piece, now)));
    }
    assert!(gatherer.instances() <= 1024);
    assert!(gatherer.unfinished_bytes() <= 32 * 1024 * 1024, "{}", gatherer.unfinished_bytes());
}
