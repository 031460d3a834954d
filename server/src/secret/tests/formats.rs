//! Foreign password hashes. Every vector was made by an independent implementation: argon2-cffi
//! (libargon2), passlib, py-bcrypt, Django, Python's hashlib and, for Firebase, Google's published example.

use keystead::secret::password::{MAX_STORED_LEN, PoolOptions, UnknownHash, parse};
use keystead::secret::{PasswordPool, Random, Verdict};
use std::time::Duration;

use super::support::CHEAP;

const PASSWORD: &str = "Córrect horse 7";

fn pool() -> PasswordPool {
    let options = PoolOptions { cost: CHEAP, threads: 1, max_wait: Duration::from_secs(60), release_after: Duration::from_secs(60) };
    PasswordPool::with(options, Random::seeded(1))
}

/// The right password with `rehash`, a wrong one, and the right one with a letter more.
async fn accepts(password: &str, stored: &str, rehash: bool) {
    let pool = pool();
    let verify = async |password: &str| pool.verify(password.into(), Some(stored.into())).await.unwrap();
    assert_eq!(verify(password).await, Verdict::Right { rehash }, "{stored}");
    assert_eq!(verify("wrong").await, Verdict::Wrong, "{stored}");
    assert_eq!(verify(&format!("{password}x")).await, Verdict::Wrong, "{stored}");
    assert_eq!(verify("").await, Verdict::Wrong, "{stored}");
}

#[tokio::test]
async fn argon2() {
    let configured = "$argon2id$v=19$m=64,t=1,p=1$AAECAwQFBgcICQoLDA0ODw$xXRjKVt/R+RRTOBGikgiiJ2B6L3ZL8eiimFnMkTaKRE";
    accepts(PASSWORD, configured, false).await;
    for other in [
        "$argon2id$v=19$m=64,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$zOHaht73NjOrbIJ3ksQPeJuGp6rkAPRp4Tz1mamRv64",
        "$argon2id$v=19$m=128,t=1,p=2$AAECAwQFBgcICQoLDA0ODw$PrGk9aREmL+OONJ0npwbNP4ifUuB5Lhvz6HcGnwBBhA",
        "$argon2i$v=19$m=64,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$KP0gacMccmtpHzdI4dR+QGWbzmpzQNbqmBMUtPPV7Ig",
        "$argon2d$v=19$m=64,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$akNbtcI32/oSEjNC1QPf3vynulmqKaJJaU+8XoQ6x1o",
        "$argon2i$v=16$m=64,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$Me0QBJviL12zTPoS5g/f7+eQc1K3ptftQMJ2ha/0sxI",
        // No version means 0x10.
        "$argon2i$m=64,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$Me0QBJviL12zTPoS5g/f7+eQc1K3ptftQMJ2ha/0sxI",
    ] {
        accepts(PASSWORD, other, true).await;
    }
}

#[tokio::test]
async fn scrypt() {
    accepts(PASSWORD, "$scrypt$ln=8,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$mh+Ik8rUvFTDy4r1t+sq/i+0KoWjxWWSMZAPWASLEkQ", true).await;
    accepts(PASSWORD, "$scrypt$ln=7,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$/Ip9Y989TTQfj0W70RToyDtNz/W3k4VBxkfi1K/SV9s", true).await;
}

#[tokio::test]
async fn pbkdf2_of_phc_passlib_and_django() {
    for stored in [
        "$pbkdf2-sha256$i=1000,l=32$AAECAwQFBgcICQoLDA0ODw$SnggRtbx4vuiVGX6O0LbPkc1eRsb2excYUkTRCHlGs0",
        "$pbkdf2-sha512$i=1000$AAECAwQFBgcICQoLDA0ODw$4AaerAS5tIkCBb1mCJn9Ns7mYsgreDwwsINiuRG0qvINg/CsV8ZuPi9HPpE2azsQwx6b48X6FV69268qSkdzYw",
        "$pbkdf2-sha256$1000$.//..//..//..//..//.$SFb3KX.h5DtEZ5OGRQ1UbQQ7lAMmJwT0O1SVs62eWlg",
        "pbkdf2_sha256$1000$seasalt2$SV4Z9PbQnesCnFu7AlPW1QQ+un6ptkMFIOhUhMTIS0A=",
    ] {
        accepts(PASSWORD, stored, true).await;
    }
}

