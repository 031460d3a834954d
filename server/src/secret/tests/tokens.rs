//! Hostile tokens.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead::secret::{NOT_BEFORE_LEEWAY, Random, Signer, TokenError};
use keystead::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::stores::{ACCESS_TTL, ISSUER, NOW, Store, clock};
use super::support::roots;

const TYP: &str = "at+jwt";

async fn signer(seed: u64) -> Signer {
    Signer::open(Store::sqlite().await.main.clone(), roots(&[1]), Random::seeded(seed), clock(), ACCESS_TTL).await.unwrap()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "1", "iat": NOW.as_secs(), "exp": NOW.as_secs() + 900})
}

fn verify(signer: &Signer, token: &str) -> Result<Value, TokenError> {
    signer.verify(TYP, token, ISSUER, NOW)
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// The same payload and signature under another header.
fn reheaded(token: &str, header: &Value) -> String {
    let rest = token.split_once('.').unwrap().1;
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

#[tokio::test]
async fn a_good_token_gives_its_claims_back() {
    let signer = signer(1).await;
    let token = signer.sign(TYP, &claims()).unwrap();
    assert_eq!(verify(&signer, &token).unwrap(), claims());
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!(TYP)));
}

#[tokio::test]
async fn issuer_type_and_key_must_be_ours() {
    let signer = signer(1).await;
    let token = signer.sign(TYP, &claims()).unwrap();
    assert_eq!(signer.verify::<Value>("logout+jwt", &token, ISSUER, NOW), Err(TokenError::Invalid));
    assert_eq!(signer.verify::<Value>(TYP, &token, "https://evil.example", NOW), Err(TokenError::Invalid));
    assert_eq!(verify(&signer, &signer.sign("id+jwt", &claims()).unwrap()), Err(TokenError::Invalid));
    let stranger = self::signer(2).await.sign(TYP, &claims()).unwrap();
    assert_eq!(verify(&signer, &stranger), Err(TokenError::Invalid));
    // The stranger's signature under our key's name.
    let ours = token.split('.').next().unwrap();
    assert_eq!(verify(&signer, &format!("{ours}.{}", stranger.split_once('.').unwrap().1)), Err(TokenError::Invalid));
}

#[tokio::test]
async fn times_are_checked_at_the_edge() {
    let signer = signer(1).await;
    let token = signer.sign(TYP, &claims()).unwrap();
    let at = |seconds: i64, micros: i64| Timestamp::from_micros((NOW.as_secs() + seconds) * 1_000_000 + micros);
    assert!(signer.verify::<Value>(TYP, &token, ISSUER, at(899, 999_999)).is_ok());
    assert_eq!(signer.verify::<Value>(TYP, &token, ISSUER, at(900, 0)), Err(TokenError::Expired));
    let leeway = i64::try_from(NOT_BEFORE_LEEWAY.as_secs()).unwrap();
    for name in ["nbf", "iat"] {
        let early = signer.sign(TYP, &with(name, json!(NOW.as_secs() + 60))).unwrap();
        assert_eq!(verify(&signer, &early), Err(TokenError::Invalid), "{name}");
        assert!(signer.verify::<Value>(TYP, &early, ISSUER, at(60 - leeway, 0)).is_ok(), "{name}");
        assert_eq!(signer.verify::<Value>(TYP, &early, ISSUER, at(60 - leeway, -1)), Err(TokenError::Invalid), "{name}");
    }
    let expired_elsewhere = self::signer(2).await.sign(TYP, &with("exp", json!(1))).unwrap();
    assert_eq!(verify(&signer, &expired_elsewhere), Err(TokenError::Invalid), "a stranger learns nothing about expiry");
}

#[tokio::test]
async fn missing_and_strange_claims_are_refused() {
    let signer = signer(1).await;
    for name in ["exp", "iss"] {
        assert_eq!(verify(&signer, &signer.sign(TYP, &without(name)).unwrap()), Err(TokenError::Invalid), "{name}");
    }
    for strange in [json!("900"), json!(null), json!([1]), json!(1e300), json!({})] {
        assert_eq!(verify(&signer, &signer.sign(TYP, &with("exp", strange.clone())).unwrap()), Err(TokenError::Invalid), "{strange}");
    }
    assert_eq!(verify(&signer, &signer.sign(TYP, &json!([1])).unwrap()), Err(TokenError::Invalid));
    assert!(verify(&signer, &signer.sign(TYP, &with("exp", json!(i64::MAX))).unwrap()).is_ok(), "saturates, does not overflow");
    assert_eq!(verify(&signer, &signer.sign(TYP, &with("exp", json!(i64::MIN))).unwrap()), Err(TokenError::Expired));
    #[derive(serde::Deserialize, Debug)]
    struct Wants {
        _other: String,
    }
    let token = signer.sign(TYP, &claims()).unwrap();
    assert!(matches!(signer.verify::<Wants>(TYP, &token, ISSUER, NOW), Err(TokenError::Invalid)));
}

