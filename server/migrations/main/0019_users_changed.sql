-- Who was changed, without those who are new: an import must not be read again by every poll of every instance.

CREATE INDEX users_changed ON users (updated_at) WHERE version > 1;
