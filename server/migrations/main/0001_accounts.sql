-- People, their sessions, what proves who they are, and the record of what happened.
-- One text for both engines. Instants are microseconds since the Unix epoch in UTC.
-- Columns marked "sealed" hold AES-256-GCM ciphertext under the person's own key.

CREATE TABLE users (
    id uuid PRIMARY KEY,
    email_index bytea NOT NULL UNIQUE,      -- keyed blind index of the normalised address
    email bytea NOT NULL,                   -- sealed
    name bytea NOT NULL,                    -- sealed
    job_role bytea,                         -- sealed
    status text NOT NULL,                   -- pending, active, suspended, deleted
    roles text NOT NULL,                    -- authorization roles, space separated
    email_verified_at bigint,
    password_hash text,                     -- PHC string, or a foreign format until the next sign-in
    password_changed_at bigint,
    contested_at bigint,                    -- somebody signed up again before the address was confirmed
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,             -- not moved by activity: caches follow it
    last_active_at bigint,
    deleted_at bigint,
    erases_at bigint,
    version bigint NOT NULL
);
CREATE INDEX users_updated_at ON users (updated_at);
CREATE INDEX users_erases_at ON users (erases_at) WHERE erases_at IS NOT NULL;
CREATE INDEX users_pending ON users (created_at) WHERE status = 'pending';

CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id text NOT NULL,
    salt bytea NOT NULL,
    generation bigint NOT NULL,             -- of the refresh token that is current
    seen_generation bigint NOT NULL,        -- newest generation one of whose tokens was presented
    created_at bigint NOT NULL,
    rotated_at bigint NOT NULL,
    last_active_at bigint NOT NULL,
    refresh_expires_at bigint NOT NULL,
    idle_expires_at bigint NOT NULL,
    expires_at bigint NOT NULL,             -- absolute
    ip bytea,                               -- sealed
    user_agent bytea,                       -- sealed
    ended_at bigint,
    end_reason text
);
-- The columns that a refresh moves are in no index, so PostgreSQL updates the row in place (HOT).
CREATE INDEX sessions_open_by_user ON sessions (user_id, id) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended_at ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_expires_at ON sessions (expires_at);

CREATE TABLE codes (
    id uuid PRIMARY KEY,
    purpose text NOT NULL,
    subject uuid NOT NULL,                  -- the person it belongs to
    secret_hash bytea NOT NULL,             -- HMAC under the codes key
    payload bytea,                          -- sealed: what using the code puts in force
    attempts_left bigint NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    used_at bigint
);
CREATE INDEX codes_by_subject ON codes (subject, purpose, created_at);
CREATE UNIQUE INDEX codes_by_secret ON codes (secret_hash);
CREATE INDEX codes_expires_at ON codes (expires_at);

-- Failed sign-ins by address, whether or not an account has it.
CREATE TABLE login_failures (
    email_index bytea PRIMARY KEY,
    failures bigint NOT NULL,
    last_failure_at bigint NOT NULL,
    locked_until bigint
);
CREATE INDEX login_failures_last ON login_failures (last_failure_at);

CREATE TABLE consents (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    policy text NOT NULL,
    version text NOT NULL,
    accepted_at bigint NOT NULL,
    ip bytea                                -- sealed
);
CREATE UNIQUE INDEX consents_once ON consents (user_id, policy, version);

CREATE TABLE audit_events (
    id uuid PRIMARY KEY,
    at bigint NOT NULL,
    actor_type text NOT NULL,
    actor_id uuid,
    action text NOT NULL,
    target_type text NOT NULL,
    target_id uuid,
    outcome text NOT NULL,
    sealed_for uuid,                        -- whose key sealed the origin; null: the installation's
    origin bytea,                           -- sealed: address and user agent
    request_id text,
    details text NOT NULL,                  -- JSON without personal data
    seq bigint UNIQUE,
    previous_hash bytea,
    hash bytea
);
CREATE INDEX audit_events_unsealed ON audit_events (at, id) WHERE seq IS NULL;
CREATE INDEX audit_events_by_actor ON audit_events (actor_id, id);
CREATE INDEX audit_events_by_target ON audit_events (target_id, id);
CREATE INDEX audit_events_by_action ON audit_events (action, id);
