-- R: a campaign from its start to its end. Every function that changes one holds its row, so what an operator said is
-- true for the next batch (R6).
--
-- rules: adultAge, smsCountries, smsRefusedPrefixes, enforceAfterSeconds, leaseSeconds, mostTries
-- plan:  {ratePerMinute, quietHours: {from, to} | null, waves: [{percent, ratePerMinute?, bakeSeconds, gate}]}
-- gate:  {maxSendFailurePercent, maxNegativeReceiptPercent, minVerifiedPercent, minMessages, minChallenges}

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
    'campaignId', campaign, 'by', who, 'claimed', case when is_claimed then true end, 'why', reason)) ||
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
  elsif exists (select from campaigns where state in ('running', 'paused')) then
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

-- `enable_seqscan = off`, here and below, and `= any(array)` rather than a join: to its statistics a table that has just
-- grown is still empty, and would be read whole for every batch. `enable_sort = off`: what is due comes by the index of
-- that order, for the same reason.

-- One batch of decisions: changed members first, then dates that have come, then the next members of the open wave.
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
  page text[];
begin
  select * into c from campaigns where campaign_id = campaign for update;
  at := challenge_now();
  if campaign_may_act_at(c, at) is distinct from at then
    return null;
  end if;

  with taken as (
    delete from campaign_queue
    where id = any(array(select id from campaign_queue order by id limit most for update skip locked))
    returning member_id
  )
  select array_agg(member_id) into ids from taken;
  if ids is null then
    ids := array(
      (select member_id from campaign_members
        where campaign_id = campaign and state = 'announced' and enforce_at <= at order by enforce_at limit most)
      union
      (select member_id from campaign_members
        where campaign_id = campaign and reconsider_at <= at order by reconsider_at limit most));
  end if;
  if cardinality(ids) > 0 then
    perform consider(campaign, ids, rules);
    return cardinality(ids);
  end if;

  select * into w from campaign_waves
  where campaign_id = campaign and opened_at is not null and drawn_at is null order by wave limit 1;
  if not found then
    return null;
  end if;
  -- As many members as hold about `most` of this wave.
  page := array(
    select member_id from members where member_id > w.cursor order by member_id
    limit least(most * 10000 / (w.to_cohort - w.from_cohort), most * 10));
  if cardinality(page) = 0 then
    update campaign_waves set drawn_at = at where campaign_id = campaign and wave = w.wave;
    perform log_campaign(campaign, 'wave_drawn', 'campaign', false, null, jsonb_build_object('wave', w.wave), null, at);
    return 0;
  end if;
  ids := array(
    select id from unnest(page) id
    where width_bucket(cohort(campaign, id), array[w.from_cohort, w.to_cohort]) = 1);
  perform consider(campaign, ids, rules);
  update campaign_waves set cursor = page[cardinality(page)] where campaign_id = campaign and wave = w.wave;
  return cardinality(page);
end
$$;

-- Takes notices that are due into the sender's hands, for `leaseSeconds`, as far as the rate allows.
-- Returns [{noticeId, memberId, kind, phone, email, language, mobileCarrier, enforceAt?}]; where to is looked up now, so
-- that nothing goes to a destination of the past. `phone` only where SMS may go there.
create or replace function take_notices(campaign text, most int, rules jsonb) returns jsonb
  language plpgsql volatile
  set enable_seqscan = off
  set enable_sort = off
as $$
declare
  c campaigns;
  at timestamptz;
  n int := most;
  paced_from timestamptz;
  named_date timestamptz;
  taken jsonb;
