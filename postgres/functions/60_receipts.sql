-- D7: receipts of messages.

-- Keeps the receipts of one webhook, in one statement. Each event is kept once, however often it comes; the rows are
-- written in the order of their ids, so that two posts with the same events never wait for each other in a circle. No
-- challenge is touched, and no lock of one taken. Returns how many were new.
create or replace function apply_receipts(
  from_provider text,
  event_ids text[],
  challenge_ids text[],
  message_ids text[],
  kinds text[],
  reasons text[],
  times text[]
) returns integer
  language sql volatile
as $$
  with written as (
    insert into receipts (
      provider, event_id, challenge_id, message_id, kind, reason, occurred_at, received_at
    )
    select from_provider, e.event_id, e.challenge_id::uuid, e.message_id, e.kind, e.reason, e.occurred_at::timestamptz,
      challenge_now()
    from unnest(event_ids, challenge_ids, message_ids, kinds, reasons, times)
      as e (event_id, challenge_id, message_id, kind, reason, occurred_at)
    order by e.event_id
    on conflict (provider, event_id) do nothing
    returning 1
  )
  select count(*)::integer from written
$$;

-- What became of the challenge's messages: 'delivered', 'failed', or null while no receipt decides it.
--
-- A message's last word is that of its latest event by the provider's clock, failed before delivered where both happened
-- in the same second (a bounce comes after the delivery). Deferrals decide nothing. A receipt without a message id (a
-- late bounce) is about the recorded message. A challenge has several messages where an answer was lost and the code
-- sent again: one that arrived is enough, and another's failure says nothing while the recorded one is on its way.
create or replace function delivery_of(c challenges) returns text
  language sql stable
as $$
  with last_words as (
    select distinct on (about.provider, about.other_message)
      about.kind, about.provider = c.provider and about.other_message is null as is_recorded
    from (
      select r.provider, r.kind, r.occurred_at,
        -- SendGrid's receipts have its message id with more behind it.
        case when r.provider is distinct from c.provider or not starts_with(r.message_id, c.provider_message_id)
          then r.message_id end as other_message
      from receipts r
      where r.challenge_id = c.challenge_id and r.kind in ('delivered', 'failed')
    ) about
    order by about.provider, about.other_message, about.occurred_at desc, about.kind desc
  )
  select case
    when bool_or(kind = 'delivered') then 'delivered'
    when c.provider is null and bool_or(kind = 'failed') then 'failed'
    when bool_or(kind = 'failed' and is_recorded) then 'failed'
  end
  from last_words
$$;
