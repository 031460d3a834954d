//! What the configuration promises, by its public interface.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its stage has failed")]

#[path = "tests/data_dir.rs"]
mod data_dir;
#[path = "tests/dotenv.rs"]
mod dotenv;
#[path = "tests/faults.rs"]
mod faults;
#[path = "tests/layers.rs"]
mod layers;
#[path = "tests/production.rs"]
mod production;
#[path = "tests/reference.rs"]
mod reference;
#[path = "tests/secrecy.rs"]
mod secrecy;

use std::path::PathBuf;

use keystead::config::{Fault, Faults, Settings, Sources};
use tempfile::TempDir;

/// A master key that looks drawn at random.
pub const KEY: &str = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJ/ty6mHZUMhA=";

/// A working folder of its own with an environment of its own.
pub struct Place {
    folder: TempDir,
    sources: Sources,
}

impl Place {
    pub fn new(env: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { sources: Sources { env, dir: folder.path().to_owned() }, folder }
    }

    /// A production environment that is accepted, with `changes` on top; an empty value takes a setting away.
    pub fn production(changes: &[(&str, &str)]) -> Self {
        let mut env = vec![
            ("KEYSTEAD_ENV", "production"),
            ("KEYSTEAD_MASTER_KEY", KEY),
            ("KEYSTEAD_PUBLIC_URL", "https://id.example.com"),
            ("SMTP_URL", "smtp://mailer:secret@smtp.example.com:587?tls=required"),
            ("MAIL_FROM", "Acme <no-reply@example.com>"),
        ];
        env.extend_from_slice(changes);
        Self::new(&env)
    }

    pub fn file(self, name: &str, content: &str) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.sources.env.insert(name.to_owned(), value.into());
        self
    }

    pub fn load(&self) -> Result<Settings, Faults> {
        Settings::load(&self.sources)
    }

    pub fn good(&self) -> Settings {
        self.load().unwrap_or_else(|faults| panic!("refused:\n{faults}"))
    }

    pub fn bad(&self) -> Vec<Fault> {
        self.load().map(|_| Vec::new()).unwrap_or_else(|faults| faults.0)
    }

    /// The one fault there is.
    pub fn only_fault(&self) -> Fault {
        let mut faults = self.bad();
        assert_eq!(faults.len(), 1, "{faults:#?}");
        faults.remove(0)
    }
}