#[tokio::test]
async fn bcrypt() {
    accepts(PASSWORD, "$2b$04$lgOsRNcLUt1P3aGjZL6PHum1Gj6kxzOhWajmqFaFj3xtsXO0dFQEG", true).await;
    accepts(PASSWORD, "$2a$05$3tK5Pin.hv1tY1vgC6CGC.IsAh05ShCx69iWZ3B95ytw4wk/E52jK", true).await;
    for variant in ["2a", "2b", "2x", "2y"] {
        let stored = format!("${variant}$04$DUbxgayZoCmluh61SV0.3eUFhK2s9wpV3V.e3lzmrAm/jHfMMcGoa");
        accepts("Correct horse 7", &stored, true).await;
    }
}

#[tokio::test]
async fn bcrypt_reads_72_bytes_as_elsewhere() {
    let stored = Some("$2b$04$vdzvL00Tvfbb22gOK5p69eIOxjaXgAkkmrYohjPR.bg5i1segTczS".to_owned());
    let long = "a".repeat(71);
    for (password, right) in [(format!("{long}bcdef"), true), (format!("{long}bXXXX"), true), (format!("{long}c"), false), (long, false)] {
        let verdict = pool().verify(password.clone().into(), stored.clone()).await.unwrap();
        assert_eq!(verdict != Verdict::Wrong, right, "{password}");
    }
    let empty = "$2b$04$C.XafYMBM73.zEyeOXUs6eTqk6RDfE79ckNehXwEJpVGnVWcTPdP6".to_owned();
    assert_eq!(pool().verify("".into(), Some(empty)).await.unwrap(), Verdict::Right { rehash: true });
}

#[tokio::test]
async fn phpass() {
    accepts(PASSWORD, "$P$6DzkqJ0mzHPTyaPUkMKSOsHRNe514q1", true).await;
    accepts(PASSWORD, "$H$5BHCMW//oUgMeIJH3Hiocy0ywVlkSg/", true).await;
}

#[tokio::test]
async fn ssha() {
    accepts(PASSWORD, "{SSHA}IP8rSisp3XzWE0JRkxwRC2b/ih6G8B4j", true).await;
    accepts(PASSWORD, "{SSHA}jxf9NW5KfkgsqS8Ifb0cZ1M4O8M1ZszZm3NurVWKUer9/1+r", true).await;
}

#[tokio::test]
async fn firebase_scrypt() {
    // The example of github.com/firebase/scrypt.
    let google = r#"{"algorithm":"SCRYPT","base64_signer_key":"jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==","base64_salt_separator":"Bw==","rounds":8,"mem_cost":14,"salt":"42xEC+ixf3L2lw==","passwordHash":"lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="}"#;
    accepts("user1password", google, true).await;
    let object = r#"{"algorithm":"firebase-scrypt","signerKey":"jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==","saltSeparator":"Bw==","rounds":8,"memCost":8,"salt":"AAECAwQFBgcICQoLDA0ODw==","hash":"m0l6RlyGN_68cUVoF5tmOoWnwDr9S1eap8Ijx-fxov9Wj8uLPQkqtBes16QIqhimUmPmDG2r6_dNJrQYmoe_fg"}"#;
    accepts(PASSWORD, object, true).await;
    let compact = "$firebase-scrypt$m=8,r=8$AAECAwQFBgcICQoLDA0ODw$m0l6RlyGN/68cUVoF5tmOoWnwDr9S1eap8Ijx+fxov9Wj8uLPQkqtBes16QIqhimUmPmDG2r6/dNJrQYmoe/fg$Bw$jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA";
    accepts(PASSWORD, compact, true).await;
}

#[test]
fn what_nobody_should_be_able_to_ask_for_is_refused() {
    let hash = "AAECAwQFBgcICQoLDA0ODw";
    let key = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA";
    for text in [
        format!("$argon2id$v=19$m=4194304,t=1,p=1${hash}${hash}"),
        format!("$argon2id$v=19$m=65536,t=1000,p=1${hash}${hash}"),
        format!("$argon2id$v=19$m=65536,t=1,p=64${hash}${hash}"),
        format!("$scrypt$ln=30,r=8,p=1${hash}${hash}"),
        format!("$scrypt$ln=63,r=8,p=1${hash}${hash}"),
        format!("$scrypt$ln=200,r=8,p=1${hash}${hash}"),
        format!("$scrypt$ln=14,r=8,p=1000${hash}${hash}"),
        format!("$scrypt$ln=1,r=4294967295,p=4294967295${hash}${hash}"),
        format!("$scrypt$ln=99999999999,r=8,p=1${hash}${hash}"),
        format!("$pbkdf2-sha256$i=4000000000${hash}${hash}"),
        format!("pbkdf2_sha256$4000000000$salt${hash}"),
        "$2b$31$DUbxgayZoCmluh61SV0.3eUFhK2s9wpV3V.e3lzmrAm/jHfMMcGoa".to_owned(),
        "$P$zDzkqJ0mzHPTyaPUkMKSOsHRNe514q1".to_owned(),
        format!("$firebase-scrypt$m=30,r=8${hash}${key}$Bw${key}"),
    ] {
        assert_eq!(parse(&text).err(), Some(UnknownHash::TooCostly), "{text}");
    }
}