#[tokio::test]
async fn other_headers_are_refused() {
    let signer = signer(1).await;
    let token = signer.sign(TYP, &claims()).unwrap();
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let good: Value = serde_json::from_slice(&header).unwrap();
    let kid = &good["kid"];
    for header in [
        json!({"alg": "none", "typ": TYP, "kid": kid}),
        json!({"alg": "None", "typ": TYP, "kid": kid}),
        json!({"alg": "HS256", "typ": TYP, "kid": kid}),
        json!({"alg": "ES256", "typ": TYP, "kid": kid}),
        json!({"alg": "eddsa", "typ": TYP, "kid": kid}),
        json!({"alg": "EdDSA", "typ": "AT+JWT", "kid": kid}),
        json!({"alg": "EdDSA", "kid": kid}),
        json!({"alg": "EdDSA", "typ": TYP}),
        json!({"alg": "EdDSA", "typ": TYP, "kid": ""}),
        json!({"alg": "EdDSA", "typ": TYP, "kid": "../../etc/passwd"}),
        json!({"alg": "EdDSA", "typ": TYP, "kid": [kid]}),
        json!({"alg": "EdDSA", "typ": TYP, "kid": kid, "crit": ["exp"]}),
        json!({"alg": "EdDSA", "typ": TYP, "kid": kid, "b64": false, "crit": ["b64"]}),
        json!({"alg": "EdDSA", "typ": TYP, "kid": kid, "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}}),
        json!({"alg": "EdDSA", "typ": TYP, "kid": kid, "jku": "https://evil.example/jwks.json"}),
        json!([1]),
    ] {
        assert_eq!(verify(&signer, &reheaded(&token, &header)), Err(TokenError::Invalid), "{header}");
    }
    // HMAC with the public key as its secret, the old confusion.
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "typ": TYP, "kid": kid}).to_string()),
        token.split('.').nth(1).unwrap()
    );
    let set: Value = serde_json::from_str(&signer.jwks()).unwrap();
    let public = URL_SAFE_NO_PAD.decode(set["keys"][0]["x"].as_str().unwrap()).unwrap();
    let mac = aws_lc_rs::hmac::sign(&aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &public), message.as_bytes());
    assert_eq!(verify(&signer, &format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac))), Err(TokenError::Invalid));
}

#[tokio::test]
async fn every_changed_character_is_noticed() {
    let signer = signer(1).await;
    let token = signer.sign(TYP, &claims()).unwrap();
    for place in 0..token.len() {
        for other in ["A", "B", "-", "_", ".", "=", "+", " ", ""] {
            let changed = format!("{}{other}{}", &token[..place], &token[place + 1..]);
            if changed != token {
                assert_eq!(verify(&signer, &changed), Err(TokenError::Invalid), "{place}: {other:?}");
            }
        }
        assert_eq!(verify(&signer, &token[..place]), Err(TokenError::Invalid));
    }
    for changed in
        [format!("{token}="), format!("{token}."), format!(".{token}"), format!("{token} "), format!("{token}AAAA"), format!("{token}.a")]
    {
        assert_eq!(verify(&signer, &changed), Err(TokenError::Invalid), "{changed}");
    }
    for junk in ["", ".", "..", "...", "a.b.c", "ä.ö.ü", &"a".repeat(1 << 20), &"a.".repeat(1 << 12)] {
        assert_eq!(verify(&signer, junk), Err(TokenError::Invalid));
    }
}

/// S + L is the same signature to a careless verifier (RFC 8032 section 5.1.7 forbids it).
#[tokio::test]
async fn a_signature_has_one_form() {
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0x10,
    ];
    let signer = signer(1).await;
    let token = signer.sign(TYP, &claims()).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut carry = 0_u16;
    for (digit, add) in signature[32..].iter_mut().zip(L) {
        let sum = u16::from(*digit) + u16::from(add) + carry;
        *digit = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(verify(&signer, &format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))), Err(TokenError::Invalid));
}

#[test]
fn any_text_is_refused_without_a_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let signer = runtime.block_on(signer(1));
    proptest!(|(text in "\\PC{0,60}(\\.\\PC{0,60}){0,3}")| {
        prop_assert_eq!(verify(&signer, &text), Err(TokenError::Invalid));
    });
}

#[tokio::test]
async fn a_token_ends_with_its_key() {
    let signer = signer(1).await;
    let late = signer.sign(TYP, &with("exp", json!(NOW.as_secs() + 1_000_000))).unwrap();
    signer.rotate().await.unwrap();
    let after = NOW.plus(Duration::from_secs(500_000));
    assert_eq!(signer.verify::<Value>(TYP, &late, ISSUER, after), Err(TokenError::Invalid));
}
