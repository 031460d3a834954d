use std::time::Duration;

use keystead::jobs::JobError;
use keystead::mail::{Health, LastDelivery, Letter, MailError, Mailer, SMTP_TIMEOUT};
use keystead::time::{Clock, Timestamp};
use uuid::Uuid;

use super::sink::{Sink, Step};
use super::{branding, letters};
use crate::jobs::ground::eventually;

const NOW: Timestamp = Timestamp::from_secs(1_772_700_000);
const JOB: Uuid = Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001);
const FROM: &str = "Keystead <no-reply@mail.example.com>";

fn mailer(sink: &Sink, timeout: Duration) -> Mailer {
    Mailer::smtp(&sink.url(), FROM, branding(), Clock::frozen(NOW), timeout).unwrap()
}

fn code() -> Letter {
    letters("Ada").swap_remove(0)
}

#[tokio::test]
async fn a_letter_arrives_whole() {
    let sink = Sink::start(&[]).await;
    mailer(&sink, SMTP_TIMEOUT).deliver(JOB, NOW, "ada@example.org", &code()).await.unwrap();

    let letter = sink.letters().remove(0);
    assert_eq!(sink.recipients(), ["RCPT TO:<ada@example.org>"]);
    for header in [
        "From: Keystead <no-reply@mail.example.com>\r\n",
        "To: ada@example.org\r\n",
        "Subject: Confirm your e-mail address for Keystead\r\n",
        "Date: Thu, 05 Mar 2026 08:40:00 +0000\r\n",
        "Message-ID: <01930000-0000-7000-8000-000000000001@mail.example.com>\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "Content-Type: multipart/alternative;",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "Content-Type: text/html; charset=utf-8\r\n",
    ] {
        assert!(letter.contains(header), "{header:?} is not in\n{letter}");
    }
    assert!(letter.contains("    048213\r\n"), "{letter}");
}

#[tokio::test]
async fn a_repeat_is_the_same_message_to_the_byte() {
    let sink = Sink::start(&[]).await;
    let clock = Clock::frozen(NOW);
    let mailer = Mailer::smtp(&sink.url(), FROM, branding(), clock.clone(), SMTP_TIMEOUT).unwrap();
    mailer.deliver(JOB, NOW, "ada@example.org", &code()).await.unwrap();
    clock.advance(Duration::from_secs(3600));
    mailer.deliver(JOB, NOW, "ada@example.org", &code()).await.unwrap();
    let letters = sink.letters();
    assert_eq!(letters[0], letters[1]);
}

#[tokio::test]
async fn a_line_with_one_dot_does_not_end_the_letter() {
    let sink = Sink::start(&[]).await;
    let letter = Letter::ResetPassword { name: "Ada".into(), link: ".\n.hidden".into(), minutes: 60 };
    mailer(&sink, SMTP_TIMEOUT).deliver(JOB, NOW, "ada@example.org", &letter).await.unwrap();
    let wire = sink.letters().remove(0);
    assert!(wire.contains("\r\n..\r\n..hidden\r\n"), "RFC 5321 section 4.5.2: {wire}");
    assert!(wire.contains("Replies are not read."), "the rest of the letter came too");
}

