//! Letters to words: subject, text and HTML from the templates, each inside the shared layout.

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, State, context};
use serde::Serialize;

use super::letter::Letter;
use super::wording;

/// Whose letters these are.
#[derive(Clone, Debug)]
pub struct Branding {
    /// The name people know, in subjects and texts.
    pub product: String,
    /// Where the product lives, without trailing slash.
    pub public_url: String,
}

impl Branding {
    /// "Keystead" at `public_url`.
    pub fn new(public_url: impl Into<String>) -> Self {
        Self { product: "Keystead".into(), public_url: public_url.into() }
    }
}

/// A letter in words.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// The whole letter for programs that show text.
    pub text: String,
    /// The whole letter as an HTML document.
    pub html: String,
}

macro_rules! files {
    ($($name:literal),+ $(,)?) => { &[$(($name, include_str!(concat!("templates/", $name)))),+] };
}

const FILES: &[(&str, &str)] = files![
    "layout.txt",
    "layout.html",
    "part_code.html",
    "part_button.html",
    "verify_email.txt",
    "verify_email.html",
    "already_registered.txt",
    "already_registered.html",
    "reset_password.txt",
    "reset_password.html",
    "password_changed.txt",
    "password_changed.html",
    "account_locked.txt",
    "account_locked.html",
    "session_replayed.txt",
    "session_replayed.html",
    "device_signed_in.txt",
    "device_signed_in.html",
    "token_created.txt",
    "token_created.html",
    "email_changed.txt",
    "email_changed.html",
    "locked_down.txt",
    "locked_down.html",
    "impersonated.txt",
    "impersonated.html",
    "account_deleted.txt",
    "account_deleted.html",
    "mailbox.html",
];

/// The compiled templates under one brand.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    branding: Branding,
}

impl Templates {
    /// Compiles the embedded templates. They are part of the program; a test renders every one.
    pub fn new(branding: Branding) -> Result<Self, Error> {
        let branding = Branding { product: wording::one_line(&branding.product), public_url: wording::one_line_url(&branding.public_url) };
        Ok(Self { environment: environment()?, branding })
    }

    /// The letter in words. Fails only for a template that does not fit its letter.
    pub fn render(&self, letter: &Letter) -> Result<Rendered, Error> {
        let stem = letter.template();
        let words = self.words(letter);
        let text = self.environment.get_template(&format!("{stem}.txt"))?.render(&words)?;
        let (subject, text) = split_subject(&text);
        let html = self.environment.get_template(&format!("{stem}.html"))?.render(&words)?;
        let text = self.in_layout("layout.txt", &subject, Value::from(text))?;
        let html = self.in_layout("layout.html", &subject, Value::from_safe_string(html))?;
        Ok(Rendered { subject, text, html })
    }

    fn in_layout(&self, layout: &str, subject: &str, content: Value) -> Result<String, Error> {
        let Branding { product, public_url } = &self.branding;
        self.environment.get_template(layout)?.render(context! { subject, content, product, public_url })
    }

    /// What the templates may say: our own values as they are, other people's tamed.
    fn words(&self, letter: &Letter) -> Value {
        let Branding { product, public_url } = &self.branding;
        let greeting = wording::greeting(letter.name());
        let special = match letter {
            Letter::VerifyEmail { code, minutes, .. } => context! { code, lifetime => wording::lifetime(*minutes) },
            Letter::AlreadyRegistered { sign_in_url, reset_url, .. } => context! { sign_in_url, reset_url },
            Letter::ResetPassword { link, minutes, .. } => context! { link, lifetime => wording::lifetime(*minutes) },
            Letter::PasswordChanged { .. } => context! {},
            Letter::AccountLocked { minutes, reset_url, .. } => context! { lifetime => wording::lifetime(*minutes), reset_url },
            Letter::SessionReplayed { device, at, .. } => context! { device => wording::label(device), at => wording::moment(at) },
            Letter::DeviceSignedIn { client, device, at, .. } => {
                context! { client => wording::label(client), device => wording::label(device), at => wording::moment(at) }
            }
            Letter::TokenCreated { token, scopes, device, at, .. } => {
                let (token, device) = (wording::label(token), wording::label(device));
                context! { token, scopes, device, at => wording::moment(at) }
            }
            Letter::EmailChanged { at, .. } | Letter::LockedDown { at, .. } => context! { at => wording::moment(at) },
            Letter::Impersonated { at, minutes, .. } => context! { at => wording::moment(at), lifetime => wording::lifetime(*minutes) },
            Letter::AccountDeleted { erases_at, .. } => context! { erases_at => wording::moment(erases_at) },
        };
        context! { greeting, product, public_url, ..special }
    }
}

/// The templates with our escaping: names are escaped, links stay readable (`/` needs no escape in HTML).
pub(super) fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_formatter(|out, state, value| {
        if *state.auto_escape() == AutoEscape::Html && !value.is_safe() {
            out.write_str(&escape(&value.to_string()))?;
        } else {
            out.write_str(&value.to_string())?;
        }
        Ok(())
    });
    environment.add_function("code_box", |state: &State, code: String| part(state, "part_code.html", context! { code }));
    environment
        .add_function("button", |state: &State, url: String, label: String| part(state, "part_button.html", context! { url, label }));
    for (name, source) in FILES {
        environment.add_template(name, source)?;
    }
    Ok(environment)
}

fn part(state: &State, name: &str, values: Value) -> Result<Value, Error> {
    state.env().get_template(name)?.render(values).map(Value::from_safe_string)
}

/// The first line of a text template names the subject, so that every word of a letter stands in its templates.
fn split_subject(text: &str) -> (String, String) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let subject = first.strip_prefix("Subject:").unwrap_or(first);
    (subject.split_whitespace().collect::<Vec<_>>().join(" "), rest.trim().to_owned())
}

/// Text as HTML text or a quoted attribute value.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
