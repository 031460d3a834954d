use std::time::Duration;

use keystead::jobs::{Depth, State, backoff_ceiling};
use keystead::mail::{Mailer, SEND, SMTP_TIMEOUT, handlers, post};
use uuid::Uuid;

use super::sink::{Sink, Step};
use super::{branding, letters};
use crate::jobs::ground::{Engine, Ground, both_engines};

struct Post {
    ground: Ground,
    sink: Sink,
    mailer: Mailer,
}

impl Post {
    async fn new(engine: Engine, script: &[Step]) -> Self {
        let (ground, sink) = (Ground::new(engine).await, Sink::start(script).await);
        let mailer = Mailer::smtp(&sink.url(), "no-reply@mail.example.com", branding(), ground.clock.clone(), SMTP_TIMEOUT).unwrap();
        Self { ground, sink, mailer }
    }

    async fn post(&self) -> Uuid {
        let (jobs, now, letter) = (self.ground.jobs(), self.ground.clock.now(), letters("Ada")[2].clone());
        self.ground.db.write(async move |tx| post(tx, &jobs, "ada@example.org", letter.clone(), now).await).await.unwrap()
    }

    async fn run(&self) -> usize {
        self.ground.jobs().run_due(&handlers(self.mailer.clone())).await.unwrap()
    }
}

async fn a_letter_that_is_put_off_arrives_later_as_the_same_message(engine: Engine) {
    let post = Post::new(engine, &[Step::AfterLetter("451 4.3.0 ada@example.org: later"), Step::Accept]).await;
    let job = post.post().await;
    assert_eq!(post.run().await, 1);
    let waiting = post.ground.jobs().list(Some(State::Queued), None, None, 10).await.unwrap().remove(0);
    assert_eq!(waiting.last_error.as_deref(), Some("the SMTP server asks to try later: 451 4.3.0"));
    post.ground.clock.advance(backoff_ceiling(1));
    assert_eq!(post.run().await, 1);
    assert_eq!(post.ground.jobs().depth().await.unwrap(), Depth::default());
    let letters = post.sink.letters();
    assert_eq!(letters[0], letters[1], "byte for byte");
    assert!(letters[0].contains(&format!("Message-ID: <{job}@mail.example.com>\r\n")));
}

async fn a_refused_letter_is_a_dead_letter_without_the_address(engine: Engine) {
    let post = Post::new(engine, &[Step::AtRecipient("550 5.1.1 <ada@example.org>: no such user")]).await;
    let job = post.post().await;
    post.run().await;
    let dead = post.ground.jobs().list(Some(State::Dead), None, None, 10).await.unwrap().remove(0);
    assert_eq!((dead.id, dead.kind.as_str(), dead.attempts), (job, SEND.name, 1));
    assert_eq!(dead.last_error.as_deref(), Some("the SMTP server refused the letter: 550 5.1.1"));
}

async fn letters_wait_for_a_server_that_is_away(engine: Engine) {
    let post = Post::new(engine, &[Step::AtSender("421 4.3.2 going down"); 11]).await;
    post.post().await;
    for attempt in 1..SEND.max_attempts {
        assert_eq!(post.run().await, 1, "attempt {attempt}");
        post.ground.clock.advance(backoff_ceiling(attempt));
    }
    assert_eq!(post.ground.jobs().depth().await.unwrap().queued, 1);
    assert_eq!(post.run().await, 1, "the last attempt");
    assert_eq!((post.ground.jobs().depth().await.unwrap(), post.sink.letters().len()), (Depth::default(), 1));
    assert!(post.mailer.healthy().healthy);
    tokio::time::timeout(Duration::from_secs(5), post.mailer.close()).await.expect("goodbye is short");
}

both_engines!(
    a_letter_that_is_put_off_arrives_later_as_the_same_message,
    a_refused_letter_is_a_dead_letter_without_the_address,
    letters_wait_for_a_server_that_is_away,
);
