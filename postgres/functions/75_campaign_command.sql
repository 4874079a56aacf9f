-- Whether a campaign stands; none starts until the caller has committed.
create or replace function another_stands() returns boolean
  language plpgsql volatile
as $$
begin
  perform pg_advisory_xact_lock(campaign_start_lock());
  return exists (select from campaigns where ended_at is null);
end
$$;

-- R6: what an operator says, recorded with who and why.
--
-- command: {command: 'pause' | 'resume' | 'rate' | 'skip-bake' | 'exempt' | 'abort' | 'complete', by, claimed, why,
--           ratePerMinute?, memberId?, until?, rollback?}
-- Returns null where it is obeyed (or was, under the same id), else why it cannot be: 'unknown_campaign',
-- 'campaign_ended', 'not_baking', 'waves_remain', 'members_remain', 'unknown_member'.
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
  -- SMS is still mandatory for whom it was enforced: each can be exempted, and all of it be taken back, once.
  elsif c.state not in ('running', 'paused') and word <> 'exempt' and not (
    word = 'abort' and command @> '{"rollback": true}' and not c.rolls_back
    and not another_stands()
  ) then
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
    -- An erasure waits, and forgets what is written here.
    perform from members where member_id = command->>'memberId' and status <> 'erased' for share;
    if not found then
      return 'unknown_member';
    end if;
    insert into exemptions as x (member_id, until, by_whom, claimed, why, created_at)
    values (command->>'memberId', (command->>'until')::timestamptz, who, is_claimed, reason, at)
    on conflict (member_id) do update set until = excluded.until, by_whom = excluded.by_whom,
      claimed = excluded.claimed, why = excluded.why, created_at = excluded.created_at;
    insert into campaign_queue (member_id) select command->>'memberId'
    where exists (select from campaigns where state in ('running', 'paused'));
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
    -- Whoever is awaited has a notice under way. What was announced is kept: nobody else will.
    elsif exists (select from campaign_notices where campaign_id = campaign and state in ('due', 'sending'))
      or exists (select from campaign_members where campaign_id = campaign and state = 'announced') then
      return 'members_remain';
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

-- R6: takes back what an aborted campaign enforced, a batch at a time; whom an earlier one had enrolled stays with that.
-- Returns how many, 0 once it is done.
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
  ids := array(select member_id from enrollments where campaign_id = campaign limit most);
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
  with gone as (
    delete from enrollments where member_id = any(ids) and campaign_id = campaign returning member_id
  ),
  moved as (
    update campaign_members set state = 'rolled_back', released_at = at, enforce_at = null
    where campaign_id = campaign and member_id = any(ids) and member_id in (select member_id from gone)
  )
  -- The wave by the cohort: the campaign may be older than what is kept of its members.
  insert into outbox (type, subject, data, occurred_at)
  select 'otp.enrollment.rolled_back', member_id,
    jsonb_build_object('memberId', member_id, 'campaignId', campaign, 'wave', w.wave), at
  from gone join campaign_waves w on w.campaign_id = campaign
    and cohort(campaign, member_id) >= w.from_cohort and cohort(campaign, member_id) < w.to_cohort
  order by member_id;
  perform pg_notify('outbox', '');
  return cardinality(ids);
end
$$;

-- R6, C13: a command with the idempotency key of whoever called us. `command_id` is the key, apart for each caller;
-- `request_hash` tells another request under the same key. A command that changed nothing leaves no entry in the log, so
-- its key is free again.
-- Returns what `command_campaign` does, or 'idempotency_key_reused'.
create or replace function command_campaign_once(campaign text, command_id text, request_hash text, command jsonb)
  returns text
  language plpgsql volatile
as $$
begin
  perform from campaigns where campaign_id = campaign for update;
  if exists (
    select from campaign_log l
    -- A hash of 64 digits stands behind each key.
    where left(l.command_id, -65) = command_campaign_once.command_id
      and l.command_id <> command_campaign_once.command_id || '#' || request_hash
  ) then
    return 'idempotency_key_reused';
  end if;
  return command_campaign(campaign, command_campaign_once.command_id || '#' || request_hash, command);
end
$$;
