//! Devices that are signed in with a code: how they begin, who lets them in, and what they get.

#[path = "tests/approval.rs"]
mod approval;
#[path = "tests/begin.rs"]
mod begin;
#[path = "tests/grant.rs"]
mod grant;
#[path = "tests/guessing.rs"]
mod guessing;

use serde_json::{Value, json};

use super::form;
use crate::support::{Answer, Client, Instance, SignedIn};

const BEGIN: &str = "/oauth2/device_authorization";
const TOKEN: &str = "/oauth2/token";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const CLI: &str = "keystead-cli";
const LOOKUP: &str = "/api/v1/auth/device/lookup";
pub const APPROVE: &str = "/api/v1/auth/device/approve";
const DENY: &str = "/api/v1/auth/device/deny";

/// A device that has asked to be signed in.
pub struct Device {
    pub client: String,
    pub device_code: String,
    pub user_code: String,
}

impl Device {
    /// One of the command line.
    pub async fn begun(api: &Client) -> Self {
        Self::of(api, CLI).await
    }

    /// One of a public client.
    pub async fn of(api: &Client, client: &str) -> Self {
        let answer = form(api, BEGIN, &[("client_id", client)]).await.expect(200);
        let text = |member: &str| answer.str(member).to_owned();
        Self { client: client.to_owned(), device_code: text("/device_code"), user_code: text("/user_code") }
    }

    /// Asks for the tokens.
    pub async fn poll(&self, api: &Client) -> Answer {
        form(api, TOKEN, &[("grant_type", GRANT), ("device_code", &self.device_code), ("client_id", &self.client)]).await
    }

    /// Somebody decides about it.
    pub async fn decided(&self, person: &SignedIn, path: &str) -> Answer {
        person.api.post(path, self.typed()).await
    }

    /// What is typed.
    pub fn typed(&self) -> Value {
        json!({"userCode": self.user_code})
    }
}

/// A public client of somebody else that may sign in devices.
pub async fn television(instance: &Instance) -> String {
    let root = super::admin(instance).await;
    let body = json!({"name": "Television", "grantTypes": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
        "tokenEndpointAuthMethod": "none", "scopes": ["shows:watch"]});
    super::register(&root.api, body).await.id
}
