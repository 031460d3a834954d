-- Since when an account is in force: its address was confirmed, or whoever runs the installation made or opened it. Null for a
-- sign-up that nobody has confirmed. What somebody types into another sign-up with the address only ever replaces the latter.

ALTER TABLE users ADD COLUMN established_at bigint;
UPDATE users SET established_at = created_at WHERE status <> 'pending' OR roles <> 'user' OR last_active_at IS NOT NULL;
DROP INDEX users_pending;
CREATE INDEX users_unconfirmed ON users (created_at) WHERE status = 'pending' AND established_at IS NULL;
