//! The layers and how they are laid over each other.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::names;
use super::unknown::{self, file_target};
use super::values::{Given, Values};
use super::{DEFAULTS, dotenv};

/// The longest file that holds one value, in bytes.
const LONGEST_VALUE: u64 = 64 * 1024;
/// The longest configuration or `.env` file, in bytes.
const LONGEST_FILE: u64 = 1024 * 1024;

/// Where settings come from: the environment and the working folder. Tests pass their own.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The environment variables.
    pub env: BTreeMap<String, String>,
    /// The working folder: `keystead.toml`, `.env` and relative paths are looked for here.
    pub dir: PathBuf,
}

impl Sources {
    /// The environment and working folder of this process. Names that are not Unicode are not ours and are left out.
    pub fn process() -> Self {
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
            .collect();
        Self { env, dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")) }
    }
}

/// A layer of names and values, as the environment and the `.env` files are.
struct Named {
    layer: String,
    pairs: Vec<(String, String)>,
}

/// Reads every layer and lays them over each other.
pub(super) fn gather(sources: &Sources) -> (Values, Vec<Fault>) {
    let mut faults = Vec::new();
    let named = [
        dot_env(&sources.dir, ".env", &mut faults),
        dot_env(&sources.dir, ".env.local", &mut faults),
        Named { layer: "environment".into(), pairs: sources.env.clone().into_iter().collect() },
    ];
    let mut values = Values::new(defaults(&mut faults));
    let chosen = |name: &str| last(&named, name).map(|(path, _)| sources.dir.join(path));

    lay_file(&mut values, &sources.dir, chosen("KEYSTEAD_CONFIG"), &mut faults);
    for layer in &named {
        lay_names(&mut values, layer, None, &mut faults);
    }
    lay_named_files(&mut values, &named, &sources.dir, &mut faults);
    if let Some(folder) = chosen("KEYSTEAD_SECRETS_DIR") {
        lay_secrets(&mut values, &folder, &mut faults);
    }
    (values, faults)
}

/// The last non-empty value of `name`, and the layer that has it.
fn last<'a>(layers: &'a [Named], name: &str) -> Option<(&'a str, &'a str)> {
    let found =
        layers.iter().rev().find_map(|l| l.pairs.iter().rev().find(|(n, _)| n == name).map(|(_, v)| (v.as_str(), l.layer.as_str())));
    found.filter(|(value, _)| !value.is_empty())
}

fn defaults(faults: &mut Vec<Fault>) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for (key, text) in flat("defaults", DEFAULTS, faults) {
        out.insert(key, text);
    }
    out
}

fn dot_env(dir: &Path, name: &str, faults: &mut Vec<Fault>) -> Named {
    let pairs = match read(&dir.join(name), LONGEST_FILE) {
        Ok(text) => {
            let (pairs, wrong) = dotenv::parse(name, &text);
            faults.extend(wrong);
            pairs
        }
        Err(Unread::Absent) => Vec::new(),
        Err(Unread::Because(why)) => {
            faults.push(Fault::new(name, "working folder", why, "make it a readable text file, or remove it"));
            Vec::new()
        }
    };
    Named { layer: name.to_owned(), pairs }
}

/// `keystead.toml`, or the file named by `KEYSTEAD_CONFIG`, which must be there.
fn lay_file(values: &mut Values, dir: &Path, chosen: Option<PathBuf>, faults: &mut Vec<Fault>) {
    let (path, layer) = match &chosen {
        Some(path) => (path.clone(), path.display().to_string()),
        None => (dir.join("keystead.toml"), "keystead.toml".to_owned()),
    };
    let text = match read(&path, LONGEST_FILE) {
        Ok(text) => text,
        Err(Unread::Absent) if chosen.is_none() => return,
        Err(unread) => {
            let name = if chosen.is_some() { "KEYSTEAD_CONFIG" } else { "keystead.toml" };
            return faults.push(Fault::new(name, layer, unread.words(), "name a file that this user can read, or remove the setting"));
        }
    };
    for (key, text) in flat(&layer, &text, faults) {
        if names::of_key(&key).is_some() {
            values.lay(key.clone(), Given { text, name: key, layer: layer.clone(), file: None });
        } else {
            faults.push(unknown::key(key, &layer));
        }
    }
}

/// The keys and values of a TOML text, dotted; lists are joined by commas, so that one parser reads all layers.
fn flat(layer: &str, text: &str, faults: &mut Vec<Fault>) -> Vec<(String, String)> {
    match toml::from_str::<toml::Table>(text) {
        Ok(table) => {
            let mut out = Vec::new();
            flatten("", table, layer, &mut out, faults);
            out
        }
        Err(error) => {
            // The error's own text quotes the line, which may hold a secret; the message and the number do not.
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let problem = format!("is not TOML: {}", error.message().replace('\n', ", "));
            faults.push(Fault::new(
                format!("line {line}"),
                layer,
                problem,
                "compare it with `server/defaults.toml`; texts stand in quotes",
            ));
            Vec::new()
        }
    }
}

