-- What was refused is a small part of the trail and what is looked for most: found without reading the rest.

CREATE INDEX audit_events_denied ON audit_events (id) WHERE outcome = 'denied';
