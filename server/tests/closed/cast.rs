//! Who has which scope, while the operations are tried.

use keystead::access::SCOPES;
use keystead::access::scope::PERSONAL;
use serde_json::json;

use crate::support::{Client, Instance, SignedIn};

/// The name of the tokens that are made anew for each scope.
const ONE_SCOPE: &str = "one scope";

/// Somebody with one scope or all but one, by themselves or by a personal access token.
pub struct Holders {
    /// Whom it is given to.
    pub has: Vec<(&'static str, Client)>,
    /// Who has every other.
    pub lacks: Vec<(&'static str, Client)>,
}

/// The two people whose roles are changed from scope to scope, and an administrator who changes them.
pub struct Cast {
    root: SignedIn,
    one: SignedIn,
    others: SignedIn,
    /// A token with every scope there is.
    pub everything: Client,
}

impl Cast {
    /// Everybody signed up.
    pub async fn of(instance: &Instance) -> Self {
        let root = instance.signed_up("root@example.com").await;
        instance.set_roles(&root, "admin").await;
        let (one, others) = (instance.signed_up("one@example.com").await, instance.signed_up("others@example.com").await);
        let all: Vec<&str> = SCOPES.iter().chain(PERSONAL).copied().collect();
        let everything = token(instance, &root, "everything", &all).await;
        let cast = Self { root, one, others, everything };
        cast.give("one", &[]).await;
        cast.give("others", &[]).await;
        instance.set_roles(&cast.one, "one").await;
        instance.set_roles(&cast.others, "others").await;
        cast
    }

    async fn give(&self, role: &str, scopes: &[&str]) {
        self.root.api.put(&format!("/api/v1/admin/roles/{role}"), json!({"scopes": scopes})).await.expect(200);
    }

    /// Who has `scope` and who has every other.
    pub async fn holders(&self, instance: &Instance, scope: &str) -> Holders {
        let others: Vec<&str> = SCOPES.iter().copied().filter(|other| *other != scope).collect();
        let personal = PERSONAL.iter().copied().filter(|other| *other != scope);
        let all_others: Vec<&str> = others.iter().copied().chain(personal).collect();
        let (has, lacks) = ("a token with the scope", "a token with every other scope");
        // A person has a bounded number of tokens: those of the scope before go.
        let listed = self.root.api.get("/api/v1/account/tokens?limit=200").await.expect(200);
        for stale in listed.body["items"].as_array().unwrap().iter().filter(|token| token["name"] == ONE_SCOPE) {
            self.root.api.delete(&format!("/api/v1/account/tokens/{}", stale["id"].as_str().unwrap())).await.expect(204);
        }
        let tokens = [
            (has, token(instance, &self.root, ONE_SCOPE, &[scope]).await),
            (lacks, token(instance, &self.root, ONE_SCOPE, &all_others).await),
        ];
        let [(has, has_token), (lacks, lacks_token)] = tokens;
        let mut holders = Holders { has: vec![(has, has_token)], lacks: vec![(lacks, lacks_token)] };
        if SCOPES.contains(&scope) {
            self.give("one", &[scope]).await;
            self.give("others", &others).await;
            holders.has.push(("a person with the scope", self.one.api.clone()));
            holders.lacks.push(("a person with every other scope", self.others.api.clone()));
        } else {
            holders.has.push(("a person", self.one.api.clone()));
        }
        holders
    }
}

/// A personal access token of `person`.
async fn token(instance: &Instance, person: &SignedIn, name: &str, scopes: &[&str]) -> Client {
    let made = person.api.post("/api/v1/account/tokens", json!({"name": name, "scopes": scopes, "expiresIn": 3600})).await.expect(201);
    instance.with_token(made.str("/secret"))
}