begin
  select * into c from campaigns where campaign_id = campaign for update;
  at := challenge_now();
  if campaign_may_act_at(c, at) is distinct from at then
    return '[]';
  end if;
  if c.rate_per_minute > 0 then
    -- At most a second's worth at once, and at least one.
    paced_from := greatest(c.paced_until, at - make_interval(secs => greatest(1, 60.0 / c.rate_per_minute)));
    n := least(most, floor(extract(epoch from at - paced_from) * c.rate_per_minute / 60 + 1e-6)::int);
  end if;
  named_date := after_quiet_hours(
    at + make_interval(secs => (rules->>'enforceAfterSeconds')::float8), c.plan->'quietHours');

  with picked as (
    select notice_id from campaign_notices
    where campaign_id = campaign and state in ('due', 'sending') and due_at <= at
    order by due_at limit greatest(n, 0) for update skip locked
  ),
  in_hand as (
    update campaign_notices
    set state = 'sending', due_at = at + make_interval(secs => (rules->>'leaseSeconds')::float8), tries = tries + 1,
      enforce_at = case when kind = 'announcement' then named_date end
    where notice_id = any(array(select notice_id from picked))
    returning *
  )
  select jsonb_agg(jsonb_build_object(
      'noticeId', h.notice_id, 'memberId', h.member_id, 'kind', h.kind, 'enforceAt', h.enforce_at,
      'email', m.email, 'language', m.language, 'mobileCarrier', effective_carrier(m, d),
      'phone', case
        when h.kind = 'announcement' then (
          select cm.phone from campaign_members cm
          where cm.campaign_id = campaign and cm.member_id = h.member_id and cm.round = h.round)
        when sms_allowed(effective_phone(m, d), effective_phone_country(m, d),
            rule_list(rules, 'smsCountries'), rule_list(rules, 'smsRefusedPrefixes'))
          and not exists (
            select from reachability r where r.member_id = m.member_id and is_unreachable(r, effective_phone(m, d)))
        then effective_phone(m, d)
      end))
    into taken
  from in_hand h
  join members m on m.member_id = h.member_id
  left join destinations d on d.member_id = h.member_id;

  if c.rate_per_minute > 0 and taken is not null then
    update campaigns
    set paced_until = paced_from + make_interval(secs => jsonb_array_length(taken) * 60.0 / rate_per_minute)
    where campaign_id = campaign;
  end if;
  return coalesce(taken, '[]');
end
$$;

-- What became of notices that were taken.
-- results: [{noticeId, result: 'accepted' | 'refused' | 'dropped' | 'later', channel?, provider?, messageId?, waitMs?}]
-- An accepted announcement sets the date (R4); `later` tries again, a bounded number of times.
create or replace function record_notices(campaign text, results jsonb, rules jsonb) returns void
  language plpgsql volatile
  set enable_seqscan = off
as $$
declare
  c campaigns;
  at timestamptz;
  ids uuid[] := array(select (r->>'noticeId')::uuid from jsonb_array_elements(results) r);
  whose text[] := array(select member_id from campaign_notices where notice_id = any(ids));
  earliest_date timestamptz;
begin
  select * into c from campaigns where campaign_id = campaign for update;
  perform lock_heads(whose);
  at := challenge_now();
  earliest_date := after_quiet_hours(
    at + make_interval(secs => (rules->>'enforceAfterSeconds')::float8), c.plan->'quietHours');
  with said as (
    select (r->>'noticeId')::uuid as notice_id, r->>'result' as result, r->>'channel' as channel,
      r->>'provider' as provider, r->>'messageId' as message_id, (r->>'waitMs')::float8 as wait_ms
    from jsonb_array_elements(results) r
  ),
  recorded as (
    update campaign_notices n
    set
      state = case
        when s.result = 'later' and n.tries >= (rules->>'mostTries')::int then 'refused'
        when s.result = 'later' then 'due'
        else s.result
      end,
      due_at = case when s.result = 'later' then at + make_interval(secs => s.wait_ms / 1000) else n.due_at end,
      channel = s.channel, provider = s.provider, message_id = s.message_id,
      accepted_at = case when s.result = 'accepted' then at end
    from said s
    -- A late answer about one that was sent again, and answered, changes nothing.
    where n.notice_id = s.notice_id and n.notice_id = any(ids) and n.state = 'sending'
    returning n.*
  ),
  announced as (
    update campaign_members cm
    set state = 'announced', announced_at = at,
      enforce_at = greatest(r.enforce_at, earliest_date)
    from recorded r
    where r.kind = 'announcement' and r.state = 'accepted'
      and cm.campaign_id = campaign and cm.member_id = r.member_id and cm.member_id = any(whose)
      and cm.round = r.round and cm.state = 'awaiting'
    returning cm.*
  )
  insert into outbox (type, subject, data, occurred_at)
  select 'otp.enrollment.announced', member_id, jsonb_build_object(
    'memberId', member_id, 'campaignId', campaign, 'wave', wave, 'enforceAt', enforce_at), at
  from announced order by member_id;
  perform pg_notify('outbox', '');
end
$$;

-- The wave bakes once all of its notices were sent.
create or replace function start_bake(campaign text, number int) returns void
  language plpgsql volatile
as $$
declare
  c campaigns;
begin
  select * into c from campaigns where campaign_id = campaign for update;
  update campaign_waves
  set bake_until = challenge_now() + make_interval(secs => (c.plan->'waves'->(number - 1)->>'bakeSeconds')::float8)
  where campaign_id = campaign and wave = number and bake_until is null;
