-- migrate:up

-- D6: the channel that a provider refused for good. A challenge fails over once.
alter table challenges add column failed_over_from text check (failed_over_from in ('sms', 'email'));
create index receipts_failed on receipts (received_at) where kind = 'failed';

-- migrate:down
drop index receipts_failed;
alter table challenges drop column failed_over_from;
