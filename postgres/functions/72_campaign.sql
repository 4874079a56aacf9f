-- R: a campaign from its start to its end. Every function that changes one holds its row, so what an operator said is
-- true for the next batch (R6).
--
-- rules: adultAge, smsCountries, smsRefusedPrefixes, enforceAfterSeconds, leaseSeconds, mostTries
-- plan:  {ratePerMinute, quietHours: {from, to} | null, waves: [{percent, ratePerMinute?, bakeSeconds, gate}]}
-- gate:  {maxSendFailurePercent, maxNegativeReceiptPercent, minVerifiedPercent, minMessages, minChallenges}
--
-- `enable_seqscan = off`, here and in what follows, and `= any(array)` rather than a join: to its statistics a table that has just
-- grown is still empty, and would be read whole for every batch. `enable_sort = off`: what is due comes by the index of
-- that order, for the same reason.

-- An entry in the log, and the event that tells of it (U4).
create or replace function log_campaign(
  campaign text, new_event text, who text, is_claimed boolean, reason text, details jsonb, command text, at timestamptz
) returns void
  language plpgsql volatile
as $$
begin
  insert into campaign_log (campaign_id, at, event, by_whom, claimed, why, data, command_id)
  values (campaign, at, new_event, who, is_claimed, reason, details, command);
  insert into outbox (type, subject, data, occurred_at)
  values ('otp.campaign.' || new_event, campaign, jsonb_strip_nulls(jsonb_build_object(
    'campaignId', campaign, 'by', who, 'claimed', case when is_claimed then true end,
    -- Why one member was exempted is theirs: it stays here, where it is erased with them.
    'why', case when details->>'memberId' is null then reason end)) ||
    coalesce(details, '{}'), at);
  perform pg_notify('outbox', '');
end
$$;

-- Any number that nothing else in this database locks. Shared by whoever writes members, exclusive at a campaign's start:
-- a change is either seen when the waves are drawn, or stands in the queue.
create or replace function campaign_start_lock() returns bigint language sql immutable as $$ select 7019604207 $$;

-- Returns 'started', 'existing' (the same plan), 'other_plan' (this id has another one) or 'other_campaign' (one stands).
create or replace function start_campaign(campaign text, new_plan jsonb, who text, is_claimed boolean) returns text
  language plpgsql volatile
as $$
declare
  at timestamptz;
begin
  perform pg_advisory_xact_lock(campaign_start_lock());
  at := challenge_now();
  if exists (select from campaigns where campaign_id = campaign) then
    return (select case when plan = new_plan then 'existing' else 'other_plan' end
      from campaigns where campaign_id = campaign);
  -- Also one that is being rolled back: what it takes back must not count as enrolled.
  elsif exists (select from campaigns where ended_at is null) then
    return 'other_campaign';
  end if;
  insert into campaigns (campaign_id, plan, state, rate_per_minute, paced_until, started_at)
  values (campaign, new_plan, 'running', (new_plan->>'ratePerMinute')::int, at, at);
  insert into campaign_waves (campaign_id, wave, from_cohort, to_cohort)
  select campaign, n, coalesce(lag(upto) over (order by n), 0), upto
  from (
    select ordinality as n, round((wave->>'percent')::numeric * 100)::int as upto
    from jsonb_array_elements(new_plan->'waves') with ordinality as w (wave, ordinality)
  ) steps;
  perform log_campaign(campaign, 'started', who, is_claimed, null, null, null, at);
  return 'started';
end
$$;

-- C13: a start with an idempotency key. The same request under it is answered as the first time; a start that was refused
-- leaves the key free. Returns what `start_campaign` does, or 'idempotency_key_reused'.
create or replace function start_campaign_once(
  campaign text, new_plan jsonb, who text, is_claimed boolean, request_key text, request_hash text
) returns text
  language plpgsql volatile
as $$
declare
  claim request_keys := claim_request_key(request_key, request_hash);
  started text;
begin
  if claim.request_hash <> start_campaign_once.request_hash then
    return 'idempotency_key_reused';
  elsif claim.answer is not null then
    return claim.answer #>> '{}';
  end if;
  started := start_campaign(campaign, new_plan, who, is_claimed);
  perform settle_request_key(request_key, case when started in ('started', 'existing') then to_jsonb(started) end);
  return started;
