-- migrate:up

-- D7: by which old receipts are found. No BRIN, though they are written in the order of time: space that was freed is used
-- again, and the ranges would soon say nothing.
create index receipts_by_age on receipts (received_at);

-- migrate:down
drop index receipts_by_age;
