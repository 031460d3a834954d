//! The SQL of the signing keys.

crate::statements! {
    /// Every key whose tokens may still be valid.
    PUBLISHED = "select kid, public_key, private_key, active_from, retired_at, expires_at, created_at from signing_keys \
        where expires_at is null or expires_at > $1";
    /// A new key; nothing when another one becomes active at the same microsecond.
    ADD = "insert into signing_keys (kid, algorithm, public_key, private_key, created_at, active_from) values ($1, 'EdDSA', $2, $3, $4, $5) \
        on conflict (active_from) do nothing";
    /// When the newest key becomes active, and when it was made.
    NEWEST = "select max(active_from), max(created_at) from signing_keys";
    /// Makes rotations wait for each other, so that each sees what the one before it published.
    HOLD = "update signing_keys set retired_at = retired_at where retired_at is null";
    /// The keys that the new one replaces.
    RETIRE = "update signing_keys set retired_at = $1, expires_at = $2 where retired_at is null and kid <> $3";
    /// One key, whatever became of it.
    FIND = "select kid, public_key, private_key, active_from, retired_at, expires_at, created_at from signing_keys where kid = $1";
    /// The private halves of keys that are withdrawn.
    FORGET = "update signing_keys set private_key = $2 where expires_at <= $1";
    /// Keys of which nothing is shown any more.
    PRUNE = "delete from signing_keys where expires_at <= $1";
    /// Only if nobody sealed it anew in the meantime.
    RESEAL = "update signing_keys set private_key = $1 where kid = $2 and private_key = $3";
}
