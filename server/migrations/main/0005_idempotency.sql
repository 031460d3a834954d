-- Answers of creating requests that carried an Idempotency-Key, so that a repeat gets the first one again.

CREATE TABLE idempotency_keys (
    scope bytea PRIMARY KEY,                -- keyed hash of route, caller and key
    request bytea NOT NULL,                 -- keyed hash of the body
    status bigint,                          -- null while the first request is under way
    answer bytea,                           -- sealed body
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX idempotency_keys_expires_at ON idempotency_keys (expires_at);
