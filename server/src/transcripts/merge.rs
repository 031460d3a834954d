//! What a post changes in a transcript: the rules by which segments may come late, twice and in parts.
//!
//! | stored | posted | |
//! |---|---|---|
//! | nothing | anything | is stored |
//! | partial | the same | changes nothing |
//! | partial | other partial, or final | replaces it |
//! | final | the same | changes nothing |
//! | final | partial | changes nothing: it was overtaken on its way |
//! | final | other final | is refused, and the whole post with it |

use std::collections::HashMap;

use super::segment::Segment;

/// A final segment was to be changed: its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conflict(pub i64);

/// Which of `posted`, by index, are to be stored over `held`. Each is held against those before it as well: of several states of one
/// segment in one post only the last is stored.
///
/// # Errors
/// The first final segment that would change.
pub(super) fn changes(held: &[Segment], posted: &[Segment]) -> Result<Vec<usize>, Conflict> {
    let mut states: HashMap<i64, &Segment> = held.iter().map(|segment| (segment.seq, segment)).collect();
    let mut changed: HashMap<i64, usize> = HashMap::new();
    for (index, segment) in posted.iter().enumerate() {
        match states.get(&segment.seq) {
            Some(state) if *state == segment => {}
            Some(state) if state.r#final && segment.r#final => return Err(Conflict(segment.seq)),
            Some(state) if state.r#final => {}
            _ => {
                states.insert(segment.seq, segment);
                changed.insert(segment.seq, index);
            }
        }
    }
    let mut changed: Vec<usize> = changed.into_values().collect();
    changed.sort_unstable();
    Ok(changed)
}