#[test]
fn malformed_hashes_are_refused_and_not_repeated() {
    let long = format!("{{SSHA}}{}", "A".repeat(MAX_STORED_LEN));
    for text in [
        "$argon2id$",
        "$argon2id$v=19$m=64,t=1,p=1$AAECAwQFBgcICQoLDA0ODw",
        "$argon2id$v=99$m=64,t=1,p=1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODw",
        "$argon2x$v=19$m=64,t=1,p=1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODw",
        "$argon2id$v=19$m=1,t=0,p=9$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODw",
        "$scrypt$ln=8,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$",
        "$scrypt$ln=8,r=0,p=1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODw",
        "$scrypt$r=8,p=1$AAEC$AAECAwQFBgcICQoLDA0ODw",
        "$scrypt$ln=-8,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODw",
        "$pbkdf2-sha256$i=0$AAEC$AAECAwQFBgcICQoLDA0ODw",
        "$pbkdf2-sha256$1000$AAEC$",
        "$pbkdf2-sha256$1000$AA!C$AAECAwQFBgcICQoLDA0ODw",
        "pbkdf2_sha256$1000$salt",
        "$2b$",
        "$2b$04$short",
        "$2c$04$DUbxgayZoCmluh61SV0.3eUFhK2s9wpV3V.e3lzmrAm/jHfMMcGoa",
        "$2b$00$DUbxgayZoCmluh61SV0.3eUFhK2s9wpV3V.e3lzmrAm/jHfMMcGoa",
        "$2b$04$DUbxgayZoCmluh61SV0.3eUFhK2s9wpV3V.e3lzmrAm/jHfMMcGöa",
        "$2b$04$DUbxgayZoCmluh61SV0éUFhK2s9wpV3V.e3lzmrAm/jHfMMcGoabc",
        "$P$",
        "$P$6short",
        "$P$6DzkqJ0mzHPTyaPUkMKSOsHRNe514q1longer",
        "$P$!DzkqJ0mzHPTyaPUkMKSOsHRNe514q1",
        "$P$6ééééééééééééééé",
        "{SSHA}",
        "{SSHA}AAAA",
        "{SSHA}!!!!",
        &long,
        "{",
        "{}",
        "{\"algorithm\":\"firebase-scrypt\"}",
        "$firebase-scrypt$m=8,r=8$AAEC$AAECAwQFBgcICQoLDA0ODw$Bw$AAECAwQFBgcICQoLDA0ODxAREhM",
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(error, UnknownHash::Malformed, "{text}");
        assert!(text.len() < 3 || !error.to_string().contains(text));
    }
    for text in ["", "plain", "$1$md5crypt", "$6$sha512crypt", "$pbkdf2-sha1$i=1000$AAEC$AAECAwQFBgcICQoLDA0ODw", "{MD5}abc"] {
        assert!(parse(text).is_err(), "{text}");
    }
    assert_eq!(format!("{:?}", parse("{SSHA}IP8rSisp3XzWE0JRkxwRC2b/ih6G8B4j").unwrap()), "Stored(ssha)");
}

proptest::proptest! {
    /// Reading never panics, whatever an import brings.
    #[test]
    fn parsing_survives_anything(prefix in "(\\$argon2id\\$|\\$scrypt\\$|\\$pbkdf2-sha256\\$|pbkdf2_sha256\\$|\\$2b\\$|\\$P\\$|\\{SSHA\\}|\\$firebase-scrypt\\$|\\{)?", rest in "\\PC{0,80}") {
        let _ = parse(&format!("{prefix}{rest}"));
    }
}
