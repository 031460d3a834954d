//! A person's whole story over HTTP, with everything secret and personal that occurred in it.

use serde_json::{Value, json};

use crate::support::{Answer, Client, eventually};

pub const EMAIL: &str = "adalbertina.quux@personal.example.com";
const FIRST: &str = "Tall-Giraffe-Sings-42";
const SECOND: &str = "Small-Walrus-Hums-77";
const THIRD: &str = "Round-Beetle-Drums-91";
const WRONG: &str = "Wrong-Ostrich-Shouts-13";
pub const ADDRESS: &str = "203.0.113.77";

/// What happened.
pub struct Story {
    /// What must stand in no log and in no metric, each with a word about what it is.
    pub secrets: Vec<(&'static str, String)>,
    /// Request id, method, route template and status of every request that was sent under an id of its own.
    pub requests: Vec<(String, &'static str, &'static str, u16)>,
    /// The person.
    pub user: String,
}

struct Teller {
    api: Client,
    story: Story,
}

/// Signs up, verifies, signs in and out, resets and changes the password, and does a number of things wrong.
pub async fn live(api: &Client) -> Story {
    let api = api.at_address(ADDRESS).with("user-agent", "Nosy/7 (SecretDevice)");
    let secrets = [
        ("e-mail", EMAIL),
        ("e-mail in upper case", "ADALBERTINA"),
        ("e-mail in a URL", "adalbertina.quux%40"),
        ("password", FIRST),
        ("password after the reset", SECOND),
        ("password after the change", THIRD),
        ("wrong password", WRONG),
        ("name", "Adalbertina Lovelace"),
        ("job role", "Enchantress"),
        ("address", ADDRESS),
        ("user agent", "SecretDevice"),
    ];
    let secrets = secrets.map(|(what, secret)| (what, secret.to_owned())).into();
    let mut teller = Teller { api, story: Story { secrets, requests: Vec::new(), user: String::new() } };
    let refresh_token = teller.arrive().await;
    let access_token = teller.stay(&refresh_token).await;
    teller.blunder(&access_token).await;
    teller.recover().await;
    teller.story
}

impl Teller {
    async fn send(&mut self, client: &Client, method: &'static str, (route, path): (&'static str, &str), body: Option<Value>) -> Answer {
        let id = format!("story-{:04}", self.story.requests.len());
        let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let sent = client.with("x-request-id", &id).send_bytes(method.parse().unwrap(), path, "application/json", body).await;
        self.story.requests.push((id, method, route, sent.status));
        for member in ["accessToken", "refreshToken", "csrfToken"] {
            if let Some(token) = sent.body[member].as_str() {
                self.story.secrets.push((member, token.to_owned()));
                // A token cut short for a log would still be told by its end.
                self.story.secrets.push(("the end of a token", token[token.len() - 20..].to_owned()));
            }
        }
        sent
    }

    async fn post(&mut self, path: &'static str, body: Value) -> Answer {
        let client = self.api.clone();
        self.send(&client, "POST", (path, path), Some(body)).await
    }

    async fn read(&mut self, client: &Client, path: &'static str) -> Answer {
        self.send(client, "GET", (path, path), None).await
    }

    /// Waits for a mail from which `find` takes something.
    async fn mailed(&self, find: impl Fn(&str) -> Option<String>) -> String {
        eventually("a mail", async || {
            let mailbox = self.api.get("/dev/mailbox.json").await;
            let mails = mailbox.body["items"].as_array().into_iter().flatten().filter(|mail| mail["to"] == EMAIL);
            mails.filter_map(|mail| find(mail["text"].as_str()?)).next()
        })
        .await
    }

    async fn arrive(&mut self) -> String {
        let form = json!({"email": EMAIL.to_uppercase(), "name": "Adalbertina Lovelace", "role": "Enchantress", "password": FIRST});
        self.post("/api/v1/auth/signup", form.clone()).await.expect(201);
        let code = self
            .mailed(|text| text.lines().map(str::trim).find(|line| line.len() == 6 && line.parse::<u32>().is_ok()).map(str::to_owned))
            .await;

        self.post("/api/v1/auth/register", form).await.expect(201);
        self.post("/api/v1/auth/verify-email", json!({"email": EMAIL, "code": "000000"})).await;
        let verified = json!({"email": EMAIL, "code": code, "transport": "body"});
        let signed_in = self.post("/api/v1/auth/verify-email", verified).await.expect(200);
        // Six digits stand in many a number; between quotes or spaces they are the code.
        self.story.secrets.extend([("code", format!("\"{code}\"")), ("code", format!(" {code} "))]);
        self.story.user = signed_in.str("/user/id").to_owned();
        signed_in.str("/refreshToken").to_owned()
    }

