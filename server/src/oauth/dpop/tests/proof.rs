//! The rule alone: which proofs are good.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead::http::challenge::PROOF_ALGORITHMS;
use keystead::oauth::dpop::{Expected, Proof, hash_of, thumbprint, verify};
use keystead::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Key;

const URL: &str = "https://id.example.com/oauth2/token";
const AT: i64 = 1_800_000_000;

fn claims() -> Value {
    json!({"jti": "seven", "htm": "POST", "htu": URL, "iat": AT})
}

fn changed(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn check(proof: &str) -> Result<Proof, &'static str> {
    verify(proof, &Expected { method: "POST", url: URL, token: None }, Timestamp::from_secs(AT))
}

/// Where a proof with this `htu` is good.
fn is_for(key: &Key, htu: &str, url: &str) -> bool {
    let expected = Expected { method: "POST", url, token: None };
    verify(&key.proof(&changed("htu", htu.into())), &expected, Timestamp::from_secs(AT)).is_ok()
}

#[test]
fn keys_have_the_names_that_the_standards_give_them() {
    // RFC 7638 section 3.1, RFC 8037 appendix A.3, RFC 9449 section 6.1.
    let rsa = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
    assert_eq!(thumbprint(rsa).as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
    let ed25519 = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    assert_eq!(thumbprint(ed25519).as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    let p256 =
        r#"{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}"#;
    assert_eq!(thumbprint(p256).as_deref(), Some("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"));
}

/// Section 4.1 of RFC 9449.
#[test]
fn the_proof_of_the_standard_is_good_in_its_minute() {
    let proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
    let expected = Expected { method: "POST", url: "https://server.example.com/token", token: None };
    let at = |seconds: i64| verify(proof, &expected, Timestamp::from_secs(1_562_262_616 + seconds));
    let good = Proof { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".into(), jti: "-BwC3ESc6acc2lTc".into() };
    for seconds in [-60, 0, 60] {
        assert_eq!(at(seconds), Ok(good.clone()));
    }
    assert!(at(-61).is_err() && at(61).is_err());
}

#[test]
fn each_algorithm_of_the_metadata_works_and_no_other() {
    let keys = [Key::ed25519(), Key::p256(), Key::rsa()];
    let mut good = Vec::new();
    for key in &keys {
        for name in ["EdDSA", "Ed25519", "ES256", "PS256", "RS256", "none", "HS256", "ES384", "PS512", "RS1", "eddsa", ""] {
            let mut header = key.header();
            header["alg"] = name.into();
            // Signed as the key signs; RSA also by the other padding.
            if name == "PS256" && key.public["kty"] != "RSA" {
                continue;
            }
            if check(&key.signed(&header, &claims())).is_ok() {
                good.push(name);
            }
        }
    }
    good.sort_unstable();
    let mut published = PROOF_ALGORITHMS.to_vec();
    published.sort_unstable();
    assert_eq!(good, published);
}

#[test]
fn a_header_that_is_not_in_order_is_refused() {
    let key = Key::ed25519();
    let with = |name: &str, value: Value| {
        let mut header = key.header();
        header[name] = value;
        key.signed(&header, &claims())
    };
    let jwk = |name: &str, value: Value| {
        let mut jwk = key.public.clone();
        jwk[name] = value;
        with("jwk", jwk)
    };
    check(&with("kid", "anything".into())).unwrap();
    let refused = [
        with("typ", "JWT".into()),
        with("typ", "at+jwt".into()),
        with("typ", Value::Null),
        with("crit", json!(["exp"])),
        with("crit", Value::Null),
        with("jwk", Value::Null),
        with("jwk", json!([])),
        with("jwk", json!({})),
        with("jwk", Key::ed25519().public),
        with("jwk", Key::p256().public),
        with("jwk", json!({"kty": "oct", "k": key.public["x"]})),
        jwk("d", "AAAA".into()),
        jwk("d", Value::Null),
        jwk("k", "AAAA".into()),
        jwk("p", json!(7)),
        jwk("crv", "X25519".into()),
        jwk("crv", "Ed448".into()),
        jwk("kty", "EC".into()),
        jwk("x", json!(format!("{}=", key.public["x"].as_str().unwrap()))),
        jwk("x", "".into()),
        jwk("x", json!(7)),
    ];
    for (turn, proof) in refused.iter().enumerate() {
        assert!(check(proof).is_err(), "{turn}: {proof}");
    }
    // Names that occur twice: a reader takes the first, another the last.
    let header = key.header().to_string();
    let (x, other) = (key.public["x"].as_str().unwrap(), Key::ed25519());
    let twice = header.replace(&format!("\"x\":\"{x}\""), &format!("\"x\":{},\"x\":\"{x}\"", other.public["x"]));
    assert!(twice.len() > header.len());
    let part = URL_SAFE_NO_PAD.encode(twice);
    let payload = URL_SAFE_NO_PAD.encode(claims().to_string());
    let signature = key.proof(&claims()).rsplit_once('.').unwrap().1.to_owned();
    assert!(check(&format!("{part}.{payload}.{signature}")).is_err());
}

#[test]
fn small_and_odd_rsa_keys_are_refused() {
    let key = Key::rsa();
    let n = key.public["n"].as_str().unwrap();
    let long = URL_SAFE_NO_PAD.encode([&[0x80][..], &[7; 1024]].concat());
    let padded = URL_SAFE_NO_PAD.encode([vec![0], URL_SAFE_NO_PAD.decode(n).unwrap()].concat());
    let short = URL_SAFE_NO_PAD.encode([&[0x80][..], &[7; 254]].concat());
    for (n, e) in [(&*short, "AQAB"), (&*long, "AQAB"), (&*padded, "AQAB"), (n, "AAEAAQ"), (n, ""), (n, "AQAAAAAB")] {
        assert_eq!(thumbprint(&json!({"kty": "RSA", "n": n, "e": e}).to_string()), None, "{n} {e}");
    }
    assert!(thumbprint(&key.public.to_string()).is_some());
}

#[test]
fn claims_that_are_not_in_order_are_refused() {
    let key = Key::p256();
    for (name, value) in [
        ("jti", Value::Null),
        ("jti", "".into()),
        ("jti", json!(7)),
        ("jti", "x".repeat(257).into()),
        ("htm", Value::Null),
        ("htm", "GET".into()),
        ("htm", "post".into()),
        ("htm", json!(["POST"])),
        ("htu", Value::Null),
        ("htu", "".into()),
        ("iat", Value::Null),
        ("iat", json!(AT - 61)),
        ("iat", json!(AT + 61)),
        ("iat", json!(i64::MAX)),
        ("iat", json!(u64::MAX)),
        ("iat", json!(-1)),
        ("iat", json!(1e300)),
        ("iat", json!("now")),
        ("exp", json!(AT - 61)),
        ("nbf", json!(AT + 61)),
    ] {
        assert!(check(&key.proof(&changed(name, value.clone()))).is_err(), "{name}: {value}");
    }
    for (name, value) in
        [("iat", json!(AT - 60)), ("iat", json!(AT + 60)), ("iat", json!(1_800_000_000.9)), ("exp", json!(AT + 5)), ("nonce", "n".into())]
    {
        check(&key.proof(&changed(name, value))).unwrap();
    }
    assert!(check(&key.proof(&changed("more", "x".repeat(6000).into()))).is_err(), "too long to be looked at");
}

#[test]
fn an_address_is_the_same_in_each_of_its_spellings() {
    let key = Key::ed25519();
    for htu in [
        URL,
        "HTTPS://ID.example.COM/oauth2/token",
        "https://id.example.com:443/oauth2/token",
        "https://id.example.com/oauth2/./x/../token",
        "https://id.example.com/oauth2/%74oken",
        "https://id.example.com/oauth2/token?a=b",
        "https://id.example.com/oauth2/token#part",
    ] {
        assert!(is_for(&key, htu, URL), "{htu}");
    }
    assert!(is_for(&key, "https://id.example.com/a%2fb", "https://id.example.com/a%2Fb"));
    for htu in [
        "http://id.example.com/oauth2/token",
        "https://id.example.com:8443/oauth2/token",
        "https://id.example.com/oauth2/token/",
        "https://id.example.com/oauth2//token",
        "https://id.example.com/oauth2/TOKEN",
        "https://id.example.com/oauth2%2ftoken",
        "https://id.example.com/oauth2/tok%+6en",
        "https://id.example.com/oauth2/tok%en",
        "https://id.example.com.evil.example/oauth2/token",
        "https://evil.example/oauth2/token",
        "https://id.example.com@evil.example/oauth2/token",
        "https://user@id.example.com/oauth2/token",
        "https://:pass@id.example.com/oauth2/token",
        "https:\\\\id.example.com\\oauth2\\token",
        "https:id.example.com/oauth2/token",
        "https:///id.example.com\\oauth2/token",
        " https://id.example.com/oauth2/token",
        "https://id.example.com/oauth2/to\nken",
        "https://id.example.com/oauth2/token\u{0}",
        "//id.example.com/oauth2/token",
        "/oauth2/token",
        "https://",
        "data://id.example.com/oauth2/token",
    ] {
        assert!(!is_for(&key, htu, URL), "{htu}");
    }
    assert!(!is_for(&key, "https://id.example.com/a/b", "https://id.example.com/a%2Fb"));
}

#[test]
fn a_proof_is_for_one_access_token() {
    let key = Key::ed25519();
    let expected = Expected { method: "POST", url: URL, token: Some("the token") };
    let check = |claims: &Value| verify(&key.proof(claims), &expected, Timestamp::from_secs(AT));
    check(&changed("ath", hash_of("the token").into())).unwrap();
    for ath in [Value::Null, "".into(), "the token".into(), hash_of("another token").into(), format!("{}=", hash_of("the token")).into()] {
        assert!(check(&changed("ath", ath.clone())).is_err(), "{ath}");
    }
    assert!(check(&claims()).is_err());
}

proptest! {
    #[test]
    fn a_changed_proof_is_no_proof(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9._=+/-]") {
        let proof = Key::ed25519().proof(&claims());
        let at = at.index(proof.len());
        let mut changed = proof.clone();
        changed.replace_range(at..=at, &to);
        prop_assert!(changed == proof || check(&changed).is_err(), "{}", changed);
    }

    #[test]
    fn garbage_is_no_proof(text in "[A-Za-z0-9._=-]{0,200}|.{0,50}") {
        prop_assert!(check(&text).is_err());
    }

    #[test]
    fn any_json_is_read_without_harm(header in "[{\\[\"a-z:0-9,}\\]]{0,60}", payload in "[{\\[\"a-z:0-9,}\\]]{0,60}") {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let proof = [part(&header), part(&payload), part("signature")].join(".");
        prop_assert!(check(&proof).is_err());
    }

    #[test]
    fn a_path_is_the_same_however_it_is_escaped(path in "(/[a-zA-Z0-9~._-]{1,8}){1,4}", escaped in any::<u64>()) {
        // `.` and `..` alone are no names but ways.
        prop_assume!(!path.split('/').any(|name| name == "." || name == ".."));
        let spelled: String = path.bytes().enumerate().map(|(at, byte)| match byte {
            b'/' => "/".to_owned(),
            _ if escaped >> (at % 64) & 1 == 1 => format!("%{byte:02x}"),
            _ => char::from(byte).to_string(),
        }).collect();
        let (base, key) = ("https://id.example.com", Key::ed25519());
        prop_assert!(is_for(&key, &format!("{}{}", base, spelled), &format!("{}{}", base, path)), "{}", spelled);
        let longer = format!("{base}{spelled}x");
        prop_assert!(!is_for(&key, &longer, &format!("{}{}", base, path)), "{}", longer);
    }
}
