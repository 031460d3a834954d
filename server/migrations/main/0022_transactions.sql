-- Money that people write down, and the sums over it.

-- Whoever has transactions has a ledger; its row is held while one of them is written, so that the sums stay right.
CREATE TABLE transaction_ledgers (
    owner_id uuid PRIMARY KEY,
    user_id uuid REFERENCES users (id) ON DELETE SET NULL   -- the owner; null once they are erased, and the sweep takes the rest
);
CREATE INDEX transaction_ledgers_by_user ON transaction_ledgers (user_id);

CREATE TABLE transactions (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES transaction_ledgers (owner_id),
    kind text NOT NULL,                     -- income, expense
    amount bigint NOT NULL,                 -- in minor units of the currency
    currency text NOT NULL,                 -- ISO 4217
    value bigint NOT NULL,                  -- the same in ten-thousandths, to sort by
    category bytea NOT NULL,                -- blind index under the owner's key; empty without a category
    occurred_at bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    deleted_at bigint,
    version bigint NOT NULL,
    words bytea NOT NULL,                   -- blind indexes of the description's words, 12 bytes each
    content bytea NOT NULL                  -- sealed: description, category, metadata
);
CREATE INDEX transactions_by_occurred ON transactions (owner_id, occurred_at, id, deleted_at);
CREATE INDEX transactions_by_value ON transactions (owner_id, value, id, deleted_at);
CREATE INDEX transactions_by_created ON transactions (owner_id, created_at, id, deleted_at);
CREATE INDEX transactions_by_category ON transactions (owner_id, category, occurred_at, id, deleted_at);
CREATE INDEX transactions_deleted_at ON transactions (deleted_at) WHERE deleted_at IS NOT NULL;

-- Which transactions have a word in their description.
CREATE TABLE transaction_words (
    owner_id uuid NOT NULL,
    word bytea NOT NULL,                    -- blind index under the owner's key
    transaction_id uuid NOT NULL,
    PRIMARY KEY (owner_id, word, transaction_id)
);

-- What a category is called.
CREATE TABLE transaction_categories (
    owner_id uuid NOT NULL,
    category bytea NOT NULL,                -- blind index under the owner's key
    label bytea NOT NULL,                   -- sealed
    PRIMARY KEY (owner_id, category)
);

-- What transactions that are not deleted sum up to: by day, by month, and over all of them.
CREATE TABLE transaction_totals (
    owner_id uuid NOT NULL,
    span text NOT NULL,                     -- day, month, all
    start bigint NOT NULL,                  -- first instant of the day or month in UTC; 0 for all
    currency text NOT NULL,
    category bytea NOT NULL,                -- empty without a category, and for all
    income bigint NOT NULL,                 -- sums in minor units
    expense bigint NOT NULL,
    incomes bigint NOT NULL,                -- how many
    expenses bigint NOT NULL,
    PRIMARY KEY (owner_id, span, start, currency, category)
);
