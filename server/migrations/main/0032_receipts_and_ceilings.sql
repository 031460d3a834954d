-- A transaction that was written down with an Idempotency-Key names the request, so that it is written once even where the answer was lost.

ALTER TABLE transactions ADD COLUMN receipt uuid;
CREATE UNIQUE INDEX transactions_receipt ON transactions (owner_id, receipt) WHERE receipt IS NOT NULL;

-- How much there is of what one account may store without end: counted where it is written, under the lock that its writer holds anyway.

ALTER TABLE transaction_ledgers ADD COLUMN held bigint NOT NULL DEFAULT 0;      -- transactions, deleted ones that can be restored too
UPDATE transaction_ledgers SET held = (SELECT count(*) FROM transactions WHERE transactions.owner_id = transaction_ledgers.owner_id);

ALTER TABLE transcripts ADD COLUMN segments bigint NOT NULL DEFAULT 0;
ALTER TABLE transcripts ADD COLUMN bytes bigint NOT NULL DEFAULT 0;             -- of their sealed contents