end
$$;

-- What has been seen of a wave (R5). Rates are in percent, null where there is nothing to divide by.
create or replace function wave_figures(campaign text, number int) returns jsonb
  language sql stable
as $$
  with words as (
    select n.notice_id, n.state,
      (select r.kind from receipts r where r.challenge_id = n.notice_id and r.kind in ('delivered', 'failed')
        order by r.occurred_at desc, r.kind desc limit 1) as word
    from campaign_notices n
    where n.campaign_id = campaign and n.wave = number and n.kind = 'announcement' and n.state in ('accepted', 'refused')
  ),
  messages as (
    select count(*) as sent, count(*) filter (where state = 'refused') as refused,
      count(*) filter (where word = 'delivered') as delivered, count(*) filter (where word = 'failed') as failed
    from words
  ),
  challenged as (
    select count(*) as challenges, count(*) filter (where o.outcome = 'verified') as verified
    from campaign_members cm
    join challenges o on o.member_id = cm.member_id and o.channel = 'sms' and o.send_began_at >= cm.enforced_at
      and o.outcome in ('verified', 'expired', 'attempts_exhausted', 'undeliverable')
    where cm.campaign_id = campaign and cm.state = 'enforced' and cm.wave <= number
  )
  select jsonb_build_object(
    'messages', sent, 'sendFailures', refused, 'delivered', delivered, 'negativeReceipts', failed,
    'challenges', challenges, 'verified', verified,
    'sendFailurePercent', round(100.0 * refused / nullif(sent, 0), 2),
    'negativeReceiptPercent', round(100.0 * failed / nullif(sent - refused, 0), 2),
    'verifiedPercent', round(100.0 * verified / nullif(challenges, 0), 2))
  from messages, challenged
$$;

create or replace function pause_campaign(
  campaign text, who text, is_claimed boolean, reason text, details jsonb, command text, at timestamptz
) returns void
  language plpgsql volatile
as $$
begin
  update campaigns set state = 'paused', pause_reason = reason where campaign_id = campaign and state = 'running';
  if found then
    perform log_campaign(campaign, 'paused', who, is_claimed, reason, details, command, at);
  end if;
end
$$;

-- R5: the gate. Passes the wave, pauses the campaign and says why, or gives it as much time again, once.
-- Judges only a wave that has baked, of a campaign that runs.
create or replace function judge_wave(campaign text, number int) returns void
  language plpgsql volatile
as $$
declare
  c campaigns;
  w campaign_waves;
  at timestamptz;
  gate jsonb;
  seen jsonb;
  reasons text[];
  judgement text;
begin
  select * into c from campaigns where campaign_id = campaign for update;
  at := challenge_now();
  select * into w from campaign_waves where campaign_id = campaign and wave = number;
  if c.state <> 'running' or w.passed_at is not null or w.bake_until is null or w.bake_until > at then
    return;
  end if;
  gate := c.plan->'waves'->(number - 1)->'gate';
  seen := wave_figures(campaign, number);
  reasons := array_remove(array[
    case when (seen->>'sendFailurePercent')::numeric > (gate->>'maxSendFailurePercent')::numeric
      then 'send_failures' end,
    case when (seen->>'negativeReceiptPercent')::numeric > (gate->>'maxNegativeReceiptPercent')::numeric
      then 'negative_receipts' end,
    case when (seen->>'challenges')::int >= greatest((gate->>'minChallenges')::int, 1)
      and (seen->>'verifiedPercent')::numeric < (gate->>'minVerifiedPercent')::numeric then 'verification_rate' end
  ], null);
  judgement := case
    -- One message that failed of one is no rate: too few decide neither way.
    when (seen->>'messages')::int < (gate->>'minMessages')::int
      or (seen->>'challenges')::int < (gate->>'minChallenges')::int then 'inconclusive'
    when cardinality(reasons) > 0 then 'failed'
    else 'passed'
  end;
  seen := seen || jsonb_build_object('wave', number, 'verdict', judgement, 'reasons', to_jsonb(reasons));
  update campaign_waves
  set verdict = seen || jsonb_build_object('at', at),
    passed_at = case when judgement = 'passed' then at end,
    bake_until = case when judgement = 'inconclusive' and w.verdict is null
      then at + make_interval(secs => (c.plan->'waves'->(number - 1)->>'bakeSeconds')::float8) else w.bake_until end
  where campaign_id = campaign and wave = number;
  perform log_campaign(campaign, 'gate_' || judgement, 'campaign', false, array_to_string(reasons, ', '), seen, null, at);
  if judgement = 'failed' then
    perform pause_campaign(campaign, 'campaign', false,
      'the gate of wave ' || number || ' failed: ' || array_to_string(reasons, ', '), seen, null, at);
  elsif judgement = 'inconclusive' and w.verdict is not null then
    perform pause_campaign(campaign, 'campaign', false,
      'the gate of wave ' || number || ' is inconclusive: too little data', seen, null, at);
  end if;
