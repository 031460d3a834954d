-- What clients that sign people in are registered with besides.

ALTER TABLE oauth_clients ADD COLUMN resources text NOT NULL DEFAULT '';                    -- lists stand in one text, separated by spaces
ALTER TABLE oauth_clients ADD COLUMN require_pushed boolean NOT NULL DEFAULT false;
ALTER TABLE oauth_clients ADD COLUMN post_logout_redirect_uris text NOT NULL DEFAULT '';
ALTER TABLE oauth_clients ADD COLUMN backchannel_logout_uri text;
ALTER TABLE oauth_clients ADD COLUMN backchannel_logout_session_required boolean NOT NULL DEFAULT false;
