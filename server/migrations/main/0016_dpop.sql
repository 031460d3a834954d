-- Clients that get no access token but one that is bound to a key (RFC 9449).

ALTER TABLE oauth_clients ADD COLUMN dpop_bound boolean NOT NULL DEFAULT false;
