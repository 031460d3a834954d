-- Ed25519 keys that sign access tokens. `private_key` is sealed under the master key.
--
-- A key signs from `active_from` on, until a newer key's `active_from`. `retired_at` is that moment
-- once it is known, and `expires_at` the end of the last token it can have signed; then the key
-- leaves the published set. The very first key has `active_from` 0: the unique column lets exactly
-- one of several instances that start together create it.
create table signing_keys (
    kid text not null primary key,
    algorithm text not null,
    public_key bytea not null,
    private_key bytea not null,
    created_at bigint not null,
    active_from bigint not null unique,
    retired_at bigint,
    expires_at bigint
);
