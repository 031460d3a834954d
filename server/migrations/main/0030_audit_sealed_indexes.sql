-- Whoever acts pays for the record of it: an event enters these three when it is sealed, five hundred at a time, instead of
-- alone and in a leaf of its own each. Those few that wait for their place are found by audit_events_unsealed.

DROP INDEX audit_events_by_actor;
DROP INDEX audit_events_by_target;
DROP INDEX audit_events_by_action;
CREATE INDEX audit_events_by_actor ON audit_events (actor_id, id) WHERE seq IS NOT NULL;
CREATE INDEX audit_events_by_target ON audit_events (target_id, id) WHERE seq IS NOT NULL;
CREATE INDEX audit_events_by_action ON audit_events (action, id) WHERE seq IS NOT NULL;
