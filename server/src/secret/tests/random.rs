//! Randomness as a value.

use keystead::secret::Random;
use keystead::time::Timestamp;

#[test]
fn a_seed_repeats_and_clones_share_the_stream() {
    let (first, again) = (Random::seeded(7), Random::seeded(7));
    let a: [u8; 32] = first.bytes();
    assert_eq!(a, again.bytes());
    assert_ne!(a, first.clone().bytes());
    assert_ne!(a, Random::seeded(8).bytes());
    assert_ne!(Random::system().bytes::<32>(), Random::system().bytes());
}

#[test]
fn ids_are_version_7_and_carry_the_time() {
    let at = Timestamp::from_micros(1_790_000_000_123_456);
    let id = Random::seeded(1).uuid(at);
    assert_eq!(id.get_version_num(), 7);
    assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
    assert_eq!(u64::from_be_bytes(id.as_bytes()[..8].try_into().unwrap()) >> 16, 1_790_000_000_123);
    let random = Random::seeded(1);
    assert_ne!(random.uuid(at), random.uuid(at));
    assert!(random.uuid(at) < random.uuid(Timestamp::from_micros(at.as_micros() + 1000)));
    assert_eq!(random.uuid(Timestamp::from_micros(-1)).as_bytes()[..6], [0; 6]);
}

#[test]
fn digits_are_as_many_as_asked_and_equally_likely() {
    let random = Random::seeded(3);
    for length in [0, 1, 6, 17, 100] {
        let code = random.digits(length);
        assert_eq!(code.len(), length);
        assert!(code.bytes().all(|digit| digit.is_ascii_digit()));
    }
    let sample = random.digits(100_000);
    for digit in '0'..='9' {
        let count = sample.matches(digit).count();
        assert!((9_500..=10_500).contains(&count), "{digit} came {count} times of 100,000");
    }
    assert!((0..100).any(|_| random.digits(6).starts_with('0')), "leading zeros are kept");
}
