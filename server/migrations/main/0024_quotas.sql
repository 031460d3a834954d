-- What people have used of the named quotas.

-- One row per person and quota: the running period. A check and its change are one statement on it.
CREATE TABLE quota_counters (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    quota text NOT NULL,
    period_start bigint NOT NULL,
    used bigint NOT NULL,
    reserved bigint NOT NULL,               -- sum of the open reservations of this period
    reserved_until bigint NOT NULL,         -- no open reservation expires before; until then `reserved` is exact
    settled_at bigint NOT NULL,             -- what expired by then is not in `reserved` and stays expired, by whichever clock
    day bigint NOT NULL,                    -- days since 1970-01-01 in the zone of the installation
    day_used bigint NOT NULL,
    day_limit bigint NOT NULL,
    warned boolean NOT NULL,                -- in this period
    exceeded boolean NOT NULL,              -- in this period
    own_limit bigint,                       -- instead of the configured one
    own_limit_until bigint,                 -- null: for good
    PRIMARY KEY (user_id, quota),
    CHECK (used >= 0 AND reserved >= 0 AND day_used >= 0)
);
CREATE INDEX quota_counters_by_day ON quota_counters (day);

-- What was used on days that are over.
CREATE TABLE quota_days (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    quota text NOT NULL,
    day bigint NOT NULL,
    used bigint NOT NULL,
    day_limit bigint NOT NULL,
    PRIMARY KEY (user_id, quota, day)
);
CREATE INDEX quota_days_by_day ON quota_days (day);

CREATE TABLE quota_reservations (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    quota text NOT NULL,
    period_start bigint NOT NULL,
    day bigint NOT NULL,
    amount bigint NOT NULL,
    made_by uuid NOT NULL,                  -- the person or the client that alone may settle it
    state text NOT NULL,                    -- open, committed, released
    committed bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX quota_reservations_by_user ON quota_reservations (user_id, id);
CREATE INDEX quota_reservations_open ON quota_reservations (user_id, quota) WHERE state = 'open';
CREATE INDEX quota_reservations_expires_at ON quota_reservations (expires_at);
