-- D7: receipts of messages.

-- Keeps the receipts of one webhook, in one statement. Each event is kept once, however often it comes; the rows are
-- written in the order of their ids, so that two posts with the same events never wait for each other in a circle. No
-- challenge is touched, and no lock of one taken. What is new about an SMS also says whether the number it went to can
-- be reached (R2), and one that blames our account pauses the campaign whose notice it is about (R5).
--
-- One without a reference is about the challenge that has its message; where none has, it is another sender's, and not
-- kept. One without a time happened now.
--
-- Returns {applied, ignored, failures, deliveries}: how many receipts were new, how many were another sender's, how many
-- new failures blame whom ('nobody' where that is not known), and for each that decides something about a challenge
-- {challengeId, traceparent, kind, channel, tookSeconds}, the seconds by our clock until we were told, null where the
-- receipt came before our own record of the send.
create or replace function apply_receipts(
  from_provider text,
  event_ids text[],
  message_references text[],
  message_ids text[],
  kinds text[],
  reasons text[],
  times text[],
  blamed text[] default '{}'
) returns jsonb
  language plpgsql volatile
as $$
declare
  new_receipts receipts[];
  not_ours int;
  failures jsonb;
  deliveries jsonb;
begin
  with said as (
    select e.*, coalesce(e.reference::uuid, of_message.challenge_id) as about
    from unnest(event_ids, message_references, message_ids, kinds, reasons, times, blamed)
      as e (event_id, reference, message_id, kind, reason, occurred_at, blames)
    left join lateral (
      select c.challenge_id from challenges c
      where e.reference is null and c.provider = from_provider
        and c.provider_message_id = any (message_id_beginnings(e.message_id))
      limit 1
    ) of_message on true
  ),
  written as (
    insert into receipts (
      provider, event_id, reference, message_id, kind, reason, occurred_at, received_at, blames
    )
    select from_provider, event_id, about, message_id, kind, reason,
      coalesce(occurred_at::timestamptz, challenge_now()), challenge_now(), blames
    from said
    where about is not null
    order by event_id
    on conflict (provider, event_id) do nothing
    returning receipts as receipt
  )
  select (select array_agg(receipt) from written), (select count(*) from said where about is null)
    into new_receipts, not_ours;
  if from_provider = 'vonage' and new_receipts is not null then
    perform pause_for_receipts(from_provider, new_receipts);
    perform note_deliveries(new_receipts);
    perform note_reachability(new_receipts);
  end if;
  select jsonb_object_agg(whom, number) into failures
  from (
    select coalesce(blames, 'nobody') as whom, count(*) as number
    from unnest(new_receipts) where kind = 'failed' group by 1
  ) counted;
  select jsonb_agg(jsonb_build_object(
      'challengeId', c.challenge_id, 'traceparent', c.traceparent, 'kind', r.kind, 'channel', c.channel,
      'tookSeconds', extract(epoch from r.received_at - c.sent_at)::float8))
    into deliveries
  from unnest(new_receipts) r join challenges c on c.challenge_id = r.reference
  where r.kind in ('delivered', 'failed') and c.channel is not null;
  return jsonb_build_object(
    'applied', coalesce(cardinality(new_receipts), 0), 'ignored', not_ours, 'failures', coalesce(failures, '{}'),
    'deliveries', coalesce(deliveries, '[]'));
end
$$;

-- SendGrid's receipts have the id of the message with more behind it, from a full stop on: all that it may be.
create or replace function message_id_beginnings(id text) returns text[]
  language sql immutable
as $$
  select array_agg(array_to_string(parts[:n], '.'))
  from (select string_to_array(id, '.') as parts) split, generate_series(1, cardinality(parts)) n
$$;

-- R5: the provider took a notice, and said later that it refuses our account.
create or replace function pause_for_receipts(from_provider text, new_receipts receipts[]) returns void
  language plpgsql volatile
as $$
begin
  perform pause_for_account(refused.campaign_id, from_provider, refused.at)
  from (
    select c.campaign_id, max(r.occurred_at) as at
    from unnest(new_receipts) r
    join campaign_notices n on n.notice_id = r.reference
    join campaigns c on c.campaign_id = n.campaign_id and c.state = 'running'
    where r.blames = 'account' group by c.campaign_id
  ) refused;
end
$$;

-- R4, R5: an announcement's last word, failed before delivered in the same second.
create or replace function note_deliveries(new_receipts receipts[]) returns void
  language sql volatile
as $$
  update campaign_notices n
  set delivery = word.kind, delivery_at = word.occurred_at
  from (
    select distinct on (reference) reference, kind, occurred_at
    from unnest(new_receipts) where kind in ('delivered', 'failed')
    order by reference, occurred_at desc, kind desc
  ) word
  where n.notice_id = word.reference and n.kind = 'announcement'
    and (n.delivery_at is null or (word.occurred_at, word.kind) > (n.delivery_at, n.delivery))
$$;

-- R2: what receipts of SMS say of the numbers that members have now; a number that was replaced is nobody's any more.
-- A failure says something of the number only where it blames it: not what our sender, our account or the network is to
-- blame for.
-- A member whose number went dead, or came back, is one that changed (M4).
create or replace function note_reachability(new_receipts receipts[]) returns void
  language plpgsql volatile
as $$
declare
  noted text[];
begin
  with words as (
    select to_whom.member_id, to_whom.phone,
      max(r.occurred_at) filter (where r.kind = 'delivered') as delivered_at,
      max(r.occurred_at) filter (where r.kind = 'failed') as failed_at
    from unnest(new_receipts) r
    cross join lateral (
      select o.member_id, case when o.channel = 'sms' then o.destination else effective_phone(m, d) end as phone
      from challenges o join members m on m.member_id = o.member_id
      left join destinations d on d.member_id = m.member_id
      where o.challenge_id = r.reference and 'sms' in (o.channel, o.failed_over_from)
      union all
      select n.member_id, cm.phone
      from campaign_notices n
      join campaign_members cm on cm.campaign_id = n.campaign_id and cm.member_id = n.member_id and cm.round = n.round
      where n.notice_id = r.reference and n.kind = 'announcement'
    ) to_whom
    where r.kind = 'delivered' or (r.kind = 'failed' and r.blames = 'destination')
    group by to_whom.member_id, to_whom.phone
  ),
  written as (
    insert into reachability as stands (member_id, phone, delivered_at, failed_at)
    select w.member_id, w.phone, w.delivered_at, w.failed_at
    from words w join members m on m.member_id = w.member_id
    left join destinations d on d.member_id = m.member_id
    where effective_phone(m, d) = w.phone
    order by w.member_id
    on conflict (member_id) do update set
      phone = excluded.phone,
      delivered_at = case when stands.phone = excluded.phone
        then greatest(stands.delivered_at, excluded.delivered_at) else excluded.delivered_at end,
      failed_at = case when stands.phone = excluded.phone
        then greatest(stands.failed_at, excluded.failed_at) else excluded.failed_at end
    returning member_id, failed_at
  )
  select array_agg(member_id) filter (where failed_at is not null) into noted from written;
  if noted is not null and exists (select from campaigns where state in ('running', 'paused')) then
    insert into campaign_queue (member_id) select unnest(noted);
  end if;
end
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
      where r.reference = c.challenge_id and r.kind in ('delivered', 'failed')
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
