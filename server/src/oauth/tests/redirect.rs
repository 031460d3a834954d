//! Which addresses may be registered, as a pure rule.

use keystead::oauth::redirect::check;

#[test]
fn addresses_of_applications_pass() {
    for good in [
        "https://app.example.com/callback",
        "https://app.example.com",
        "https://app.example.com/",
        "https://app.example.com:8443/cb?tenant=7",
        "http://127.0.0.1/cb",
        "http://127.0.0.1:51004/cb",
        "http://[::1]/cb",
        "http://localhost:3000/cb",
        "com.example.app:/oauth",
        "com.example.app://callback",
    ] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
}

#[test]
fn tricks_do_not() {
    for bad in [
        "",
        "/callback",
        "//app.example.com/cb",
        "http://app.example.com/cb",
        "http://127.0.0.1.example.com/cb",
        "https://app.example.com/cb#",
        "https://app.example.com/cb#token",
        "https://user@app.example.com/cb",
        "https://user:word@app.example.com/cb",
        "https://*.example.com/cb",
        "https://app.example.com/*",
        "https://APP.example.com/cb",
        "HTTPS://app.example.com/cb",
        "https://app.example.com:443/cb",
        "https://app.example.com/a/../cb",
        "https://app.example.com/./cb",
        "https://app.example.com\\@evil.example/cb",
        "https://app.example.com/c b",
        "https://app.example.com/\u{fc}",
        "https://app.example.com/cb\n",
        "https:app.example.com/cb",
        "https:///app.example.com/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "ftp://app.example.com/cb",
        "myapp:/cb",
        "Com.Example.App:/cb",
    ] {
        assert!(check(bad).is_err(), "{bad:?} may be registered");
    }
    assert!(check(&format!("https://app.example.com/{}", "x".repeat(2048))).is_err());
}
