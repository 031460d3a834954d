-- A summary whose period begins or ends within a day reads the transactions of that part of it: out of the index alone.

DROP INDEX transactions_by_occurred;
CREATE INDEX transactions_by_occurred ON transactions (owner_id, occurred_at, id, deleted_at, kind, currency, amount, category);
