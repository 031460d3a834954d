//! The data folder and the development key.

use super::{KEY, Place};
use std::sync::Barrier;

#[test]
fn loading_creates_nothing() {
    let place = Place::new(&[]);
    assert!(place.good().master_keys.is_empty());
    assert!(!place.path("data").exists());
}

#[test]
fn the_development_key_is_made_once_and_found_again() {
    let place = Place::new(&[]);
    let mut first = place.good();
    first.ensure_data_dir(|| [3; 32]).unwrap();
    assert_eq!(*first.master_keys[0].key, [3; 32]);
    let mut second = place.good();
    second.ensure_data_dir(|| [4; 32]).unwrap();
    assert_eq!(*second.master_keys[0].key, [3; 32]);
    let names: Vec<_> = std::fs::read_dir(place.path("data")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["dev-master-key"], "no drafts are left behind");
}

#[cfg(unix)]
#[test]
fn folder_and_key_are_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new(&[]);
    place.good().ensure_data_dir(|| [3; 32]).unwrap();
    let mode = |name: &str| std::fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data"), mode("data/dev-master-key")), (0o700, 0o600));
}

#[test]
fn starters_of_the_same_moment_agree_on_one_key() {
    let place = Place::new(&[]);
    let barrier = Barrier::new(16);
    let keys: Vec<[u8; 32]> = std::thread::scope(|scope| {
        let starters: Vec<_> = (0..16u8)
            .map(|number| {
                let (place, barrier) = (&place, &barrier);
                scope.spawn(move || {
                    let mut settings = place.good();
                    barrier.wait();
                    settings.ensure_data_dir(|| [number; 32]).unwrap();
                    *settings.master_keys[0].key
                })
            })
            .collect();
        starters.into_iter().map(|starter| starter.join().unwrap()).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]));
}

#[test]
fn a_configured_key_is_used_and_none_is_made() {
    let place = Place::new(&[("KEYSTEAD_MASTER_KEY", KEY)]);
    let mut settings = place.good();
    settings.ensure_data_dir(|| panic!("no key is drawn")).unwrap();
    assert_eq!(settings.master_keys[0].id, "default");
    assert!(!place.path("data/dev-master-key").exists());
}

#[test]
fn production_never_makes_a_key() {
    let mut settings = Place::production(&[]).good();
    settings.master_keys.clear();
    settings.ensure_data_dir(|| panic!("no key is drawn")).unwrap();
    assert!(settings.master_keys.is_empty());
}

#[test]
fn a_damaged_key_file_is_told_without_its_content() {
    let place = Place::new(&[]).file("data/dev-master-key", "hunter2!");
    let fault = place.good().ensure_data_dir(|| [3; 32]).unwrap_err();
    assert!(fault.problem.contains("dev-master-key") && !fault.problem.contains("hunter2"), "{fault:?}");
}

#[test]
fn a_folder_that_cannot_be_made_is_a_fault() {
    let place = Place::new(&[("KEYSTEAD_DATA_DIR", "taken/data")]).file("taken", "a file");
    assert_eq!(place.good().ensure_data_dir(|| [3; 32]).unwrap_err().name, "KEYSTEAD_DATA_DIR");
}
