//! Keys derived from the master key.

use std::collections::HashSet;

use keystead::secret::{Purpose, SealError};
use proptest::prelude::*;

use super::support::roots;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn derivation_is_hkdf_as_computed_elsewhere() {
    // Computed with Python's hmac and hashlib. A change here makes every installation's data unreadable.
    let roots = roots(&[7]);
    assert_eq!(hex(&roots.current()), "0385d86b");
    let (id, tag) = roots.mac(Purpose::Refresh, &[b"session", b"3"]);
    assert_eq!(id, roots.current());
    assert_eq!(hex(&tag), "0a3b11040ecdd956501e97941d2eaedffadd529d21defc37f9943768624ea447");
}

#[test]
fn every_purpose_and_every_master_key_has_keys_of_its_own() {
    let mut tags = HashSet::new();
    let mut ids = HashSet::new();
    for master in [1, 2] {
        let roots = roots(&[master]);
        assert!(ids.insert(roots.current()));
        for purpose in Purpose::ALL {
            assert!(tags.insert(roots.mac(purpose, &[b"same"]).1), "{purpose:?} shares a key");
        }
    }
    let one = roots(&[1]);
    for sealer in Purpose::ALL {
        let sealed = one.seal(sealer, b"aad", b"plain");
        for opener in Purpose::ALL {
            assert_eq!(one.open(opener, b"aad", &sealed).is_ok(), sealer == opener);
        }
    }
}

#[test]
fn parts_of_a_mac_cannot_be_shifted() {
    let roots = roots(&[1]);
    let tag = |parts: &[&[u8]]| roots.mac(Purpose::Codes, parts).1;
    let all = [tag(&[b"ab", b"c"]), tag(&[b"a", b"bc"]), tag(&[b"abc"]), tag(&[b"abc", b""]), tag(&[b"", b"abc"]), tag(&[])];
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
}

#[test]
fn verification_needs_the_right_key_purpose_parts_and_tag() {
    let roots = roots(&[1, 2]);
    let (id, tag) = roots.mac(Purpose::Csrf, &[b"a"]);
    assert!(roots.verify(id, Purpose::Csrf, &[b"a"], &tag));
    assert!(!roots.verify(id, Purpose::Csrf, &[b"b"], &tag));
    assert!(!roots.verify(id, Purpose::Cursor, &[b"a"], &tag));
    assert!(!roots.verify(roots.ids()[1], Purpose::Csrf, &[b"a"], &tag));
    assert!(!roots.verify([0; 4], Purpose::Csrf, &[b"a"], &tag));
    assert!(!roots.verify(id, Purpose::Csrf, &[b"a"], &tag[..31]));
    assert!(!roots.verify(id, Purpose::Csrf, &[b"a"], b""));
}

#[test]
fn an_older_key_still_verifies_and_opens_until_it_is_removed() {
    let before = roots(&[1]);
    let (id, tag) = before.mac(Purpose::Refresh, &[b"x"]);
    let sealed = before.seal(Purpose::System, b"job", b"payload");

    let during = roots(&[2, 1]);
    assert_eq!(during.ids(), [roots(&[2]).current(), id]);
    assert_ne!(during.mac(Purpose::Refresh, &[b"x"]), (id, tag));
    assert_eq!(during.mac_with(id, Purpose::Refresh, &[b"x"]), Some(tag));
    assert_eq!(during.open(Purpose::System, b"job", &sealed).unwrap(), b"payload");
    assert!(!during.is_current(&sealed));
    assert!(during.is_current(&during.seal(Purpose::System, b"job", b"payload")));

    let after = roots(&[2]);
    assert_eq!(after.mac_with(id, Purpose::Refresh, &[b"x"]), None);
    assert!(matches!(after.open(Purpose::System, b"job", &sealed), Err(SealError::UnknownKey)));
}

#[test]
fn a_changed_byte_anywhere_is_noticed() {
    let roots = roots(&[1]);
    let sealed = roots.seal(Purpose::System, b"job", b"payload");
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        let expected_unknown = place < 4;
        match roots.open(Purpose::System, b"job", &changed) {
            Err(SealError::UnknownKey) => assert!(expected_unknown),
            Err(SealError::Altered) => assert!(!expected_unknown),
            other => panic!("byte {place}: {other:?}"),
        }
        assert!(roots.open(Purpose::System, b"job", &sealed[..place]).is_err());
    }
    assert!(matches!(roots.open(Purpose::System, b"other", &sealed), Err(SealError::Altered)));
}

proptest! {
    #[test]
    fn what_was_sealed_opens(aad: Vec<u8>, plain: Vec<u8>) {
        let roots = roots(&[9]);
        let sealed = roots.seal(Purpose::System, &aad, &plain);
        prop_assert_eq!(sealed.len(), plain.len() + 32);
        prop_assert_eq!(roots.open(Purpose::System, &aad, &sealed).unwrap(), plain);
    }
}
