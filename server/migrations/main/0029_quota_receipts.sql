-- What was consumed or reserved with an Idempotency-Key names the request, so that it is done once even where the answer was lost.

ALTER TABLE quota_reservations ADD COLUMN receipt uuid;
CREATE UNIQUE INDEX quota_reservations_receipt ON quota_reservations (receipt) WHERE receipt IS NOT NULL;
