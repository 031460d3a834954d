-- Sessions in which an administrator acts as somebody else. They have a parent, the administrator's own session.

ALTER TABLE sessions ADD COLUMN impersonator_id uuid;   -- the administrator; null: the person themselves

CREATE INDEX sessions_impersonated ON sessions (impersonator_id) WHERE impersonator_id IS NOT NULL AND ended_at IS NULL;
