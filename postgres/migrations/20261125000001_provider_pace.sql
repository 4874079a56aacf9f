-- migrate:up

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
drop table provider_pace;