end
$$;

create or replace function open_wave(campaign text, number int) returns void
  language plpgsql volatile
as $$
declare
  c campaigns;
  at timestamptz;
begin
  select * into c from campaigns where campaign_id = campaign for update;
  at := challenge_now();
  -- A workflow that was started again may come here for a campaign that was aborted meanwhile.
  update campaign_waves set opened_at = at
  where campaign_id = campaign and wave = number and opened_at is null and c.state in ('running', 'paused');
  if found then
    update campaigns
    set rate_per_minute = coalesce((plan->'waves'->(number - 1)->>'ratePerMinute')::int, rate_per_minute)
    where campaign_id = campaign;
    perform log_campaign(campaign, 'wave_opened', 'campaign', false, null, jsonb_build_object('wave', number), null, at);
  end if;
end
$$;

-- When the campaign may go on: now, or at the end of the quiet hours; null while it does not run.
create or replace function campaign_may_act_at(c campaigns, at timestamptz) returns timestamptz
  language sql stable
as $$
  select after_quiet_hours(at, c.plan->'quietHours') where c.state = 'running'
$$;

-- One batch of decisions: changed members first, then dates that have come, then the next members of the open wave, each as
-- far as there is room. Changed members leave a quarter of it to what has a date or a wave, however many go on changing.
-- Returns how many members it looked at, or null where there is nothing to do now.
create or replace function campaign_step(campaign text, most int, rules jsonb) returns integer
  language plpgsql volatile
  set enable_seqscan = off
  set enable_sort = off
as $$
declare
  c campaigns;
  w campaign_waves;
  at timestamptz;
  ids text[];
  page text[] := '{}';
  room int;
  is_drawing boolean := false;
begin
  select * into c from campaigns where campaign_id = campaign for update;
  at := challenge_now();
  if campaign_may_act_at(c, at) is distinct from at then
    return null;
  end if;

  with taken as (
    delete from campaign_queue
    where id = any(array(
      select id from campaign_queue order by id limit greatest(most * 3 / 4, 1) for update skip locked))
    returning member_id
  )
  select coalesce(array_agg(member_id), '{}') into ids from taken;
  room := greatest(most - cardinality(ids), 1);
  ids := ids || array(
    (select member_id from campaign_members
      where campaign_id = campaign and state = 'announced' and enforce_at <= at order by enforce_at limit room)
    union
    (select member_id from campaign_members
      where campaign_id = campaign and reconsider_at <= at order by reconsider_at limit room));

  room := most - cardinality(ids);
  if room > 0 then
    select * into w from campaign_waves
    where campaign_id = campaign and opened_at is not null and drawn_at is null order by wave limit 1;
    is_drawing := found;
  end if;
  if is_drawing then
    -- As many members as hold about `room` of this wave.
    page := array(
      select member_id from members where member_id > w.cursor order by member_id
      limit least(room * 10000 / (w.to_cohort - w.from_cohort), room * 10));
    update campaign_waves
    set cursor = coalesce(page[cardinality(page)], cursor), drawn_at = case when cardinality(page) = 0 then at end
    where campaign_id = campaign and wave = w.wave;
    if cardinality(page) = 0 then
      perform log_campaign(campaign, 'wave_drawn', 'campaign', false, null, jsonb_build_object('wave', w.wave), null, at);
    end if;
  end if;
  if cardinality(ids) = 0 and not is_drawing then
    return null;
  end if;
  perform consider(campaign, ids || array(
    select id from unnest(page) id
    where width_bucket(cohort(campaign, id), array[w.from_cohort, w.to_cohort]) = 1), rules);
  return cardinality(ids) + cardinality(page);
end
$$;

-- What comes next: state, phase, wave, and how long there is nothing to do. By index alone, so that it may be asked after
-- every batch, however many members there are. Null for an unknown campaign.
create or replace function campaign_outlook(campaign text) returns jsonb
  language plpgsql stable
  set enable_seqscan = off
as $$
declare
  c campaigns;
  w campaign_waves;
  at timestamptz := challenge_now();
  phase text;
  next_at timestamptz;
