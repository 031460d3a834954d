//! The file that keeps tokens: of several servers side by side, readable by its owner alone, replaced as a whole.
//!
//! Whoever changes it holds a lock on a file beside it and reads it again first, so that two commands at once lose nothing
//! of each other. The lock goes with the process, however that ends.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::super::Failure;
use super::address::Address;
use crate::time::Timestamp;

const NAME: &str = "credentials.json";

/// Where the file is.
#[derive(Clone, Debug)]
pub struct Credentials {
    folder: PathBuf,
}

/// The tokens of one server.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// For `Authorization: Bearer`.
    pub access: SecretString,
    /// When that ends.
    pub expires_at: Timestamp,
    /// For the next ones.
    pub refresh: SecretString,
}

/// What the file says.
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// The server signed in to last.
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(default)]
    servers: BTreeMap<String, Entry>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    access_token: String,
    /// Seconds since 1970.
    expires_at: i64,
    refresh_token: String,
}

impl Kept {
    /// The server signed in to last.
    pub fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// The tokens of `server`.
    pub fn tokens(&self, server: &Address) -> Option<Tokens> {
        self.servers.get(server.as_str()).map(|entry| Tokens {
            access: entry.access_token.as_str().into(),
            expires_at: Timestamp::from_secs(entry.expires_at),
            refresh: entry.refresh_token.as_str().into(),
        })
    }

    /// Keeps the tokens of `server`.
    pub fn put(&mut self, server: &Address, tokens: &Tokens) {
        let entry = Entry {
            access_token: tokens.access.expose_secret().to_owned(),
            expires_at: tokens.expires_at.as_secs(),
            refresh_token: tokens.refresh.expose_secret().to_owned(),
        };
        self.servers.insert(server.as_str().to_owned(), entry);
    }

    /// Makes `server` the one that is meant when none is named.
    pub fn make_current(&mut self, server: &Address) {
        self.current = Some(server.as_str().to_owned());
    }

    /// Forgets the tokens of `server`; the one that is meant when none is named is then any other that has some, or still this one.
    pub fn remove(&mut self, server: &Address) {
        self.servers.remove(server.as_str());
        if self.current.as_deref() == Some(server.as_str())
            && let Some(other) = self.servers.keys().next()
        {
            self.current = Some(other.clone());
        }
    }
}

/// The right to change the file, until it is dropped.
pub struct Lock<'a> {
    credentials: &'a Credentials,
    _file: File,
}

impl Credentials {
    /// Below `$XDG_CONFIG_HOME`, else `~/.config` (XDG Base Directory Specification).
    ///
    /// # Errors
    /// Neither is known.
    pub fn of_this_user() -> Result<Self, Failure> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let config = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
        let config = config.ok_or_else(|| Failure::usage("It is not known where your files are.", "Set HOME or XDG_CONFIG_HOME."))?;
        Ok(Self::in_folder(config.join("keystead")))
    }

    /// In a folder of one's own.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    /// What is kept; nothing when there is no file.
    ///
    /// # Errors
    /// Others can read the file, or it is not one of ours.
    pub fn read(&self) -> Result<Kept, Failure> {
        let path = self.path();
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Kept::default()),
            Err(error) => return Err(unusable(&path, &error)),
        };
        let mode = file.metadata().map_err(|error| unusable(&path, &error))?.mode();
        if mode & 0o077 != 0 {
            let what = format!("{} can be read by others on this machine (mode {:o}).", path.display(), mode & 0o777);
            return Err(Failure::failed(
                what,
                format!("Run `chmod 600 {}`; if you do not know why it was open, sign in anew.", path.display()),
            ));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|error| unusable(&path, &error))?;
        serde_json::from_str(&text)
            .map_err(|_| Failure::failed(format!("{} is not a file of this program.", path.display()), "Remove it, and sign in again."))
    }

    /// Waits for the right to change the file.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn lock(&self) -> Result<Lock<'_>, Failure> {
        let path = self.folder.join("credentials.lock");
        let locked = || -> io::Result<File> {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        let file = locked().map_err(|error| unusable(&path, &error))?;
        Ok(Lock { credentials: self, _file: file })
    }
}

impl Lock<'_> {
    /// Reads, changes and writes what is kept.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn change(&self, change: impl FnOnce(&mut Kept)) -> Result<(), Failure> {
        let mut kept = self.credentials.read()?;
        change(&mut kept);
        let path = self.credentials.path();
        self.replace(&path, &kept).map_err(|error| unusable(&path, &error))
    }

    /// The whole new file beside the old one, then in its place: nobody ever reads half of one.
    fn replace(&self, path: &Path, kept: &Kept) -> io::Result<()> {
        let beside = path.with_extension("json.new");
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&beside)?;
        file.write_all(&serde_json::to_vec_pretty(kept)?)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    }
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("{} cannot be used: {error}.", path.display()), "Check who owns that folder, and whether it is full.")
}
