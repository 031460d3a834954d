use axum::Router;
use axum::body::Body;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use keystead::db::Sql;
use keystead::mail::{KEPT, Letter, MAILBOX_CSS, Mail, Mailbox, Mailer, handlers, post, render_page, routes};
use keystead::time::Timestamp;
use serde_json::json;
use tower::ServiceExt;
use uuid::Uuid;

use super::{branding, letters};
use crate::jobs::ground::{Engine, Ground, both_engines};

fn mailbox(ground: &Ground) -> Mailbox {
    Mailbox::new(ground.db.clone(), ground.roots.clone())
}

fn mailer(ground: &Ground) -> Mailer {
    Mailer::development(mailbox(ground), "Keystead <no-reply@localhost>", branding(), ground.clock.clone()).unwrap()
}

async fn deliver(ground: &Ground, job: Uuid, to: &str) {
    mailer(ground).deliver(job, ground.clock.now(), to, &letters("Ada")[0]).await.unwrap();
}

async fn a_posted_letter_reaches_the_mailbox_once(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, now) = (ground.jobs(), ground.clock.now());
    let cause = jobs.clone();
    let letter = letters("Ada")[0].clone();
    let job = ground.db.write(async move |tx| post(tx, &cause, "ada@example.org", letter.clone(), now).await).await.unwrap();
    assert_eq!(mailbox(&ground).list().await.unwrap(), [], "nothing leaves before the job runs");
    assert_eq!(jobs.run_due(&handlers(mailer(&ground))).await.unwrap(), 1);

    let mails = mailbox(&ground).list().await.unwrap();
    assert_eq!(mails.len(), 1);
    assert_eq!((mails[0].id, mails[0].to.as_str(), mails[0].at), (job, "ada@example.org", now));
    assert_eq!(mails[0].subject, "Confirm your e-mail address for Keystead");
    assert!(mails[0].text.contains("    048213\n") && mails[0].html.contains(">048213</p>"));
    assert!(mailer(&ground).healthy().healthy);

    // The worker died after the work and before the record: the job runs again.
    deliver(&ground, job, "ada@example.org").await;
    assert_eq!(mailbox(&ground).list().await.unwrap(), mails);
}

async fn the_newest_come_first_and_few_are_kept(engine: Engine) {
    let ground = Ground::new(engine).await;
    let address = |number: u32| format!("{number}@example.org");
    // The clock stands still, so only the order of arrival can tell them apart.
    for number in 0..KEPT + 5 {
        deliver(&ground, ground.random.uuid(ground.clock.now()), &address(number)).await;
    }
    let mails = mailbox(&ground).list().await.unwrap();
    let expected: Vec<String> = (5..KEPT + 5).rev().map(address).collect();
    assert_eq!(mails.into_iter().map(|mail| mail.to).collect::<Vec<_>>(), expected);
}

async fn mail_is_unreadable_in_the_table(engine: Engine) {
    const MESSAGES: Sql = Sql { sqlite: "SELECT message FROM dev_mail", postgres: "SELECT message FROM dev_mail" };
    let ground = Ground::new(engine).await;
    deliver(&ground, Uuid::from_u128(1), "ada@example.org").await;
    let sealed: Vec<u8> = ground.db.query(MESSAGES, vec![]).await.unwrap()[0].get(0).unwrap();
    assert!(!sealed.windows(6).any(|part| part == b"048213" || part == b"ada@ex"));
}

fn app(ground: &Ground) -> Router {
    routes().with_state(mailbox(ground))
}

async fn get(app: &Router, path: &str) -> (Response<()>, String) {
    let response = app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(head, ()), String::from_utf8(body.to_vec()).unwrap())
}

