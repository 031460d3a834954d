use http::HeaderMap;
use keystead::config::MasterKey;
use keystead::error::Code;
use keystead::http::Csrf;
use keystead::secret::RootKeys;
use uuid::Uuid;

const SESSION: Uuid = Uuid::from_u128(0x0192_7000_0000_7000_8000_0000_0000_0001);
const OTHER: Uuid = Uuid::from_u128(0x0192_7000_0000_7000_8000_0000_0000_0002);

fn key(byte: u8) -> MasterKey {
    MasterKey { id: format!("k{byte}"), key: [byte; 32].into() }
}

fn csrf(keys: &[MasterKey]) -> Csrf {
    Csrf::new(RootKeys::new(keys), &["https://app.example.com".to_owned()], "https://id.example.com/base")
}

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    list.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
}

#[test]
fn where_a_request_may_come_from() {
    let csrf = csrf(&[key(1)]);
    let token = csrf.token(SESSION);
    let cases: &[(Option<&str>, Option<&str>, bool)] = &[
        (Some("same-origin"), None, true),
        (Some("none"), None, true),
        (Some("same-site"), None, false),
        (Some("cross-site"), None, false),
        (Some("cross-site"), Some("https://app.example.com"), true),
        (Some("same-site"), Some("https://id.example.com"), true),
        (Some("cross-site"), Some("https://evil.example"), false),
        (Some("cross-site"), Some("null"), false),
        (Some("nonsense"), None, false),
        (None, Some("https://id.example.com"), true),
        (None, Some("https://app.example.com"), true),
        (None, Some("http://id.example.com"), false),
        (None, Some("https://id.example.com.evil.example"), false),
        (None, Some("null"), false),
        // No browser sends neither.
        (None, None, true),
    ];
    for (site, origin, allowed) in cases {
        let mut list = vec![("x-csrf-token", token.as_str())];
        list.extend(site.map(|site| ("sec-fetch-site", site)));
        list.extend(origin.map(|origin| ("origin", origin)));
        let checked = csrf.check(&headers(&list), SESSION);
        assert_eq!(checked.is_ok(), *allowed, "{site:?} {origin:?}");
        assert!(csrf.check(&headers(&list[1..]), SESSION).is_err(), "the token is never optional: {site:?} {origin:?}");
    }
}

#[test]
fn the_token_belongs_to_the_session_and_to_a_configured_key() {
    let before = csrf(&[key(1)]);
    let token = before.token(SESSION);
    assert_eq!(token, before.token(SESSION), "one session, one token: tabs share it");
    let given = |token: &str| headers(&[("x-csrf-token", token), ("sec-fetch-site", "same-origin")]);
    assert!(before.check(&given(&token), SESSION).is_ok());
    assert_eq!(before.check(&given(&token), OTHER).unwrap_err().code, Code::CsrfFailed);
    for wrong in
        ["", "x", &token[1..], &format!("{token}AAAA"), &token.replace(&token[20..21], if &token[20..21] == "A" { "B" } else { "A" })]
    {
        assert!(before.check(&given(wrong), SESSION).is_err(), "{wrong}");
    }
    // While the key rotates both are good; afterwards the old one is not.
    assert!(csrf(&[key(2), key(1)]).check(&given(&token), SESSION).is_ok());
    assert!(csrf(&[key(2)]).check(&given(&token), SESSION).is_err());
}
