//! `keystead users create`.

use secrecy::ExposeSecret;
use serde::Serialize;

use super::Create;
use crate::accounts::{By, Status, UserBody};
use crate::app::App;
use crate::audit::Actor;
use crate::cli::password::Password;
use crate::cli::{Failure, Output};
use crate::error::Code;
use crate::passwords::{self, Credential, NewAccount};

/// `users create --json`: the `user` of the API, and the password when it was made here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    user: UserBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    generated_password: Option<&'a str>,
}

impl Create {
    pub(super) async fn act(&self, app: &App, password: Password, output: Output) -> Result<(), Failure> {
        let (credential, generated) = match password {
            Password::Given(password) => (Credential::Password(password), None),
            Password::Generated(password) => (Credential::Password(password.clone()), Some(password)),
            Password::Hash(hash) => (Credential::Hash(hash), None),
        };
        let request = NewAccount {
            email: self.email.clone(),
            name: self.name.clone(),
            role: self.role.clone(),
            roles: self.roles.clone(),
            credential,
            verified: self.verified,
        };
        let by = By::of(Actor::Operator);
        let created = passwords::create(app, request, by, app.ground.clock.now()).await.map_err(|problem| match problem.code {
            Code::Conflict => taken(&self.email),
            _ => problem.into(),
        })?;
        let (user, generated) = (created.body(), generated.as_ref().map(|password| password.expose_secret()));
        if self.json {
            output.json(&Created { user, generated_password: generated });
            return Ok(());
        }
        output.line(format!("Created {} ({}), {}.", user.email, user.id, user.status.as_str()));
        if let Some(password) = generated {
            output.line(format!("Password: {password}  (shown this once)"));
        }
        if user.status == Status::Pending {
            output.line("A confirmation code is mailed as soon as a server runs.");
        }
        Ok(())
    }
}

fn taken(email: &str) -> Failure {
    Failure::failed(
        format!("The e-mail address {email} has an account already."),
        format!("Look at it with `keystead users show {email}`; a deleted one can be restored."),
    )
}
