-- Tokens that people make for programs of theirs.

CREATE TABLE personal_tokens (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    secret_hash bytea NOT NULL UNIQUE,      -- HMAC under the key of personal tokens
    name bytea NOT NULL,                    -- sealed
    scopes text NOT NULL,                   -- space separated
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    last_used_at bigint,
    revoked_at bigint
);
CREATE INDEX personal_tokens_by_user ON personal_tokens (user_id, id);
CREATE INDEX personal_tokens_revoked_at ON personal_tokens (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX personal_tokens_expires_at ON personal_tokens (expires_at);
