-- Feature flags. A deleted one leaves its row, so that every instance hears of the deletion and versions go on counting.

CREATE TABLE flags (
    key text PRIMARY KEY,
    definition text NOT NULL,               -- JSON; no personal data
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    deleted_at bigint
);
CREATE INDEX flags_updated_at ON flags (updated_at);
