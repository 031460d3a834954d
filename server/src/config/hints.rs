//! What is off for want of a setting, and how to turn it on: nothing is wrong, but somebody may wonder.

use serde::Serialize;

use super::Settings;

/// One thing that is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Hint {
    /// What is off, in a sentence.
    pub finding: &'static str,
    /// How to turn it on.
    pub mend: &'static str,
}

/// Everything that is off with `settings`.
pub(super) fn hints(settings: &Settings) -> Vec<Hint> {
    let voice = &settings.voice;
    let mut all = Vec::new();
    if voice.livekit_url.is_none() {
        all.push(Hint {
            finding: "Voice tokens are off: the routes that issue and redeem them answer 404 feature_disabled.",
            mend: "set KEYSTEAD_VOICE__LIVEKIT_URL, KEYSTEAD_VOICE__LIVEKIT_API_KEY and KEYSTEAD_VOICE__LIVEKIT_API_SECRET",
        });
    } else if voice.turn_urls.is_none() {
        all.push(Hint {
            finding: "Voice tokens come without TURN servers: clients behind strict firewalls may not reach the media server.",
            mend: "set KEYSTEAD_VOICE__TURN_URLS and KEYSTEAD_VOICE__TURN_SECRET to those of a coturn with use-auth-secret",
        });
    }
    all
}