#[tokio::test]
async fn refusals_become_what_the_queue_should_do() {
    type Expected = (Step, fn(&JobError) -> bool, &'static str);
    let retry: fn(&JobError) -> bool = |error| matches!(error, JobError::Retry(_));
    let dead: fn(&JobError) -> bool = |error| matches!(error, JobError::Dead(_));
    let cases: [Expected; 6] = [
        (Step::AtRecipient("550 5.1.1 <ada@example.org>: no such user"), dead, "the SMTP server refused the letter: 550 5.1.1"),
        (Step::AfterLetter("554 ada@example.org is not wanted"), dead, "the SMTP server refused the letter: 554"),
        (Step::AtRecipient("450 4.2.1 <ada@example.org>: greylisted"), retry, "the SMTP server asks to try later: 450 4.2.1"),
        (Step::AfterLetter("451-4.3.0 ada@example.org\r\n451 4.3.0 later"), retry, "the SMTP server asks to try later: 451 4.3.0"),
        (Step::AtSender("530 5.7.0 sign in first, ada@example.org"), retry, "the SMTP server does not accept us: 530 5.7.0"),
        (Step::AtSender("nonsense for ada@example.org"), retry, "the SMTP server answered something that is not SMTP"),
    ];
    let sink = Sink::start(&cases.map(|case| case.0)).await;
    let mailer = mailer(&sink, SMTP_TIMEOUT);
    for (_, is_expected, why) in cases {
        let error = mailer.deliver(JOB, NOW, "ada@example.org", &code()).await.unwrap_err();
        assert!(is_expected(&error), "{error:?}");
        assert_eq!(error.to_string(), why, "and the address is not in it");
        assert!(mailer.healthy().healthy, "a server that answers is there");
    }
    mailer.deliver(JOB, NOW, "ada@example.org", &code()).await.unwrap();
}

#[tokio::test]
async fn a_silent_server_is_left_and_its_connection_never_used_again() {
    let sink = Sink::start(&[]).await;
    let mailer = mailer(&sink, Duration::from_millis(15));
    let deliver = async |to: &str| mailer.deliver(JOB, NOW, to, &code()).await;
    // A busy machine may need longer than that limit even to be accepted.
    eventually("an accepted letter", async || deliver("one@example.org").await.ok()).await;
    sink.next(Step::Silence);
    let error = eventually("a silent server", async || deliver("two@example.org").await.err()).await;
    assert_eq!(error.to_string(), "the SMTP server did not answer in time");
    assert!(!mailer.healthy().healthy);
    let before = sink.connections();
    eventually("an accepted letter", async || deliver("three@example.org").await.ok()).await;
    assert!(sink.connections() > before, "a connection of its own");
    assert!(mailer.healthy().healthy);
}

#[tokio::test]
async fn nobody_listening_is_a_retry_and_unhealthy() {
    // Bound and let go: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("smtp://127.0.0.1:{port}").into();
    let mailer = Mailer::smtp(&url, FROM, branding(), Clock::frozen(NOW), SMTP_TIMEOUT).unwrap();
    assert_eq!(mailer.healthy(), Health { transport: "smtp", healthy: true, last: None });
    let error = mailer.deliver(JOB, NOW, "ada@example.org", &code()).await.unwrap_err();
    assert!(matches!(error, JobError::Retry(_)), "{error:?}");
    assert_eq!(error.to_string(), "the SMTP server cannot be reached");
    let last = Some(LastDelivery { reached: false, at: NOW });
    assert_eq!(mailer.healthy(), Health { transport: "smtp", healthy: false, last });
}

#[tokio::test]
async fn an_address_that_smtp_cannot_carry_is_dead() {
    let sink = Sink::start(&[]).await;
    let mailer = mailer(&sink, SMTP_TIMEOUT);
    for address in ["", "ada", "ada@example.org\r\nRCPT TO:<eve@example.org>", "ada@example.org, eve@example.org"] {
        let error = mailer.deliver(JOB, NOW, address, &code()).await.unwrap_err();
        assert!(matches!(error, JobError::Dead(_)), "{address:?}: {error:?}");
    }
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn a_wrong_setting_is_explained_without_the_password() {
    let smtp = |url: &str, from: &str| {
        Mailer::smtp(&url.to_owned().into(), from, branding(), Clock::frozen(NOW), SMTP_TIMEOUT).map(drop).unwrap_err()
    };
    for url in ["http://user:hunter2@host", "smtp://user:hunter2@host?tls=maybe", "hunter2"] {
        let error = smtp(url, FROM);
        assert!(matches!(error, MailError::Url) && !format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    assert!(matches!(smtp("smtp://host", "nobody"), MailError::From));
}

#[test]
fn a_mailer_may_outlive_the_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mailer = runtime.block_on(async {
        let sink = Sink::start(&[]).await;
        let mailer = mailer(&sink, SMTP_TIMEOUT);
        mailer.deliver(JOB, NOW, "ada@example.org", &code()).await.unwrap();
        mailer
    });
    drop(runtime);
    drop(mailer);
}
