//! Mail: the words of every letter, the wire to an SMTP server, the development mailbox.

#[path = "tests/letters.rs"]
mod letters;
#[path = "tests/mailbox.rs"]
mod mailbox;
#[path = "tests/queue.rs"]
mod queue;
#[path = "tests/sink.rs"]
pub(crate) mod sink;
#[path = "tests/smtp.rs"]
mod smtp;

use keystead::mail::{Branding, Letter};

fn branding() -> Branding {
    Branding::new("https://id.example.com")
}

/// One of each, for `name`.
fn letters(name: &str) -> Vec<Letter> {
    let name = || name.to_owned();
    let url = |path: &str| format!("https://id.example.com{path}");
    vec![
        Letter::VerifyEmail { name: name(), code: "048213".into(), minutes: 10 },
        Letter::AlreadyRegistered { name: name(), sign_in_url: url("/login"), reset_url: url("/forgot") },
        Letter::ResetPassword { name: name(), link: url("/reset?token=ksp_a-b_c&x=1"), minutes: 60 },
        Letter::PasswordChanged { name: name() },
        Letter::AccountLocked { name: name(), minutes: 30, reset_url: url("/forgot") },
        Letter::SessionReplayed { name: name(), device: "Firefox on Linux".into(), at: "2026-03-05T14:30:59.5+01:00".into() },
        Letter::DeviceSignedIn {
            name: name(),
            client: "Keystead CLI".into(),
            device: "Keystead CLI on Linux".into(),
            at: "2026-03-05T14:30:59.5+01:00".into(),
        },
        Letter::TokenCreated {
            name: name(),
            token: "backup script".into(),
            scopes: "account:read, flags:read".into(),
            device: "Firefox on Linux".into(),
            at: "2026-03-05T14:30:59.5+01:00".into(),
        },
        Letter::EmailChanged { name: name(), at: "2026-03-05T14:30:59.5+01:00".into() },
        Letter::LockedDown { name: name(), at: "2026-03-05T14:30:59.5+01:00".into() },
        Letter::Impersonated { name: name(), at: "2026-03-05T14:30:59.5+01:00".into(), minutes: 15 },
        Letter::AccountDeleted { name: name(), erases_at: "2026-04-04T00:00:00Z".into() },
    ]
}
