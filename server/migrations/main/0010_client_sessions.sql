-- Sessions that a person opened for an OAuth client: what was granted, and how it is bound.

ALTER TABLE sessions ADD COLUMN scope text;             -- granted scopes, separated by spaces; null: a sign-in of the person's own
ALTER TABLE sessions ADD COLUMN resources text;         -- audiences of its access tokens (RFC 8707), separated by spaces; null: this server
ALTER TABLE sessions ADD COLUMN auth_time bigint;       -- when the person proved who they are; null: when the session was opened
ALTER TABLE sessions ADD COLUMN amr text;               -- how (RFC 8176), separated by spaces
ALTER TABLE sessions ADD COLUMN dpop_jkt text;          -- thumbprint of the key its refresh tokens are bound to (RFC 9449)
ALTER TABLE sessions ADD COLUMN parent_id uuid;         -- the session it was authorised from, with which it ends

CREATE INDEX sessions_open_by_parent ON sessions (parent_id) WHERE parent_id IS NOT NULL AND ended_at IS NULL;
