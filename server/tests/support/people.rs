//! People who have signed up, the way real ones do.

use keystead::args;
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::{Answer, Client};
use super::server::Instance;

/// A password that the default policy takes; every person of the tests has it.
pub const PASSWORD: &str = "Tall-Giraffe-Sings-42";

/// Somebody who is signed in.
pub struct SignedIn {
    /// A client that sends the access token.
    pub api: Client,
    /// The access token.
    pub access_token: String,
    /// The refresh token; empty when it is a cookie.
    pub refresh_token: String,
    /// The token for cookie-authenticated writes.
    pub csrf: String,
    /// The account as the sign-in answer told it.
    pub user: Value,
    /// The session as the sign-in answer told it.
    pub session: Value,
}

impl Instance {
    /// Signs a new person up over HTTP: form, mail, code. The refresh token comes in the body.
    pub async fn signed_up(&self, email: &str) -> SignedIn {
        let code = self.registered(email).await;
        let request = json!({"email": email, "code": code, "transport": "body"});
        SignedIn::from(self, &self.post("/api/v1/auth/verify-email", request).await.expect(200))
    }

    /// Signs a new person up and stops before the verification; returns the code that was mailed.
    pub async fn registered(&self, email: &str) -> String {
        let request = json!({"email": email, "name": "Ada Lovelace", "password": PASSWORD});
        self.post("/api/v1/auth/signup", request).await.expect(201);
        self.mail_to(email).await.code()
    }

    /// Signs in a person who exists, into one more session.
    pub async fn signed_in(&self, email: &str) -> SignedIn {
        let request = json!({"email": email, "password": PASSWORD, "transport": "body"});
        SignedIn::from(self, &self.post("/api/v1/auth/login", request).await.expect(200))
    }

    /// Gives a person exactly these roles, behind the server's back, and has this instance forget what it knew of them.
    pub async fn set_roles(&self, person: &SignedIn, roles: &str) {
        let id: Uuid = person.id().parse().unwrap();
        let changed = self.change("UPDATE users SET roles = $1 WHERE id = $2", args![roles.to_owned(), id]).await;
        assert_eq!(changed, 1, "no such person");
        self.running.app.people.receive(id.as_bytes());
    }

    /// Signs in a person who exists in a browser of their own: the refresh token is its cookie.
    pub async fn browser_of(&self, email: &str) -> SignedIn {
        let browser = self.browser();
        let answer = browser.post("/api/v1/auth/login", json!({"email": email, "password": PASSWORD})).await;
        SignedIn::from(&browser, &answer.expect(200))
    }
}

impl SignedIn {
    /// Reads a sign-in answer that `client` was given.
    #[track_caller]
    pub fn from(client: &Client, answer: &Answer) -> Self {
        let access_token = answer.str("/accessToken").to_owned();
        Self {
            api: client.with_token(&access_token),
            refresh_token: answer.body["refreshToken"].as_str().unwrap_or_default().to_owned(),
            csrf: answer.str("/csrfToken").to_owned(),
            user: answer.body["user"].clone(),
            session: answer.body["session"].clone(),
            access_token,
        }
    }

    /// The account's id.
    pub fn id(&self) -> &str {
        self.user["id"].as_str().unwrap_or_default()
    }

    /// The session's id.
    pub fn session_id(&self) -> &str {
        self.session["id"].as_str().unwrap_or_default()
    }
}
