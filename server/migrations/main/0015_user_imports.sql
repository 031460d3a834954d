-- Large imports: the stream waits here, sealed and in parts, until a job has made accounts of it. Any instance can go on.

CREATE TABLE user_imports (
    id uuid PRIMARY KEY,
    status text NOT NULL,                   -- receiving, queued, running, done, failed
    dry_run boolean NOT NULL,
    actor_type text NOT NULL,               -- who sent it: user, client
    actor_id uuid NOT NULL,
    grantable text NOT NULL,                -- roles that they might give, space separated
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    finished_at bigint,
    chunks bigint NOT NULL,                 -- parts in all, known once all has come
    lines bigint NOT NULL,                  -- lines in all, likewise
    next_chunk bigint NOT NULL,             -- parts before this one are done
    imported bigint NOT NULL,
    skipped bigint NOT NULL,
    failed bigint NOT NULL,
    errors text NOT NULL,                   -- JSON: line numbers, codes, what to mend; nothing of what stood there
    reason text                             -- why it failed
);
CREATE INDEX user_imports_unfinished ON user_imports (updated_at) WHERE finished_at IS NULL;
CREATE INDEX user_imports_finished ON user_imports (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE user_import_chunks (
    import_id uuid NOT NULL REFERENCES user_imports (id) ON DELETE CASCADE,
    number bigint NOT NULL,
    sealed bytea NOT NULL,                  -- under the installation's key: whole lines, with their numbers
    PRIMARY KEY (import_id, number)
);

-- What a dry run would have imported, so that an address that is repeated in the stream is seen.
CREATE TABLE user_import_seen (
    import_id uuid NOT NULL REFERENCES user_imports (id) ON DELETE CASCADE,
    email_index bytea NOT NULL,             -- keyed blind index
    PRIMARY KEY (import_id, email_index)
);
