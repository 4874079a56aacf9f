-- migrate:up

-- D6: the channel that a provider refused for good. A challenge fails over once.
alter table challenges add column failed_over_from text check (failed_over_from in ('sms', 'email'));

-- migrate:down
alter table challenges drop column failed_over_from;
