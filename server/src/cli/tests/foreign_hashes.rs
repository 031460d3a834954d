//! A2: whoever comes with a hash of another system signs in as before, and is kept as Argon2id from then on.

use keystead::accounts;
use serde_json::json;
use uuid::Uuid;

use super::command::keystead;
use crate::support::{Instance, PASSWORD, Store, both_stores};

/// Of [`PASSWORD`], made by libxcrypt and by Python's hashlib, and phpass after its specification.
const FOREIGN: &[(&str, &str)] = &[
    ("bcrypt", "$2b$12$WApznUPhDubN0oeveSXHp.Yoaa.JSDUzUvKzEOxU5yPUCPFVP2VhO"),
    ("scrypt", "$scrypt$ln=14,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$IgjbGMSj6vD8re+/97wpaubW7+wAR8mN0IVlGBIqOEg"),
    ("pbkdf2", "$pbkdf2-sha256$i=10000$AAECAwQFBgcICQoLDA0ODw$F+yEU4z1Lj8edNuH+5Qg2/xMgBQR4R/X7Bi1tBpe0ZI"),
    ("phpass", "$P$9seasalt2yuQU55r.uogr22KxCYzfL/"),
];

/// The example of github.com/firebase/scrypt.
const FIREBASE: &str = r#"{"algorithm":"SCRYPT","base64_signer_key":"jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==","base64_salt_separator":"Bw==","rounds":8,"mem_cost":14,"salt":"42xEC+ixf3L2lw==","passwordHash":"lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="}"#;

async fn stored(instance: &Instance, id: Uuid) -> String {
    let row = accounts::store::find(&instance.running.app.ground.db, id).await.unwrap();
    row.unwrap().password_hash.unwrap()
}

async fn becomes_argon2id(instance: &Instance, system: &str, hash: &str, password: &str) {
    let email = format!("{system}@example.com");
    let args = ["users", "create", "--email", &email, "--name", "Ada", "--verified", "--json", "--password-hash", hash];
    let created = keystead(&instance.ground, &args).await.good().json();
    assert!(created.get("generatedPassword").is_none(), "{created}");
    let id: Uuid = created["user"]["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(stored(instance, id).await, hash);

    let login = async |password: &str| instance.post("/api/v1/auth/login", json!({ "email": email, "password": password })).await;
    login("Not-The-Password-1").await.expect_problem(401, "invalid_credentials");
    assert_eq!(stored(instance, id).await, hash, "{system}: a wrong password changes nothing");
    login(password).await.expect(200);
    let renewed = stored(instance, id).await;
    assert!(renewed.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{system}: {renewed}");
    login(password).await.expect(200);
    login("Not-The-Password-1").await.expect_problem(401, "invalid_credentials");
    assert_eq!(stored(instance, id).await, renewed, "{system}: it is renewed once");
}

async fn foreign_hashes_become_argon2id_at_the_first_sign_in(store: Store) {
    let instance = Instance::start(store).await;
    for (system, hash) in FOREIGN {
        becomes_argon2id(&instance, system, hash, PASSWORD).await;
    }
    becomes_argon2id(&instance, "firebase", FIREBASE, "user1password").await;
}

both_stores!(foreign_hashes_become_argon2id_at_the_first_sign_in);
