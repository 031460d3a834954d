-- Voice sessions, and the tokens by which their person joins the room of one.

CREATE TABLE voice_sessions (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    login_session_id uuid,                  -- the session it was opened in, with which it ends; none when a program opened it
    title bytea,                            -- sealed
    language text,                          -- BCP 47
    created_at bigint NOT NULL,
    last_active_at bigint NOT NULL,
    ends_at bigint NOT NULL,                -- when it expires unless it is used; once it was ended, when that was
    end_reason text                         -- ended, session_ended, access_lost; none when nobody ended it
);
CREATE INDEX voice_sessions_by_owner ON voice_sessions (owner_id, id);
CREATE INDEX voice_sessions_by_login ON voice_sessions (login_session_id) WHERE end_reason IS NULL;
CREATE INDEX voice_sessions_ends_at ON voice_sessions (ends_at);

CREATE TABLE voice_tokens (
    id uuid PRIMARY KEY,                    -- the token's jti
    voice_session_id uuid NOT NULL REFERENCES voice_sessions (id) ON DELETE CASCADE,
    owner_id uuid NOT NULL,
    login_session_id uuid,                  -- the session it was issued to, or …
    personal_token_id uuid,                 -- … the personal access token
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    redeemed_at bigint,
    redeemed_by uuid,                       -- the service that let its holder in
    revoked_at bigint
);
CREATE INDEX voice_tokens_by_session ON voice_tokens (voice_session_id);
CREATE INDEX voice_tokens_by_login ON voice_tokens (login_session_id) WHERE redeemed_at IS NULL AND revoked_at IS NULL;
CREATE INDEX voice_tokens_by_owner ON voice_tokens (owner_id) WHERE redeemed_at IS NULL AND revoked_at IS NULL;
CREATE INDEX voice_tokens_expires_at ON voice_tokens (expires_at);
