use keystead::mail::{Branding, Letter, Rendered, Templates};

use super::{branding, letters};

fn render(letter: &Letter) -> Rendered {
    Templates::new(branding()).unwrap().render(letter).unwrap()
}

#[test]
fn every_letter_reads_as_it_was_approved() {
    for letter in letters("Ada Lovelace") {
        let Rendered { subject, text, html } = render(&letter);
        insta::assert_snapshot!(letter.template(), format!("Subject: {subject}\n\n{text}\n\n=== HTML ===\n{html}"));
    }
}

#[test]
fn every_letter_has_all_its_parts() {
    for letter in letters("Ada") {
        let Rendered { subject, text, html } = render(&letter);
        assert!(!subject.is_empty() && !subject.contains(['\n', '\r']), "{subject}");
        assert!(text.starts_with("Hello Ada,\n"), "{text}");
        assert!(text.contains("this was not you"), "says what to do if it was somebody else: {text}");
        assert!(html.contains("this was not you") && html.contains("max-width:600px"));
        assert!(html.contains("prefers-color-scheme: dark") && html.contains("lang=\"en\""));
        assert!(!html.contains("<img") && !html.contains("<script") && !html.contains("url("), "nothing is loaded from anywhere");
        assert!(text.lines().all(|line| line.len() < 998), "RFC 5322 section 2.1.1");
    }
}

#[test]
fn the_code_is_the_only_six_digits() {
    let Rendered { text, html, .. } = render(&letters("Ada")[0]);
    for part in [text, html] {
        let runs: Vec<&str> = part.split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() == 6).collect();
        assert_eq!(runs, ["048213"]);
    }
}

#[test]
fn links_stand_as_button_and_as_text() {
    let Rendered { text, html, .. } = render(&letters("Ada")[2]);
    assert!(text.lines().any(|line| line == "https://id.example.com/reset?token=ksp_a-b_c&x=1"), "{text}");
    let escaped = "https://id.example.com/reset?token=ksp_a-b_c&amp;x=1";
    assert_eq!(html.matches(&format!("href=\"{escaped}\"")).count(), 2, "{html}");
    assert!(html.contains(&format!(">{escaped}</a>")));
}

#[test]
fn markup_in_names_is_shown_not_run() {
    for letter in letters("<script>alert('&')</script>") {
        let Rendered { html, text, .. } = render(&letter);
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains("Hello &lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;,"), "{html}");
        assert!(text.starts_with("Hello <script>alert('&')</script>,"), "text stays text: {text}");
    }
}

#[test]
fn names_cannot_carry_a_message_to_strangers() {
    let cases = [
        ("Ada\r\nBcc: eve@evil.example", "Hello,"),
        ("you won: https://evil.example/x", "Hello,"),
        ("visit evil.com now", "Hello,"),
        ("visit evil.com/now", "Hello,"),
        ("mail me@evil", "Hello,"),
        ("a.b.evil.example", "Hello,"),
        ("", "Hello,"),
        (" \u{202e} \u{0007} ", "Hello,"),
        ("Ada\n\nYou won", "Hello Ada You won,"),
        ("\u{202e}Ada\u{2066}", "Hello Ada,"),
        ("Dr. J. R. Smith", "Hello Dr. J. R. Smith,"),
        ("J.R. Smith", "Hello J.R. Smith,"),
        ("علی‌رضا", "Hello علی‌رضا,"),
    ];
    for (name, greeting) in cases {
        let Rendered { subject, text, .. } = render(&Letter::PasswordChanged { name: name.into() });
        assert_eq!(text.lines().next(), Some(greeting), "{name:?}");
        assert_eq!(subject, "Your password for Keystead was changed");
    }
    let long = render(&Letter::PasswordChanged { name: "é".repeat(1000) });
    assert_eq!(long.text.lines().next().unwrap(), format!("Hello {}…,", "é".repeat(59)));
}

#[test]
fn devices_and_times_are_tamed() {
    let text = |device: &str, at: &str| render(&Letter::SessionReplayed { name: "Ada".into(), device: device.into(), at: at.into() }).text;
    let said = text("curl\nsee evil.example", "2026-03-05T14:30:59.5+01:00");
    assert!(said.contains("Device: unknown\n    Time:   5 March 2026, 13:30 UTC\n"), "{said}");
    assert!(text("Safari 17.2", "this morning").contains("Device: Safari 17.2\n    Time:   this morning\n"));
}

#[test]
fn lifetimes_are_said_in_words() {
    let said = |minutes| render(&Letter::VerifyEmail { name: String::new(), code: "000000".into(), minutes }).text;
    for (minutes, words) in
        [(1, "1 minute."), (10, "10 minutes."), (60, "1 hour."), (90, "90 minutes."), (1440, "24 hours."), (2880, "2 days.")]
    {
        assert!(said(minutes).contains(&format!("within {words}")), "{minutes}: {}", said(minutes));
    }
}

#[test]
fn the_brand_is_ours_to_set_and_cannot_break_a_header() {
    let branding = Branding { product: "Acme\r\nBcc: all@example.com <b>".into(), public_url: "https://acme.example\r\n".into() };
    let Rendered { subject, html, text } = Templates::new(branding).unwrap().render(&letters("Ada")[3]).unwrap();
    assert_eq!(subject, "Your password for Acme Bcc: all@example.com <b> was changed");
    assert!(html.contains("Acme Bcc: all@example.com &lt;b&gt;") && !html.contains("<b>"));
    assert!(text.contains("\nhttps://acme.example\n"));
}

#[test]
fn debug_shows_no_code_and_no_name() {
    let shown = format!("{:?}", letters("Ada"));
    assert!(shown.contains("Letter(verify_email)") && !shown.contains("048213") && !shown.contains("Ada"), "{shown}");
}
