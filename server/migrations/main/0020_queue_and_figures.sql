-- What those who run the installation ask for: dead letters in order, jobs of one kind, how many accounts are in each state.
-- No column of these is moved by what happens often (a claim, a use), so PostgreSQL goes on to update rows in place.

CREATE INDEX jobs_dead_by_id ON jobs (id) WHERE state = 'dead';
CREATE INDEX jobs_by_kind ON jobs (kind, id);
CREATE INDEX users_by_status ON users (status);
