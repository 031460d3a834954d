-- The development mailbox: mail that would have been sent, sealed, newest 500 kept.
-- The id is the id of the job that sent it, so that a repeated job shows one mail.
CREATE TABLE dev_mail (
    id      uuid   PRIMARY KEY,
    at      bigint NOT NULL,
    message bytea  NOT NULL
);

CREATE INDEX dev_mail_at ON dev_mail (at);
