-- What people let applications do: codes that are waiting to be exchanged, and what was agreed to.

CREATE TABLE oauth_codes (
    id uuid PRIMARY KEY,
    code_hash bytea NOT NULL,               -- keyed hash
    client_id text NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    session_id uuid NOT NULL,               -- where it was authorised; a code is void once that has ended
    redirect_uri text NOT NULL,
    challenge text NOT NULL,                -- PKCE, S256
    nonce text,
    scopes text NOT NULL,                   -- separated by spaces
    resources text NOT NULL,                -- separated by spaces
    dpop_jkt text,                          -- thumbprint of the key that must be proven (RFC 9449 section 10)
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    used_at bigint,
    issued_session_id uuid                  -- the session that it began; ended when the code comes again
);
CREATE UNIQUE INDEX oauth_codes_code_hash ON oauth_codes (code_hash);
CREATE INDEX oauth_codes_user_id ON oauth_codes (user_id);
CREATE INDEX oauth_codes_expires_at ON oauth_codes (expires_at);

CREATE TABLE oauth_consents (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id text NOT NULL,
    scopes text NOT NULL,                   -- separated by spaces
    resources text NOT NULL,                -- separated by spaces
    given_at bigint NOT NULL,               -- when it was given last
    UNIQUE (user_id, client_id)
);