    async fn stay(&mut self, refresh_token: &str) -> String {
        self.post("/api/v1/auth/login", json!({"email": EMAIL, "password": WRONG})).await.expect(401);
        let login = json!({"email": EMAIL, "password": FIRST, "transport": "body"});
        let access_token = self.post("/api/v1/auth/login", login).await.expect(200).str("/accessToken").to_owned();
        let mut token = refresh_token.to_owned();
        for _ in 0..2 {
            let refreshed = self.post("/api/v1/auth/refresh", json!({"refreshToken": token})).await.expect(200);
            token = refreshed.str("/refreshToken").to_owned();
        }
        // Two generations old: a replay, which ends that session.
        self.post("/api/v1/auth/refresh", json!({"refreshToken": refresh_token})).await.expect(401);
        let browser = self.api.browser();
        let cookies =
            self.send(&browser, "POST", ("/api/v1/auth/login", "/api/v1/auth/login"), Some(json!({"email": EMAIL, "password": FIRST})));
        cookies.await.expect(200);
        self.story.secrets.push(("cookie", browser.cookie("keystead_refresh").expect("a cookie")));
        self.read(&browser, "/api/v1/auth/session").await.expect(200);
        let signed_in = self.api.with_token(&access_token);
        for path in ["/api/v1/auth/me", "/api/v1/auth/verify", "/api/v1/sessions", "/api/v1/account"] {
            self.read(&signed_in, path).await.expect(200);
        }
        let path = "/api/v1/account";
        self.send(&signed_in, "PATCH", (path, path), Some(json!({"role": "Enchantress"}))).await.expect(200);
        access_token
    }

    /// What goes wrong is logged most readily.
    async fn blunder(&mut self, access_token: &str) {
        let signed_in = self.api.with_token(access_token);
        let last = if access_token.ends_with('A') { 'Q' } else { 'A' };
        let twisted = format!("{}{last}", &access_token[..access_token.len() - 1]);
        self.read(&self.api.with_token(&twisted), "/api/v1/auth/me").await.expect(401);
        self.post("/api/v1/auth/login", json!({"email": EMAIL, "password": [FIRST]})).await.expect(400);
        self.post("/api/v1/auth/login", json!({"email": EMAIL, "passwort": FIRST})).await.expect(400);
        self.post("/api/v1/auth/refresh", json!({"refreshToken": {"token": access_token}})).await.expect(400);
        self.post("/api/v1/auth/password/reset", json!({"token": "ksp_made-up", "password": SECOND})).await;
        let lost = format!("/api/v1/people/{EMAIL}?token={access_token}");
        self.send(&signed_in, "GET", ("unmatched", &lost), None).await.expect(404);
        let curious = format!("/api/v1/sessions?cursor={FIRST}");
        self.send(&signed_in, "GET", ("/api/v1/sessions", &curious), None).await.expect(400);
        let strange = format!("/api/v1/sessions/{FIRST}");
        self.send(&signed_in, "DELETE", ("/api/v1/sessions/{id}", &strange), None).await;
    }

    async fn recover(&mut self) {
        self.post("/api/v1/auth/password/forgot", json!({"email": EMAIL})).await.expect(202);
        let token = self.mailed(|text| text.split("?token=").nth(1)?.split_whitespace().next().map(str::to_owned)).await;
        self.story.secrets.push(("reset token", token.clone()));
        self.post("/api/v1/auth/password/reset", json!({"token": token, "password": SECOND})).await.expect(204);
        let login = json!({"email": EMAIL, "password": SECOND, "transport": "body"});
        let again = self.post("/api/v1/auth/login", login).await.expect(200);
        let signed_in = self.api.with_token(again.str("/accessToken"));
        let change = json!({"currentPassword": SECOND, "newPassword": THIRD});
        let path = "/api/v1/auth/password/change";
        self.send(&signed_in, "POST", (path, path), Some(change)).await.expect(204);
        let path = "/api/v1/auth/logout";
        self.send(&signed_in, "POST", (path, path), None).await.expect(204);
    }
}
