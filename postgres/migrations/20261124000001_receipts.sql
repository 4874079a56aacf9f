-- migrate:up

-- D7: what the providers say later about messages, each of their events once. Only ever added to: what became of a
-- message follows from its receipts whatever their order (`delivery_of`), so that one may come before our own record of
-- the send, or for a challenge that is not known. Nothing personal stands here.
create table receipts (
  provider text not null check (provider in ('sendgrid', 'vonage')),
  event_id text not null,            -- SendGrid's sg_event_id; for Vonage message, status and time
  challenge_id uuid not null,        -- our reference, which the message carried; no foreign key, since none is lost
  message_id text,                   -- the provider's; SendGrid leaves it out of a late bounce
  kind text not null check (kind in ('accepted', 'deferred', 'delivered', 'failed')),
  reason text,                       -- a short code, never a provider's own words
  occurred_at timestamptz not null,  -- by the provider's clock
  received_at timestamptz not null,
  primary key (provider, event_id)
);
create index receipts_by_challenge on receipts (challenge_id) where kind in ('delivered', 'failed');

-- migrate:down
drop table receipts;
