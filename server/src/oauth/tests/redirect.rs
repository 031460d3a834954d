//! Which addresses may be registered, as a pure rule.

use keystead::oauth::redirect::{check, check_web, is_registered};

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

fn registered(given: &str) -> bool {
    let known = ["https://app.example.com/callback", "https://shop.example.com", "http://127.0.0.1:8123/cb", "http://[::1]/cb"];
    let others = ["http://localhost:3000/cb", "com.example.app:/cb", "https://app.example.com/q?tenant=7"];
    is_registered(&known.into_iter().chain(others).map(str::to_owned).collect::<Vec<_>>(), given)
}

#[test]
fn people_are_sent_to_what_was_registered_letter_by_letter() {
    for good in [
        "https://app.example.com/callback",
        "https://shop.example.com",
        "https://app.example.com/q?tenant=7",
        "http://127.0.0.1:8123/cb",
        "http://127.0.0.1/cb",
        "http://127.0.0.1:51004/cb",
        "http://[::1]:7/cb",
        "http://localhost:3000/cb",
        "com.example.app:/cb",
    ] {
        assert!(registered(good), "{good}");
    }
    for bad in [
        "",
        "https://app.example.com/callback/",
        "https://app.example.com/callback?x=1",
        "https://app.example.com/callback#x",
        "https://app.example.com/callback/../callback",
        "https://app.example.com/CALLBACK",
        "https://App.example.com/callback",
        "HTTPS://app.example.com/callback",
        "https://app.example.com:443/callback",
        "https://app.example.com/call%62ack",
        "https://app.example.com.evil.example/callback",
        "https://evil.example/https://app.example.com/callback",
        "https://app.example.com@evil.example/callback",
        "https://user@app.example.com/callback",
        "https://app.example.com\\@evil.example/callback",
        "https://app.example.com/callback\n",
        " https://app.example.com/callback",
        "//app.example.com/callback",
        "http://app.example.com/callback",
        "https://shop.example.com/",
        "https://shop.example.com:8443",
        "https://127.0.0.1/cb",
        "http://127.0.0.1:51004/cb/",
        "http://127.0.0.1:51004/cb?x=1",
        "http://127.0.0.1:51004/cb#x",
        "http://127.0.0.1:51004@evil.example/cb",
        "http://user@127.0.0.1:51004/cb",
        "http://127.0.0.1:51004/a/../cb",
        "http://127.0.0.2:51004/cb",
        "http://2130706433:51004/cb",
        "http://127.1:51004/cb",
        "http://localhost:3001/cb",
        "http://localhost/cb",
        "http://[::1]:7/cb/",
        "com.example.app:/cb2",
        "com.example.app://cb",
    ] {
        assert!(!registered(bad), "{bad:?} passes for a registered address");
    }
}

#[test]
fn a_notice_goes_to_a_web_address() {
    assert_eq!(check_web("https://app.example.com/logout"), Ok(()));
    for bad in ["com.example.app:/logout", "http://app.example.com/logout", "https://u@app.example.com/", "https://app.example.com/#x", "x"]
    {
        assert!(check_web(bad).is_err(), "{bad}");
    }
}
