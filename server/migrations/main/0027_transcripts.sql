-- What is said in voice sessions, as it is relayed: one row a segment, in the state it has now.

-- One row a voice session: whoever adds to its transcript holds it until the commit, so that positions become visible in their order.
CREATE TABLE transcripts (
    voice_session_id uuid PRIMARY KEY REFERENCES voice_sessions (id) ON DELETE CASCADE,
    position bigint NOT NULL,               -- the highest that was given
    last_at bigint NOT NULL                 -- when something was posted last
);
CREATE INDEX transcripts_last_at ON transcripts (last_at);

CREATE TABLE transcript_segments (
    voice_session_id uuid NOT NULL REFERENCES transcripts (voice_session_id) ON DELETE CASCADE,
    seq bigint NOT NULL,                    -- its place, as its sender counts
    position bigint NOT NULL,               -- the number of its last change, from which listeners go on
    is_final boolean NOT NULL,              -- it never changes any more
    start_ms bigint NOT NULL,
    end_ms bigint NOT NULL,
    content bytea NOT NULL,                 -- sealed by the owner of the voice session: speaker and text
    received_at bigint NOT NULL,            -- when this state of it came
    PRIMARY KEY (voice_session_id, seq)
);
CREATE UNIQUE INDEX transcript_segments_position ON transcript_segments (voice_session_id, position);
