-- Jobs are claimed kind by kind, in the order in which they are due: a kind that hangs does not stand before the others.
-- `jobs_due` serves the version before and goes with the next release.
CREATE INDEX jobs_due_by_kind ON jobs (kind, run_at) WHERE state = 'queued';

-- Clients that could not be told of ended sessions when it was last tried, and until when they are left alone. A client that
-- takes a logout token has no row.
CREATE TABLE oauth_silent_receivers (
    client_id text PRIMARY KEY REFERENCES oauth_clients (id),
    address text NOT NULL,                  -- what was called; another address is another receiver
    failures bigint NOT NULL,               -- in a row
    silent_since bigint,                    -- null: it failed, and is not left alone yet
    silent_until bigint                     -- nobody calls it before
);
