//! A person opens a voice session.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::{self, Stored};
use super::token_store::Holder;
use super::view::{self, VoiceSessionView};
use crate::accounts::check_name;
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::{Code, FieldError, Problem};
use crate::http::context::Origin;
use crate::sessions;
use crate::time::Timestamp;

/// Voice sessions of a person that go on at once, at most.
pub const ACTIVE_MAX: i64 = 50;
/// The longest language tag; all that are in use are much shorter.
const LANGUAGE_MAX: usize = 64;

/// A voice session that is wanted.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewVoiceSession)]
pub(super) struct NewSession {
    /// What to call it.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    pub title: Option<String>,
    /// The language that is spoken, as a BCP 47 tag.
    #[serde(default)]
    #[schema(min_length = 2, max_length = 64, example = "de-CH")]
    pub language: Option<String>,
}

/// Opens a voice session of `owner`, on record.
///
/// # Errors
/// `validation_failed` with everything that is wrong; `conflict` when they have too many open.
pub(super) async fn start(
    app: &App,
    owner: Uuid,
    holder: Holder,
    new: NewSession,
    origin: &Origin,
    now: Timestamp,
) -> Result<VoiceSessionView, Problem> {
    let ground = &app.ground;
    let (title, language) = check(&new)?;
    let key = ground.keyring.get(owner).await?;
    let id = ground.random.uuid(now);
    let stored = Stored {
        id,
        title: title.map(|title| view::seal_title(&key, id, &title)),
        language,
        created_at: now,
        last_active_at: now,
        ends_at: now.plus(ground.settings.voice.idle_ttl),
        end_reason: None,
    };
    let event = audit::Event::new(ground, audit::VOICE_SESSION_STARTED, now)
        .actor(Actor::User(owner))
        .target(Target::voice_session(id))
        .origin(ground, Some(&key), origin);
    let row = stored.clone();
    ground
        .db
        .write(async move |tx| {
            // A request may be held back until after everything was taken from whoever sends it.
            let goes_on = match holder.login() {
                _ if !store::hold_owner(tx, owner).await? => false,
                Some(session) => sessions::store::hold(tx, session).await?,
                None => true,
            };
            if !goes_on {
                return Err(Problem::new(Code::SessionRevoked));
            }
            if store::count_active(tx, owner, now).await? >= ACTIVE_MAX {
                let detail = format!("You have {ACTIVE_MAX} voice sessions that go on. End one that is over.");
                return Err(Problem::new(Code::Conflict).detail(detail));
            }
            store::insert(tx, &row, owner, holder.login()).await?;
            audit::record(tx, &event).await?;
            Ok(())
        })
        .await?;
    Ok(view::open(&stored, &key, now)?)
}

/// Everything that is wrong at once; or the title and the language in their canonical forms.
fn check(new: &NewSession) -> Result<(Option<String>, Option<String>), Problem> {
    let title = new.title.as_deref().map(check_title).transpose();
    let language = new.language.as_deref().map(check_language).transpose();
    match (title, language) {
        (Ok(title), Ok(language)) => Ok((title, language)),
        (title, language) => {
            let errors = [title.err(), language.err()].into_iter().flatten().collect();
            Err(Problem { errors, ..Problem::new(Code::ValidationFailed) })
        }
    }
}

fn check_title(typed: &str) -> Result<String, FieldError> {
    check_name(typed).map_err(|fault| match fault.code {
        "required" => FieldError { field: "title".into(), message: "Enter a title, or leave it out.".into(), ..fault },
        _ => FieldError { field: "title".into(), ..fault },
    })
}

/// A well-formed tag (RFC 5646 section 2.1) in its canonical case: `de-ch` is `de-CH`.
fn check_language(typed: &str) -> Result<String, FieldError> {
    // The length first: nothing long is worth reading.
    let tag = (typed.len() <= LANGUAGE_MAX).then(|| oxilangtag::LanguageTag::parse_and_normalize(typed).ok()).flatten();
    tag.map(oxilangtag::LanguageTag::into_inner).ok_or_else(|| FieldError {
        field: "language".into(),
        code: "invalid",
        message: "Use a language tag as BCP 47 writes it, such as en, de-CH or zh-Hant-TW.".into(),
    })
}
