use std::collections::BTreeSet;

use keystead::config::MasterKey;
use keystead::http::page::{MAX_LIMIT, PageQuery};
use keystead::secret::RootKeys;
use proptest::prelude::*;
use uuid::Uuid;

fn roots(byte: u8) -> RootKeys {
    RootKeys::new(&[MasterKey { id: "k".to_owned(), key: [byte; 32].into() }])
}

/// What a store does: up to `rows` ids below `before`, newest first.
fn read(table: &BTreeSet<u128>, before: Option<Uuid>, rows: i64) -> Vec<Uuid> {
    let below = table.range(..before.map_or(u128::MAX, |id| id.as_u128()));
    below.rev().take(usize::try_from(rows).unwrap()).map(|id| Uuid::from_u128(*id)).collect()
}

proptest! {
    /// Rows come and go between the pages, wherever they like: what was there all the time is shown exactly once.
    #[test]
    fn a_walk_shows_what_stays_exactly_once(
        stays in prop::collection::btree_set(0_u128..10_000, 0..80),
        moves in prop::collection::vec(prop::collection::vec((0_u128..12_000, any::<bool>()), 0..6), 0..90),
        limit in 1_u32..12,
    ) {
        let roots = roots(1);
        let (mut table, mut moves) = (stays.clone(), moves.into_iter());
        let (mut cursor, mut shown) = (None, Vec::new());
        loop {
            let page = PageQuery { limit: Some(limit), cursor: cursor.clone() }.check(&roots, "things").unwrap();
            let list = page.answer(&roots, "things", read(&table, page.after, page.rows()), |id| *id);
            prop_assert!(list.items.len() <= limit as usize);
            prop_assert!(list.next_cursor.is_none() || list.items.len() == limit as usize);
            shown.extend(list.items);
            cursor = list.next_cursor;
            if cursor.is_none() {
                break;
            }
            for (id, comes) in moves.next().unwrap_or_default() {
                if comes {
                    table.insert(id);
                } else if !stays.contains(&id) {
                    table.remove(&id);
                }
            }
        }
        prop_assert!(shown.windows(2).all(|pair| pair[0] > pair[1]), "newest first, none twice: {shown:?}");
        let shown: BTreeSet<u128> = shown.iter().map(|id| id.as_u128()).collect();
        prop_assert!(stays.is_subset(&shown), "a gap");
    }

    #[test]
    fn a_cursor_is_good_for_its_list_and_its_installation(id in any::<u128>(), at in 0_usize..43, letter in "[A-Za-z0-9_-]") {
        let page = PageQuery { limit: Some(1), cursor: None }.check(&roots(1), "a").unwrap();
        let id = Uuid::from_u128(id);
        let cursor = page.answer(&roots(1), "a", vec![id, Uuid::nil()], |id| *id).next_cursor.unwrap();
        let open = |byte, list: &str, cursor: &str| {
            let query = PageQuery { limit: None, cursor: Some(cursor.to_owned()) };
            query.check(&roots(byte), list).map(|page| page.after)
        };
        prop_assert_eq!(open(1, "a", &cursor).unwrap(), Some(id));
        prop_assert!(open(1, "b", &cursor).is_err() && open(2, "a", &cursor).is_err());
        let mut changed = cursor.clone();
        changed.replace_range(at..=at, &letter);
        prop_assert!(changed == cursor || open(1, "a", &changed).is_err());
    }

    #[test]
    fn limits_are_from_1_to_200(limit in any::<u32>()) {
        let checked = PageQuery { limit: Some(limit), cursor: None }.check(&roots(1), "a");
        prop_assert_eq!(checked.is_ok(), (1..=MAX_LIMIT).contains(&limit));
    }
}
