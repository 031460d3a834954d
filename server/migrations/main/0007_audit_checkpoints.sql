-- Signed statements about the audit trail, and the Ed25519 key that signs them.
--
-- The key is none of those that sign tokens: those are withdrawn after their last token, and a checkpoint is to be checked
-- years later. `number` lets exactly one of several instances make the first one.
CREATE TABLE audit_keys (
    number bigint PRIMARY KEY,
    kid text NOT NULL UNIQUE,
    public_key bytea NOT NULL,
    private_key bytea NOT NULL,             -- sealed under the master key
    created_at bigint NOT NULL
);

CREATE TABLE audit_checkpoints (
    seq bigint PRIMARY KEY,                 -- the event it tells of
    kind text NOT NULL,                     -- checkpoint; begins: everything up to there was deleted as too old
    hash bytea NOT NULL,                    -- of that event
    at bigint NOT NULL,
    kid text NOT NULL,
    signature bytea NOT NULL
);
