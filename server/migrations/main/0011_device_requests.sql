-- Devices that ask to be signed in (RFC 8628). A row lives for minutes: until its codes have expired.

CREATE TABLE oauth_device_requests (
    id uuid PRIMARY KEY,
    device_hash bytea NOT NULL,             -- keyed hash of what the device polls with
    user_hash bytea NOT NULL,               -- keyed hash of what the person types
    client_id text NOT NULL,
    holder bytea NOT NULL,                  -- keyed hash of whose open requests are counted: an address, or a client that proved itself
    scopes text NOT NULL,                   -- separated by spaces
    origin bytea NOT NULL,                  -- address and user agent, sealed by the installation: nobody is known yet
    state text NOT NULL,                    -- pending, approved, denied, used
    user_id uuid,                           -- who decided
    session_id uuid,                        -- the session they decided in; an approval is void once that has ended
    decided_at bigint,
    poll_interval bigint NOT NULL,          -- in microseconds; grows when the device polls too fast
    last_polled_at bigint,
    slowed boolean NOT NULL,                -- the last poll came too early
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE UNIQUE INDEX oauth_device_requests_device_hash ON oauth_device_requests (device_hash);
CREATE UNIQUE INDEX oauth_device_requests_user_hash ON oauth_device_requests (user_hash);
CREATE INDEX oauth_device_requests_holder ON oauth_device_requests (holder, expires_at);
CREATE INDEX oauth_device_requests_expires_at ON oauth_device_requests (expires_at);
