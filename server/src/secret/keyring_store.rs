//! The SQL of the keyring.

/// How many persons [`PERSONS`] asks for at once.
pub(super) const PERSONS_AT_ONCE: usize = 64;

crate::statements! {
    /// The wrapped installation key of a purpose.
    INSTALLATION = "select wrapped from installation_keys where purpose = $1";
    /// Keeps the first one when two instances start together.
    ADD_INSTALLATION = "insert into installation_keys (purpose, wrapped, created_at) values ($1, $2, $3) on conflict (purpose) do nothing";
    /// Every installation key, for rewrapping.
    INSTALLATIONS = "select purpose, wrapped from installation_keys";
    /// Only if nobody rewrapped it in the meantime.
    REWRAP_INSTALLATION = "update installation_keys set wrapped = $1 where purpose = $2 and wrapped = $3";
    /// A person's wrapped key.
    PERSON = "select wrapped from person_keys where person_id = $1";
    /// The wrapped keys of [`PERSONS_AT_ONCE`] persons; unused places repeat one of them.
    PERSONS = "select person_id, wrapped from person_keys where person_id in \
        ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, \
         $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, \
         $47, $48, $49, $50, $51, $52, $53, $54, $55, $56, $57, $58, $59, $60, $61, $62, $63, $64)";
    /// A new person's wrapped key.
    ADD_PERSON = "insert into person_keys (person_id, wrapped, wrapped_by, created_at) values ($1, $2, $3, $4)";
    /// Many at once ($1 is JSON: [[person, wrapped], …] in hex).
    ADD_PERSONS = "insert into person_keys (person_id, wrapped, wrapped_by, created_at)
        select unhex(value ->> 0), unhex(value ->> 1), $2, $3 from json_each($1)",
      postgres "insert into person_keys (person_id, wrapped, wrapped_by, created_at)
        select (value ->> 0)::uuid, decode(value ->> 1, 'hex'), $2, $3 from json_array_elements($1::text::json)";
    /// Erases.
    REMOVE_PERSON = "delete from person_keys where person_id = $1";
    /// A page of what one older master key wrapped.
    WRAPPED_BY = "select person_id, wrapped from person_keys where wrapped_by = $1 order by person_id limit $2";
    /// Only if nobody rewrapped or erased it in the meantime.
    REWRAP_PERSON = "update person_keys set wrapped = $1, wrapped_by = $2 where person_id = $3 and wrapped_by = $4";
    /// How many the current master key did not wrap; two ranges, so that the index answers.
    LEFT_TO_REWRAP = "select (select count(*) from person_keys where wrapped_by < $1) + (select count(*) from person_keys where wrapped_by > $1)";
    /// A page of old keys, for the sweep of keys that no account uses.
    CREATED_BEFORE = "select person_id from person_keys where person_id > $1 and created_at < $2 order by person_id limit $3";
}
