-- migrate:up

-- D7: by which old receipts are found. They are written in the order of time, so a few ranges say where the old ones end.
create index receipts_by_age on receipts using brin (received_at);

-- migrate:down
drop index receipts_by_age;
