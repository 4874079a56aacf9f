-- R5: what a wave has come to, and whether the next may follow.

-- The wave bakes once all of its notices were sent, of a campaign that stands.
create or replace function start_bake(campaign text, number int) returns void
  language plpgsql volatile
as $$
declare
  c campaigns;
begin
  select * into c from campaigns where campaign_id = campaign for update;
  update campaign_waves
  set bake_until = challenge_now() + make_interval(secs => (c.plan->'waves'->(number - 1)->>'bakeSeconds')::float8)
  where campaign_id = campaign and wave = number and bake_until is null and c.state in ('running', 'paused');
end
$$;

-- Whether SMS was mandatory for a member then, also for one who was released since: whom no SMS reaches is.
create or replace function was_enforced_at(cm campaign_members, at timestamptz) returns boolean
  language sql immutable parallel safe
as $$
  select at >= cm.enforced_at and (cm.state = 'enforced' or at < cm.released_at)
$$;

-- What has been seen of a wave (R5). Rates are in percent, null where there is nothing to divide by.
create or replace function wave_figures(campaign text, number int) returns jsonb
  language sql stable
as $$
  with messages as (
    select count(*) as sent, count(*) filter (where state = 'refused') as refused,
      count(*) filter (where delivery = 'delivered') as delivered, count(*) filter (where delivery = 'failed') as failed
    from campaign_notices
    where campaign_id = campaign and wave = number and kind = 'announcement' and state in ('accepted', 'refused')
  ),
  challenged as (
    select count(*) as challenges, count(*) filter (where o.outcome = 'verified') as verified
    from campaign_members cm
    join challenges o on was_enforced_at(cm, o.send_began_at) and o.member_id = cm.member_id and o.channel = 'sms'
      and o.outcome in ('verified', 'expired', 'attempts_exhausted', 'undeliverable')
    where cm.campaign_id = campaign and cm.wave <= number and cm.enforced_at is not null
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

-- R5: a provider refused our account at that time, so that no notice will get through: the campaign pauses at once. What
-- was refused before an operator mended the account and resumed, and is heard of only now, pauses it no more.
create or replace function pause_for_account(campaign text, provider text, refused_at timestamptz) returns void
  language plpgsql volatile
as $$
begin
  perform from campaigns where campaign_id = campaign for update;
  if refused_at > coalesce((
    select max(at) from campaign_log where campaign_id = campaign and event = 'resumed'), '-infinity')
  then
    perform pause_campaign(campaign, 'campaign', false, provider || ' refuses our account', null, null, challenge_now());
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
