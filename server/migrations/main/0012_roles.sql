-- Roles of the installation's own, besides the built-in ones. A deleted one leaves its row, so that every instance hears of the
-- deletion and versions go on counting.

CREATE TABLE roles (
    name text PRIMARY KEY,
    description text,                       -- no personal data
    scopes text NOT NULL,                   -- space separated
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    deleted_at bigint
);
CREATE INDEX roles_updated_at ON roles (updated_at);
