//! Why the server closes a connection: the codes that clients meet, one line each.

macro_rules! closes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $reason:literal, $resumable:literal, $meaning:literal;)+) => {
        /// A reason to close. The code and the word go to the client (RFC 6455 section 7.4).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Close { $($(#[$doc])* $variant),+ }

        impl Close {
            /// All of them, for the documents.
            pub const ALL: &[Close] = &[$(Close::$variant),+];

            /// The code of the close frame.
            pub const fn code(self) -> u16 {
                match self { $(Close::$variant => $code),+ }
            }

            /// The word in the close frame.
            pub const fn reason(self) -> &'static str {
                match self { $(Close::$variant => $reason),+ }
            }

            /// What it means and what a client does about it.
            pub const fn meaning(self) -> &'static str {
                match self { $(Close::$variant => $meaning),+ }
            }

            /// Whether the connection's place in its channels is kept for a while.
            pub const fn may_resume(self) -> bool {
                match self { $(Close::$variant => $resumable),+ }
            }
        }
    };
}

closes! {
    /// Not a frame of RFC 6455.
    Protocol = 1002, "protocol_error", false, "What was sent is no WebSocket frame. A defect of the client.";
    /// A binary message.
    Binary = 1003, "unsupported_data", false, "Only text messages are understood.";
    /// A text message that is no text.
    NotText = 1007, "invalid_utf8", false, "A text message was not UTF-8.";
    /// A message beyond the limit.
    TooLarge = 1009, "payload_too_large", false, "A message was larger than this server takes.";
    /// The instance stops.
    Restart = 1012, "service_restart", true, "This instance stops. Connect again at once, with the resume token: another one answers.";
    /// The instance cannot know whether the session goes on.
    Unavailable = 1013, "unavailable", true, "The server cannot tell at the moment whether the session was ended. Connect again in a few seconds.";
    /// Too many frames that cannot be read.
    Malformed = 4400, "invalid_request", false, "Too many frames could not be understood. A defect of the client.";
    /// The access token ended and was not renewed.
    Expired = 4401, "token_expired", true, "The access token has expired. Refresh it and connect again.";
    /// The session was ended.
    SessionEnded = 4403, "session_revoked", false, "The session was ended. Sign in again.";
    /// The flag was switched off.
    Disabled = 4404, "feature_disabled", false, "Presence was switched off.";
    /// The client does not take what it is sent.
    TooSlow = 4408, "too_slow", true, "The client took too little of what it was sent. Connect again, with the resume token.";
    /// The place was taken by a connection that resumed it.
    Replaced = 4409, "replaced", false, "Another connection went on in this one's place. Nothing to do.";
    /// No sign of life.
    Silent = 4410, "silent", true, "Nothing was heard for two heartbeats.";
    /// Too many messages.
    Flood = 4429, "rate_limited", false, "Far more messages than allowed. Slow down.";
}