end
$$;

-- R6: what an operator says, recorded with who and why.
--
-- command: {command: 'pause' | 'resume' | 'rate' | 'skip-bake' | 'exempt' | 'abort' | 'complete', by, claimed, why,
--           ratePerMinute?, memberId?, until?, rollback?}
-- Returns null where it is obeyed (or was, under the same id), else why it cannot be: 'unknown_campaign',
-- 'campaign_ended', 'not_baking', 'waves_remain', 'unknown_member'.
create or replace function command_campaign(campaign text, command_id text, command jsonb) returns text
  language plpgsql volatile
as $$
declare
  c campaigns;
  w campaign_waves;
  at timestamptz;
  word text := command->>'command';
  who text := command->>'by';
  is_claimed boolean := (command->>'claimed')::boolean;
  reason text := command->>'why';
begin
  select * into c from campaigns where campaign_id = campaign for update;
  at := challenge_now();
  if not found then
    return 'unknown_campaign';
  elsif exists (select from campaign_log l where l.command_id = command_campaign.command_id) then
    return null;
  elsif c.state not in ('running', 'paused') then
    return 'campaign_ended';
  end if;
  select * into w from campaign_waves
  where campaign_id = campaign and opened_at is not null and passed_at is null order by wave limit 1;

  if word = 'pause' then
    perform pause_campaign(campaign, who, is_claimed, reason, null, command_id, at);
  elsif word = 'resume' then
    update campaigns set state = 'running', pause_reason = null where campaign_id = campaign and state = 'paused';
    if found then
      -- A wave that the gate has stopped bakes again.
      update campaign_waves
      set verdict = null, bake_until = at + make_interval(secs => (c.plan->'waves'->(wave - 1)->>'bakeSeconds')::float8)
      where campaign_id = campaign and wave = w.wave and verdict is not null;
      perform log_campaign(campaign, 'resumed', who, is_claimed, reason, null, command_id, at);
    end if;
  elsif word = 'rate' then
    update campaigns set rate_per_minute = (command->>'ratePerMinute')::int, paced_until = least(paced_until, at)
    where campaign_id = campaign;
    perform log_campaign(campaign, 'rate_changed', who, is_claimed, reason,
      jsonb_build_object('ratePerMinute', command->'ratePerMinute'), command_id, at);
  elsif word = 'skip-bake' then
    if w.bake_until is null then
      return 'not_baking';
    end if;
    update campaign_waves set passed_at = at where campaign_id = campaign and wave = w.wave;
    perform log_campaign(campaign, 'bake_skipped', who, is_claimed, reason, jsonb_build_object('wave', w.wave),
      command_id, at);
  elsif word = 'exempt' then
    if not exists (select from members where member_id = command->>'memberId' and status <> 'erased') then
      return 'unknown_member';
    end if;
    insert into exemptions as x (member_id, until, by_whom, claimed, why, created_at)
    values (command->>'memberId', (command->>'until')::timestamptz, who, is_claimed, reason, at)
    on conflict (member_id) do update set until = excluded.until, by_whom = excluded.by_whom,
      claimed = excluded.claimed, why = excluded.why, created_at = excluded.created_at;
    insert into campaign_queue (member_id) values (command->>'memberId');
    perform log_campaign(campaign, 'member_exempted', who, is_claimed, reason,
      jsonb_build_object('memberId', command->'memberId', 'until', command->'until'), command_id, at);
  elsif word = 'abort' then
    update campaigns
    set state = 'aborted', rolls_back = coalesce((command->>'rollback')::boolean, false),
      ended_at = case when (command->>'rollback')::boolean then null else at end
    where campaign_id = campaign;
    update campaign_notices set state = 'dropped' where campaign_id = campaign and state = 'due';
    delete from campaign_queue;
    perform log_campaign(campaign, 'aborted', who, is_claimed, reason,
      jsonb_build_object('rollback', coalesce(command->'rollback', 'false')), command_id, at);
  elsif word = 'complete' then
    if exists (select from campaign_waves where campaign_id = campaign and passed_at is null) then
      return 'waves_remain';
    end if;
    update campaigns set state = 'completed', pause_reason = null, ended_at = at where campaign_id = campaign;
    delete from campaign_queue;
    perform log_campaign(campaign, 'completed', who, is_claimed, reason, null, command_id, at);
  else
    raise exception 'unknown command';
  end if;
  return null;
