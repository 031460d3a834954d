-- Work to be done after a commit: mail, exports, retention, backups. A row is written in the
-- transaction of its cause and deleted when the work is done; 'dead' rows wait for a person.
-- The payload is sealed and stands last, so that scans over the head of a row never touch it.
CREATE TABLE jobs (
    id           uuid   PRIMARY KEY,
    kind         text   NOT NULL,
    state        text   NOT NULL CHECK (state IN ('queued', 'dead')),
    run_at       bigint NOT NULL,
    attempts     bigint NOT NULL,
    max_attempts bigint NOT NULL,
    lease        bigint NOT NULL,
    leased_until bigint,
    lease_owner  uuid,
    enqueued_at  bigint NOT NULL,
    finished_at  bigint,
    last_error   text,
    payload      bytea  NOT NULL
);

-- The claim walks the queued jobs in the order in which they are due.
CREATE INDEX jobs_due ON jobs (run_at) WHERE state = 'queued';

-- Dead letters are few; a person lists them, retention deletes them by age.
CREATE INDEX jobs_dead ON jobs (finished_at) WHERE state = 'dead';