async fn the_routes_show_what_was_sent(engine: Engine) {
    let ground = Ground::new(engine).await;
    let app = app(&ground);
    assert_eq!(get(&app, "/dev/mailbox.json").await.1, r#"{"items":[]}"#);
    let (_, empty) = get(&app, "/dev/mailbox").await;
    assert!(empty.contains("No mail yet."), "{empty}");

    let job = Uuid::from_u128(7);
    deliver(&ground, job, "ada@example.org").await;
    let mail = mailbox(&ground).list().await.unwrap().remove(0);
    let (_, body) = get(&app, "/dev/mailbox.json").await;
    let expected = json!({"items": [{
        "to": "ada@example.org", "subject": mail.subject, "text": mail.text, "html": mail.html, "at": "2026-03-05T08:40:00Z",
    }]});
    assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap(), expected);

    let (head, page) = get(&app, "/dev/mailbox").await;
    assert_eq!(head.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert!(head.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'none'; style-src 'self'"));
    assert!(page.contains(&format!("href=\"/dev/mailbox/{job}\"")) && page.contains("<p class=\"code\">048213</p>"), "{page}");

    let (head, html) = get(&app, &format!("/dev/mailbox/{job}")).await;
    assert_eq!(html, mail.html);
    let csp = head.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(csp.contains("default-src 'none'") && csp.contains("sandbox ") && !csp.contains("allow-scripts"), "{csp}");
    assert_eq!(get(&app, "/dev/mailbox.css").await.1, MAILBOX_CSS);
    for missing in [Uuid::nil().to_string(), "1".into(), "%2e%2e".into()] {
        assert_eq!(get(&app, &format!("/dev/mailbox/{missing}")).await.0.status(), StatusCode::NOT_FOUND);
    }
}

both_engines!(
    a_posted_letter_reaches_the_mailbox_once,
    the_newest_come_first_and_few_are_kept,
    mail_is_unreadable_in_the_table,
    the_routes_show_what_was_sent,
);

fn mail(to: &str, text: &str) -> Mail {
    let at = Timestamp::from_secs(1_772_700_000);
    Mail { id: Uuid::nil(), to: to.into(), subject: "<b>subject</b>".into(), text: text.into(), html: String::new(), at }
}

#[test]
fn the_page_needs_no_script_and_no_inline_style() {
    let page = render_page(&[
        mail("ada@example.org", "Hello,\n\n    048213\n"),
        mail("\"><script>@example.org", "</pre><script>alert(1)</script>"),
    ]);
    assert!(!page.contains("<script") && !page.contains("<style") && !page.contains("style=") && !page.contains("<b>"), "{page}");
    assert!(page.contains("&lt;/pre&gt;&lt;script&gt;") && page.contains("&quot;&gt;&lt;script&gt;@example.org"));
    assert!(page.contains("5 March 2026, 08:40 UTC") && page.contains("datetime=\"2026-03-05T08:40:00Z\""));
    assert!(page.contains("Mailbox (2)") && page.contains("href=\"/dev/mailbox.css\""));
}

#[test]
fn addresses_in_the_text_are_links() {
    let page =
        render_page(&[mail("a@b", "go to https://x.example/a?b=1&c=2.\n(http://y.example) javascript:alert(1) https://z\"onclick=x")]);
    for link in [
        "go to <a href=\"https://x.example/a?b=1&amp;c=2\" rel=\"noopener noreferrer\">https://x.example/a?b=1&amp;c=2</a>.\n",
        "(<a href=\"http://y.example\" rel=\"noopener noreferrer\">http://y.example</a>) javascript:alert(1) ",
        "<a href=\"https://z\" rel=\"noopener noreferrer\">https://z</a>&quot;onclick=x",
    ] {
        assert!(page.contains(link), "{link} is not in {page}");
    }
}

#[test]
fn only_a_code_stands_large() {
    let code = |text: &str| render_page(&[mail("a@b", text)]).contains("class=\"code\"");
    assert!(code("your code: 000000."));
    for text in ["1234567", "12345", "https://x/123456", "a123456", "123-456", "https://x/?token=ksp_123456"] {
        assert!(!code(text), "{text}");
    }
}

#[test]
fn debug_shows_nobody() {
    let shown = format!("{:?} {:?}", mail("ada@example.org", "048213"), Letter::PasswordChanged { name: "Ada".into() });
    assert!(!shown.contains("ada@") && !shown.contains("048213") && !shown.contains("Ada"), "{shown}");
}
