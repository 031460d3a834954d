//! What a token is good for at this moment: what it was granted, as far as roles and registrations still go.

use super::App;
use crate::access::scope::PERSONAL;
use crate::accounts::Status;
use crate::error::Problem;
use crate::http::guard::{Subject, Verified};

impl App {
    /// What the token may be used for at this moment, as [`App::grants`] decides it; `None` when its holder is gone.
    ///
    /// # Errors
    /// A part that this needs does not answer.
    pub async fn scopes_now(&self, verified: &Verified) -> Result<Option<String>, Problem> {
        let roles = self.roles.snapshot();
        let held = || verified.scopes.iter().map(String::as_str);
        if verified.impersonator.is_some() {
            let mut kept = Vec::new();
            for scope in held() {
                if self.grants(verified, scope).await? {
                    kept.push(scope);
                }
            }
            return Ok(Some(kept.join(" ")));
        }
        let kept: Vec<&str> = match verified.subject {
            Subject::Service(_) => {
                let Some(client) = self.oauth.clients.live(&verified.client).await? else { return Ok(None) };
                held().filter(|scope| client.has_scope(scope)).collect()
            }
            Subject::Token { user, .. } => {
                let person = self.people.view(user).await?.filter(|person| person.status == Status::Active);
                let Some(person) = person else { return Ok(None) };
                held().filter(|scope| PERSONAL.contains(scope) || roles.grants(&person.roles, scope)).collect()
            }
            Subject::Person { user, .. } => {
                let Some(person) = self.people.view(user).await? else { return Ok(None) };
                match verified.own {
                    true => return Ok(Some(self.roles.scope_claim(&person.roles))),
                    false => {
                        let Some(client) = self.oauth.clients.live(&verified.client).await? else { return Ok(None) };
                        let usable =
                            |scope: &&str| client.has_scope(scope) && (!roles.governs(scope) || roles.grants(&person.roles, scope));
                        held().filter(usable).collect()
                    }
                }
            }
        };
        Ok(Some(kept.join(" ")))
    }
}