fn flatten(prefix: &str, table: toml::Table, layer: &str, out: &mut Vec<(String, String)>, faults: &mut Vec<Fault>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, layer, out, faults),
            toml::Value::Array(items) => match items.iter().map(scalar).collect::<Option<Vec<_>>>() {
                Some(items) => out.push((key, items.join(","))),
                None => faults.push(Fault::new(key, layer, "holds a nested list", "write a list of texts")),
            },
            other => match scalar(&other) {
                Some(text) => out.push((key, text)),
                None => faults.push(Fault::new(key, layer, "is a date", "write it as a text in quotes")),
            },
        }
    }
}

fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}

/// Lays the names of one layer; `file` when the values came from files of their own.
fn lay_names(values: &mut Values, layer: &Named, file: Option<&Path>, faults: &mut Vec<Fault>) {
    let mut seen: BTreeMap<String, (String, String)> = BTreeMap::new();
    // A name written twice in one .env file: the last one counts, as everywhere.
    let pairs: BTreeMap<&String, &String> = layer.pairs.iter().map(|(name, value)| (name, value)).collect();
    for (name, value) in pairs {
        let Some(key) = names::key_of(name) else {
            faults.extend(unknown::name(name, value, &layer.layer));
            continue;
        };
        if let Some((other, text)) = seen.get(&key)
            && text != value
        {
            let problem = format!("says something else than {other}, which is the same setting");
            faults.push(Fault::new(name, &layer.layer, problem, format!("keep {name} or {other}")));
            continue;
        }
        seen.insert(key.clone(), (name.clone(), value.clone()));
        let given = Given { text: value.clone(), name: name.clone(), layer: layer.layer.clone(), file: file.map(Path::to_owned) };
        values.lay(key, given);
    }
}

/// Values of `NAME_FILE` names, wherever those were set.
fn lay_named_files(values: &mut Values, layers: &[Named], dir: &Path, faults: &mut Vec<Fault>) {
    let names: std::collections::BTreeSet<&str> =
        layers.iter().flat_map(|l| &l.pairs).map(|(name, _)| name.as_str()).filter(|name| file_target(name).is_some()).collect();
    for name in names {
        let (Some(target), Some((path, layer))) = (file_target(name), last(layers, name)) else { continue };
        let path = dir.join(path);
        match read(&path, LONGEST_VALUE) {
            Ok(text) => {
                let pairs = vec![(target.to_owned(), one_line(&text))];
                lay_names(values, &Named { layer: format!("{} named by {name}", path.display()), pairs }, Some(&path), faults);
            }
            Err(unread) => faults.push(Fault::new(
                name,
                layer,
                format!("{}: {}", path.display(), unread.words()),
                "name a file that this user can read and that holds the value alone",
            )),
        }
    }
}

/// A folder with one file per name. Kubernetes adds entries that start with a dot; files of others are left alone.
fn lay_secrets(values: &mut Values, folder: &Path, faults: &mut Vec<Fault>) {
    const MEND: &str = "name a folder that this user can list, with one file per name";
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let problem = format!("cannot be listed: {}", error.kind());
            return faults.push(Fault::new("KEYSTEAD_SECRETS_DIR", folder.display().to_string(), problem, MEND));
        }
    };
    let mut layer = Named { layer: format!("secrets folder {}", folder.display()), pairs: Vec::new() };
    for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        if names::key_of(&name).is_none() {
            faults.extend(unknown::name(&name, "", &layer.layer));
            continue;
        }
        match read(&folder.join(&name), LONGEST_VALUE) {
            Ok(text) => layer.pairs.push((name, one_line(&text))),
            Err(unread) => faults.push(Fault::new(name, &layer.layer, unread.words(), MEND)),
        }
    }
    lay_names(values, &layer, None, faults);
}

fn one_line(text: &str) -> String {
    text.trim_end_matches(['\n', '\r']).to_owned()
}

/// Why a file gave no text.
enum Unread {
    Absent,
    Because(String),
}

impl Unread {
    fn words(self) -> String {
        match self {
            Self::Absent => "there is no such file".to_owned(),
            Self::Because(why) => why,
        }
    }
}

fn read(path: &Path, longest: u64) -> Result<String, Unread> {
    let file = std::fs::File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Unread::Absent,
        kind => Unread::Because(format!("cannot be opened: {kind}")),
    })?;
    let mut bytes = Vec::new();
    file.take(longest + 1).read_to_end(&mut bytes).map_err(|error| Unread::Because(format!("cannot be read: {}", error.kind())))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > longest {
        return Err(Unread::Because(format!("is longer than {longest} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Unread::Because("is not UTF-8 text".to_owned()))
}
