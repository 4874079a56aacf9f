-- migrate:up

-- O4: where the start of a challenge stands in its caller's trace, so that what comes later (a verdict, a receipt) joins it.
-- Null where nothing was traced. Ids, nothing else.
alter table challenges add column traceparent text;

-- migrate:down
alter table challenges drop column traceparent;
