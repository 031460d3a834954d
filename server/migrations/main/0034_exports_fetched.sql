-- By what a file was fetched last, so that fetching it part by part is on record once and not for every part.
ALTER TABLE exports ADD COLUMN fetched_at bigint;
ALTER TABLE exports ADD COLUMN fetched_by uuid;                 -- the session or the token

-- Exports that were ended while they were written, and whose parts the sweep is still to delete.
CREATE INDEX exports_outdated ON exports (expires_at) WHERE status = 'failed' AND expires_at IS NOT NULL;
