//! The data folder, and the master key that development instances make for themselves.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::fault::Fault;
use super::keys::{self, MasterKey};
use super::{Environment, Settings};

/// The generated key, inside the data folder.
const KEY_FILE: &str = "dev-master-key";

impl Settings {
    /// Makes what must exist before anything is stored: the data folder (mode 0700 when it is created here) and, in
    /// development without `KEYSTEAD_MASTER_KEY`, the key in it (mode 0600), drawn from `fresh_key`. Processes that
    /// start together end up with the same key. Blocks on the file system; call it before the runtime starts.
    ///
    /// # Errors
    /// The folder or the key cannot be made or read.
    pub fn ensure_data_dir(&mut self, fresh_key: impl FnOnce() -> [u8; 32]) -> Result<(), Fault> {
        create_private_dir(&self.data_dir).map_err(|error| {
            let problem = format!("{} cannot be created: {}", self.data_dir.display(), error.kind());
            Fault::missing("KEYSTEAD_DATA_DIR", problem, "name a folder that this user may create and write")
        })?;
        if let Some(path) = self.missing_key() {
            self.master_keys = vec![existing_or_fresh(&path, fresh_key).map_err(|problem| unusable(&path, &problem))?];
        }
        Ok(())
    }

    /// What [`Settings::ensure_data_dir`] made before; nothing is made here.
    ///
    /// # Errors
    /// The key is not there or cannot be read.
    pub fn use_data_dir(&mut self) -> Result<(), Fault> {
        if let Some(path) = self.missing_key() {
            self.master_keys = vec![existing(&path).map_err(|problem| unusable(&path, &problem))?];
        }
        Ok(())
    }

    /// Where the key is that development makes for itself, unless another is configured.
    fn missing_key(&self) -> Option<PathBuf> {
        (self.master_keys.is_empty() && self.env == Environment::Development).then(|| self.data_dir.join(KEY_FILE))
    }
}

fn unusable(path: &Path, problem: &str) -> Fault {
    let mend = "restore the file from where it was copied, or set KEYSTEAD_MASTER_KEY; without the old key the data cannot be opened";
    Fault::missing("KEYSTEAD_MASTER_KEY", format!("{}: {problem}", path.display()), mend)
}

fn create_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn existing_or_fresh(path: &Path, fresh_key: impl FnOnce() -> [u8; 32]) -> Result<MasterKey, String> {
    if !path.exists() {
        write_once(path, &Zeroizing::new(fresh_key())).map_err(|error| format!("cannot be created: {}", error.kind()))?;
    }
    existing(path)
}

fn existing(path: &Path) -> Result<MasterKey, String> {
    let text = Zeroizing::new(fs::read_to_string(path).map_err(|error| format!("cannot be read: {}", error.kind()))?);
    let key = keys::decode(&text).map_err(|wrong| format!("the content {}", wrong.problem))?;
    Ok(MasterKey { id: "development".to_owned(), key })
}

/// Writes the key under a name of its own and links it into place: the link appears complete or not at all, and
/// fails for everyone but the first, who all read the winner's key afterwards.
fn write_once(path: &Path, key: &[u8; 32]) -> io::Result<()> {
    let (draft, mut file) = create_draft(path)?;
    let text = Zeroizing::new(format!("{}\n", STANDARD.encode(key)));
    let linked = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn create_draft(path: &Path) -> io::Result<(std::path::PathBuf, fs::File)> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut attempt = 0u32;
    loop {
        let draft = path.with_file_name(format!(".{KEY_FILE}.{}.{attempt}", std::process::id()));
        match options.open(&draft) {
            Ok(file) => return Ok((draft, file)),
            // A thread of this process, or what a killed one left behind.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 1000 => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}
