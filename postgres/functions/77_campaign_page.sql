-- R6, O3: what operators are shown of campaigns. Nothing here changes anything.

-- Every campaign, the newest first.
create or replace function list_campaigns() returns jsonb
  language sql stable
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'campaignId', campaign_id, 'state', state, 'pauseReason', pause_reason, 'startedAt', started_at, 'endedAt', ended_at,
    'wave', (select max(wave) from campaign_waves w where w.campaign_id = c.campaign_id and opened_at is not null),
    'waves', (select count(*) from campaign_waves w where w.campaign_id = c.campaign_id)
  ) order by started_at desc), '[]')
  from campaigns c
$$;

-- Where a campaign stands, with its plan and the newest entries of its log. Null for an unknown one.
create or replace function campaign_report(campaign text, most_entries int) returns jsonb
  language sql stable
as $$
  select campaign_status(campaign) || jsonb_build_object(
    'plan', plan,
    'logEntries', (select count(*) from campaign_log where campaign_id = campaign),
    'log', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'at', at, 'event', event, 'by', by_whom, 'claimed', claimed, 'why', why, 'data', data) order by id desc), '[]')
      from (select * from campaign_log where campaign_id = campaign order by id desc limit most_entries) newest))
  from campaigns where campaign_id = campaign
$$;

-- Where one member stands in a campaign, and since when; no destination. A member whom it has not taken yet has the wave
-- of their cohort, and no state. Null where the campaign is unknown; `member` null where the member is.
-- rules: adultAge, smsCountries, smsRefusedPrefixes
create or replace function campaign_member(campaign text, member text, rules jsonb) returns jsonb
  language sql stable
as $$
  select jsonb_build_object('member', (
    select jsonb_build_object(
      'campaignId', campaign, 'memberId', member,
      'wave', coalesce(cm.wave, (select wave from campaign_waves w where w.campaign_id = campaign
        and cohort(campaign, member) >= w.from_cohort and cohort(campaign, member) < w.to_cohort)),
      'state', cm.state, 'reason', cm.reason, 'takenAt', cm.taken_at, 'announcedAt', cm.announced_at,
      'enforceAt', cm.enforce_at, 'enforcedAt', cm.enforced_at, 'releasedAt', cm.released_at,
      'reconsiderAt', cm.reconsider_at,
      'isSmsMandatory', coalesce(sms_mandatory(m, rules, true), false),
      'exemption', (
        select jsonb_build_object('until', x.until, 'by', x.by_whom, 'claimed', x.claimed, 'why', x.why, 'at', x.created_at)
        from exemptions x where x.member_id = member and x.until > challenge_now()),
      'notices', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'kind', n.kind, 'state', n.state, 'channel', n.channel, 'acceptedAt', n.accepted_at,
          'delivery', (select r.kind from receipts r where r.reference = n.notice_id and r.kind in ('delivered', 'failed')
            order by r.occurred_at desc, r.kind desc limit 1)) order by n.due_at), '[]')
        from campaign_notices n where n.campaign_id = campaign and n.member_id = member))
    from (select) one
    left join members m on m.member_id = member and m.status <> 'erased'
    left join campaign_members cm on cm.campaign_id = campaign and cm.member_id = member
    where m.member_id is not null or cm.member_id is not null))
  from campaigns where campaign_id = campaign
$$;

-- The name of a carrier, of those that can be one: an event may hold any text there.
create or replace function carrier_word(carrier text) returns text
  language sql immutable parallel safe
as $$
  select case
    when carrier is null then 'unknown'
    when lower(carrier) ~ '^[a-z][a-z _-]{0,19}$' then lower(carrier)
    else 'other'
  end
$$;

-- What the page draws: at most `points` samples of the members by state over time, and what became of announcements and
-- of the enforced members' SMS challenges, by wave and by carrier. Reads everything that a campaign has sent.
-- Returns {history: [{at, counts}], rates: [{wave} | {carrier} and messages, sendFailures, delivered, negativeReceipts,
-- challenges, verified]}.
create or replace function campaign_figures(campaign text, points int) returns jsonb
  language sql stable
as $$
  with announcements as (
    select n.wave, n.state, n.delivery, carrier_word(effective_carrier(m, d)) as carrier
    from campaign_notices n left join members m on m.member_id = n.member_id
    left join destinations d on d.member_id = n.member_id
    where n.campaign_id = campaign and n.kind = 'announcement' and n.state in ('accepted', 'refused')
  ),
  messages as (
    select wave, carrier, count(*) as sent, count(*) filter (where state = 'refused') as refused,
      count(*) filter (where delivery = 'delivered') as delivered, count(*) filter (where delivery = 'failed') as failed
    from announcements
    group by grouping sets ((wave), (carrier))
  ),
  challenged as (
    select cm.wave, carrier_word(effective_carrier(m, d)) as carrier, count(*) as challenges,
      count(*) filter (where o.outcome = 'verified') as verified
    from campaign_members cm
    join challenges o on was_enforced_at(cm, o.send_began_at) and o.member_id = cm.member_id and o.channel = 'sms'
      and o.outcome in ('verified', 'expired', 'attempts_exhausted', 'undeliverable')
    left join members m on m.member_id = cm.member_id
    left join destinations d on d.member_id = cm.member_id
    where cm.campaign_id = campaign and cm.enforced_at is not null
    group by grouping sets ((cm.wave), (carrier_word(effective_carrier(m, d))))
  ),
  rates as (
    select wave, carrier, sum(sent) as sent, sum(refused) as refused, sum(delivered) as delivered, sum(failed) as failed,
      sum(challenges) as challenges, sum(verified) as verified
    from (
      select wave, carrier, sent, refused, delivered, failed, 0 as challenges, 0 as verified from messages
      union all
      select wave, carrier, 0, 0, 0, 0, challenges, verified from challenged
    ) counted
    group by wave, carrier
  ),
  span as (
    select min(at) as began, greatest(extract(epoch from max(at) - min(at)) / points, 0.001) as seconds
    from campaign_history where campaign_id = campaign
  ),
  history as (
    select distinct on (floor(extract(epoch from h.at - s.began) / s.seconds)) h.at, h.counts
    from campaign_history h cross join span s where h.campaign_id = campaign
    order by floor(extract(epoch from h.at - s.began) / s.seconds), h.at desc
  )
  select jsonb_build_object(
    'history', (select coalesce(jsonb_agg(jsonb_build_object('at', at, 'counts', counts) order by at), '[]') from history),
    'rates', (select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
      'wave', wave, 'carrier', carrier, 'messages', sent, 'sendFailures', refused, 'delivered', delivered,
      'negativeReceipts', failed, 'challenges', challenges, 'verified', verified)) order by wave, sent desc), '[]') from rates))
$$;