end
$$;

-- R6: takes back what an aborted campaign enforced, a batch at a time. Returns how many, 0 once it is done.
create or replace function roll_back_batch(campaign text, most int) returns integer
  language plpgsql volatile
  set enable_seqscan = off
as $$
declare
  c campaigns;
  at timestamptz;
  ids text[];
begin
  select * into c from campaigns where campaign_id = campaign for update;
  if not (c.state = 'aborted' and c.rolls_back) then
    return 0;
  end if;
  ids := array(select member_id from campaign_members where campaign_id = campaign and state = 'enforced' limit most);
  perform lock_heads(ids);
  at := challenge_now();
  if cardinality(ids) = 0 then
    update campaigns set ended_at = at where campaign_id = campaign and ended_at is null;
    if found then
      perform log_campaign(campaign, 'rolled_back', 'campaign', false, null, jsonb_build_object('members',
        (select count(*) from campaign_members where campaign_id = campaign and state = 'rolled_back')), null, at);
    end if;
    return 0;
  end if;
  delete from enrollments where member_id = any(ids) and campaign_id = campaign;
  insert into outbox (type, subject, data, occurred_at)
  select 'otp.enrollment.rolled_back', cm.member_id,
    jsonb_build_object('memberId', cm.member_id, 'campaignId', campaign, 'wave', cm.wave), at
  from campaign_members cm where cm.campaign_id = campaign and cm.member_id = any(ids) order by cm.member_id;
  update campaign_members set state = 'rolled_back', released_at = at, enforce_at = null
  where campaign_id = campaign and member_id = any(ids);
  perform pg_notify('outbox', '');
  return cardinality(ids);
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

-- What the page draws over time: a sample, at most one every `every_seconds`.
create or replace function sample_campaign(campaign text, every_seconds float8) returns void
  language sql volatile
as $$
  insert into campaign_history (campaign_id, at, counts)
  select campaign, challenge_now(), jsonb_object_agg(state, n)
  from (select state, count(*) as n from campaign_members where campaign_id = campaign group by state) g
  where not exists (
    select from campaign_history h
    where h.campaign_id = campaign and h.at > challenge_now() - make_interval(secs => every_seconds))
  having count(*) > 0
  on conflict do nothing
$$;

-- R6: the dry run. How many members each wave would take now, by exclusion; nothing is changed.
-- Returns [{wave, reason, chosenSms, members}], reason null for those who would be announced or, with chosenSms, enforced.
create or replace function plan_campaign(campaign text, plan jsonb, rules jsonb) returns jsonb
  language plpgsql stable
as $$
declare
  at timestamptz := challenge_now();
  today date := tokyo_day(at);
  adult_age int := (rules->>'adultAge')::int;
  sms_countries text[] := rule_list(rules, 'smsCountries');
  refused_prefixes text[] := rule_list(rules, 'smsRefusedPrefixes');
  -- Of waves 1, 2, …; the last bound ends the last wave.
  bounds int[] := 0 || array(
    select round((w->>'percent')::numeric * 100)::int from jsonb_array_elements(plan->'waves') with ordinality o (w, n)
    order by n);
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'wave', wave, 'reason', reason, 'chosenSms', chose_sms, 'members', members) order by wave, reason nulls first, chose_sms), '[]')
    from (
      select wave, reason, reason is null and chose_sms as chose_sms, count(*) as members
      from (
        select
          width_bucket(cohort(campaign, m.member_id), bounds) as wave,
          coalesce(
            ineligibility(m.status, m.family_card, m.birth_date, effective_phone(m, d), effective_phone_country(m, d),
              is_unreachable(r, effective_phone(m, d)), today, adult_age, sms_countries, refused_prefixes),
            case when x.until > at then 'exempt' end) as reason,
          effective_preference(m, d) = 'sms' as chose_sms
        from members m
        left join destinations d on d.member_id = m.member_id
        left join reachability r on r.member_id = m.member_id
        left join exemptions x on x.member_id = m.member_id
        where m.status <> 'erased'
        -- Judged once for each, before they are counted.
        offset 0
      ) judged
      where wave < cardinality(bounds)
      group by 1, 2, 3
    ) counted);
end
$$;
