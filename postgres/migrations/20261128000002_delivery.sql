-- migrate:up

-- D7: what the providers say later about messages, each of their events once. Only ever added to: what became of a
-- message follows from its receipts whatever their order (`delivery_of`), so that one may come before our own record of
-- the send, or for a challenge that is not known. Nothing personal stands here.
create table receipts (
  provider text not null check (provider in ('sendgrid', 'vonage')),
  event_id text not null,            -- SendGrid's sg_event_id; for Vonage message, status and time
  reference uuid not null,           -- the message's: the id of a challenge or a notice; no foreign key, since none is lost
  message_id text,                   -- the provider's; SendGrid leaves it out of a late bounce
  kind text not null check (kind in ('accepted', 'deferred', 'delivered', 'failed')),
  reason text,                       -- a short code, never a provider's own words
  occurred_at timestamptz not null,  -- by the provider's clock
  received_at timestamptz not null,
  primary key (provider, event_id)
);
create index receipts_by_reference on receipts (reference) where kind in ('delivered', 'failed');
create index receipts_failed on receipts (received_at) where kind = 'failed';
-- By which old receipts are found. No BRIN, though they are written in the order of time: space that was freed is used
-- again, and the ranges would soon say nothing.
create index receipts_by_age on receipts (received_at);

-- D6, D8: what all workers know together of a provider, a row each. Deleting a row forgets it: the provider is then
-- called as if nothing had been. Written while a rate is configured, and when a provider refuses.
create table provider_pace (
  provider text primary key check (provider in ('sendgrid', 'vonage')),
  next_slot_at timestamptz,          -- the rate: when the next request would be due if all came evenly (GCRA)
  limited_until timestamptz,         -- a 429: nobody calls before
  failures integer not null default 0, -- temporary ones in a row
  next_probe_at timestamptz,         -- while there are too many: whoever comes after it tries, the others wait
  recovered_at timestamptz           -- an answer ended the failures; requests that began before it tell nothing new
);

-- migrate:down
drop table provider_pace, receipts;
