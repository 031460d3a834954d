-- First answers with some of their headers, sealed by the person who got them; `answer` stays for what the version before keeps.

ALTER TABLE idempotency_keys ADD COLUMN reply bytea;
-- Nobody knows whether the first request was carried out, and sending it again does no harm: the same body may be tried again at once.
ALTER TABLE idempotency_keys ADD COLUMN loose boolean NOT NULL DEFAULT FALSE;