begin
  select * into c from campaigns where campaign_id = campaign;
  if not found then
    return null;
  end if;
  select * into w from campaign_waves
  where campaign_id = campaign and opened_at is not null order by wave desc limit 1;
  phase := case
    when c.ended_at is not null then 'ended'
    when c.state = 'aborted' then 'rolling_back'
    when w.wave is null then 'starting'
    when w.drawn_at is null then 'drawing'
    when w.passed_at is not null
      and not exists (select from campaign_waves where campaign_id = campaign and passed_at is null) then 'standing'
    when w.passed_at is not null then 'passed'
    when w.bake_until is not null and w.bake_until <= at then 'baked'
    when w.bake_until is not null then 'baking'
    when exists (select from campaign_notices where campaign_id = campaign and wave = w.wave and state in ('due', 'sending'))
      then 'announcing'
    else 'announced'
  end;
  next_at := least(
    case when exists (select from campaign_queue) or (w.opened_at is not null and w.drawn_at is null) then at end,
    (select min(enforce_at) from campaign_members where campaign_id = campaign and state = 'announced'),
    (select min(reconsider_at) from campaign_members where campaign_id = campaign and reconsider_at is not null),
    -- greatest() passes over nulls.
    (select case when min(due_at) is not null then
        greatest(min(due_at), c.paced_until + make_interval(secs => 60.0 / nullif(c.rate_per_minute, 0))) end
      from campaign_notices where campaign_id = campaign and state in ('due', 'sending')),
    case when w.passed_at is null then w.bake_until end);
  if next_at is not null then
    next_at := greatest(next_at, campaign_may_act_at(c, at));
  end if;
  return jsonb_build_object(
    'state', c.state, 'phase', phase, 'wave', w.wave,
    -- Null while it does not run or nothing has a date.
    'idleMs', case when c.state = 'running' and next_at is not null
      then greatest(ceil(extract(epoch from next_at - at) * 1000), 0) end);
end
$$;

-- Where a campaign stands: for its workflow, the API, the CLI and the page. Null for an unknown one. Counts all members.
create or replace function campaign_status(campaign text) returns jsonb
  language sql stable
as $$
  select campaign_outlook(campaign) || jsonb_build_object(
    'campaignId', campaign, 'pauseReason', c.pause_reason,
    'ratePerMinute', c.rate_per_minute, 'quietHours', c.plan->'quietHours',
    'startedAt', c.started_at, 'endedAt', c.ended_at,
    'changedMembers', (select count(*) from campaign_queue),
    'counts', (select coalesce(jsonb_agg(jsonb_build_object('wave', wave, 'state', state, 'reason', reason, 'members', n)), '[]')
      from (
        select wave, state, reason, count(*) as n from campaign_members where campaign_id = campaign
        group by wave, state, reason order by wave, state, reason) g),
    'notices', (select coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'state', state, 'notices', n)), '[]') from (
      select kind, state, count(*) as n from campaign_notices where campaign_id = campaign group by kind, state
      order by kind, state) g),
    'waves', (select jsonb_agg(jsonb_build_object(
        'wave', wave, 'percent', to_cohort / 100.0, 'openedAt', opened_at, 'drawnAt', drawn_at, 'bakeUntil', bake_until,
        'passedAt', passed_at, 'verdict', verdict) order by wave)
      from campaign_waves where campaign_id = campaign))
  from campaigns c where c.campaign_id = campaign
$$;

-- What the page draws over time: a sample, at most one every `every_seconds`, and one in a two-thousandth of the campaign's
-- age: under twenty thousand in a year.
create or replace function sample_campaign(campaign text, every_seconds float8) returns void
  language sql volatile
as $$
  insert into campaign_history (campaign_id, at, counts)
  select campaign, challenge_now(), jsonb_object_agg(state, n)
  from (select state, count(*) as n from campaign_members where campaign_id = campaign group by state) g
  where not exists (
    select from campaign_history h
    where h.campaign_id = campaign and h.at > challenge_now() - greatest(
      make_interval(secs => every_seconds),
      (select challenge_now() - c.started_at from campaigns c where c.campaign_id = campaign) / 2000))
  having count(*) > 0
  on conflict do nothing
$$;
