//! Names and keys that do not exist: whether they are ours at all, and which one was probably meant.

use super::fault::Fault;
use super::names::{self, PREFIX, SETTINGS};

/// How close a name must be to be suggested, in edits.
const NEAR: usize = 3;

/// A key of the file that does not exist.
pub(super) fn key(key: String, layer: &str) -> Fault {
    let near = nearest(&key, SETTINGS.iter().map(|s| s.key.to_owned()));
    Fault::new(key, layer, "there is no such key", suggestion(near))
}

/// The setting that a `NAME_FILE` stands for.
pub(super) fn file_target(name: &str) -> Option<&str> {
    name.strip_suffix("_FILE").filter(|target| names::key_of(target).is_some())
}

/// A name of ours that does not exist. Names of others are none of our business.
pub(super) fn name(name: &str, value: &str, layer: &str) -> Option<Fault> {
    let is_foreign = !name.starts_with(PREFIX)
        || names::LOADING.iter().any(|(known, ..)| *known == name)
        || file_target(name).is_some()
        || name.starts_with("KEYSTEAD_TEST_")
        || is_service_link(name, value);
    if is_foreign {
        return None;
    }
    let (bare, suffix) = name.strip_suffix("_FILE").map_or((name, ""), |bare| (bare, "_FILE"));
    let conventional =
        SETTINGS.iter().filter_map(|s| s.conventional).find(|known| bare.strip_prefix(PREFIX) == Some(known)).map(str::to_owned);
    let known =
        SETTINGS.iter().flat_map(|s| [s.name(), s.section_name()]).chain(names::LOADING.iter().map(|(name, ..)| (*name).to_owned()));
    let near = conventional.or_else(|| nearest(bare, known)).map(|near| format!("{near}{suffix}"));
    Some(Fault::new(name, layer, "there is no such setting", suggestion(near)))
}

/// Variables that Kubernetes sets in every pod for a Service whose name begins with `keystead`.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let is_port_part = ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| {
        name.split_once(protocol).is_some_and(|(before, after)| {
            before.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with("_PORT_") && matches!(after, "" | "_PROTO" | "_PORT" | "_ADDR")
        })
    });
    name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || is_port_part || name.ends_with("_PORT") && is_address
}

fn suggestion(near: Option<String>) -> String {
    match near {
        Some(near) => format!("did you mean {near}? docs/configuration.md lists all settings"),
        None => "remove it, or see docs/configuration.md for the names".to_owned(),
    }
}

/// The candidate with the fewest edits, when it is near enough to be meant.
fn nearest(name: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    let ranked = candidates.map(|candidate| (edits(name, &candidate), candidate));
    ranked.min().filter(|(distance, candidate)| *distance <= NEAR.min(candidate.len() / 2)).map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}
