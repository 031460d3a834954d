-- The keyring: wrapped keys and nothing else. It is a store of its own, so that no backup of the
-- data holds a key and destroying a row here makes every copy of that person's data unreadable.

-- Keys of the installation itself, such as the one behind blind indexes. `wrapped` begins with the
-- id of the master key that wrapped it.
create table installation_keys (
    purpose text not null primary key,
    wrapped bytea not null,
    created_at bigint not null
);

-- One data key per person. A missing row means: erased.
create table person_keys (
    person_id uuid not null primary key,
    wrapped bytea not null,
    wrapped_by bytea not null,
    created_at bigint not null
);

-- Finds what an older master key still wraps.
create index person_keys_wrapped_by on person_keys (wrapped_by);
