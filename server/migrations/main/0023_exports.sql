-- Files that people ordered of their data: the order, and the file in sealed parts, so that every instance serves any range of it.

CREATE TABLE exports (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind text NOT NULL,                     -- transactions, audit, account, …
    format text NOT NULL,                   -- csv, json, pdf
    wish bytea NOT NULL,                    -- sealed: what narrows it, and how it is written
    status text NOT NULL,                   -- queued, running, ready, failed, expired
    run uuid,                               -- the attempt that writes, or wrote, the file; parts of others count for nothing
    rows_done bigint NOT NULL,
    rows_expected bigint,                   -- counted when the attempt began
    bytes bigint NOT NULL,
    failure text,                           -- a code, once it failed
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    finished_at bigint,
    expires_at bigint                       -- of the file, once it is ready
);
CREATE INDEX exports_by_user ON exports (user_id, id);
CREATE INDEX exports_unfinished ON exports (updated_at) WHERE finished_at IS NULL;
CREATE INDEX exports_ready ON exports (expires_at) WHERE status = 'ready';
CREATE INDEX exports_finished ON exports (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE export_chunks (
    export_id uuid NOT NULL REFERENCES exports (id) ON DELETE CASCADE,
    run uuid NOT NULL,
    number bigint NOT NULL,
    sealed bytea NOT NULL,                  -- 256 KiB of the file, the last one less
    PRIMARY KEY (export_id, run, number)
);

-- A person's sessions, those that ended too: an export shows them, and erasing a person deletes them.
CREATE INDEX sessions_by_user ON sessions (user_id, id);
