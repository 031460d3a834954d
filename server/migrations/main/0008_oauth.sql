-- OAuth clients, and access tokens that were revoked before their time.

CREATE TABLE oauth_clients (
    id text PRIMARY KEY,                    -- the client_id: a UUIDv7, never given to another client
    name text NOT NULL,
    secret_hash bytea,                      -- id of the master key, then the keyed hash; null: the client has no secret
    grant_types text NOT NULL,              -- lists stand in one text, separated by spaces
    redirect_uris text NOT NULL,
    scopes text NOT NULL,
    token_endpoint_auth_method text NOT NULL,
    jwks text,                              -- the client's public keys, for private_key_jwt
    first_party boolean NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    disabled_at bigint,
    deleted_at bigint                       -- the row stays, so that every instance learns of it
);
CREATE INDEX oauth_clients_updated_at ON oauth_clients (updated_at);

CREATE TABLE oauth_revoked_tokens (
    jti uuid PRIMARY KEY,
    revoked_at bigint NOT NULL,
    expires_at bigint NOT NULL              -- of the token; afterwards nobody needs to know
);
CREATE INDEX oauth_revoked_tokens_revoked_at ON oauth_revoked_tokens (revoked_at);
CREATE INDEX oauth_revoked_tokens_expires_at ON oauth_revoked_tokens (expires_at);
