-- D6, D7: the message will not arrive by this channel, so the code goes by the other one: the same code, the same
-- expiry. Only while the challenge is the newest and open, with enough life left, and once. An SMS must have room in the
-- hourly budget of its block of numbers, as one that was admitted must. Safe to repeat.
--
-- returns: {kind: 'moved'} | {kind: 'stays'} | {kind: 'refused', reason: 'sms_prefix'}
create or replace function move_to_channel(
  challenge uuid, to_channel text, to_destination text, carrier text, prefix text, policy jsonb
) returns jsonb
  language plpgsql volatile
as $$
declare
  head challenge_heads;
  c challenges;
  at timestamptz;
begin
  select * into c from challenges where challenge_id = challenge;
  head := lock_head(c.member_id);
  at := challenge_now();
  select * into c from challenges where challenge_id = challenge;
  if c.outcome is not null or c.failed_over_from is not null or c.channel = to_channel
    or head.newest_challenge_id is distinct from challenge
    or c.expires_at < at + make_interval(secs => (policy->>'minLifeSeconds')::float8)
  then
    return jsonb_build_object('kind', 'stays');
  end if;
  perform lock_sms_prefix(prefix, policy);
  if sms_prefix_wait(prefix, at, policy) > 0 then
    return jsonb_build_object('kind', 'refused', 'reason', 'sms_prefix');
  end if;
  update challenges
  set channel = to_channel, destination = to_destination, mobile_carrier = carrier,
      -- An SMS that went out before stays on the budget of its block.
      sms_prefix = coalesce(prefix, sms_prefix),
      failed_over_from = channel, sent_at = null, provider = null, provider_message_id = null
  where challenge_id = challenge;
  return jsonb_build_object('kind', 'moved');
end
$$;

-- D6, D7: there is no other way for the code of this challenge. Recorded once, with the first reason, so that the sweep and
-- later receipts need not ask again. Safe to repeat.
--
-- returns: whether this very call recorded it
create or replace function refuse_failover(challenge uuid, refusal text) returns boolean
  language plpgsql volatile
as $$
begin
  perform lock_head(member_id) from challenges where challenge_id = challenge;
  update challenges set failover_refused = refusal
  where challenge_id = challenge and failed_over_from is null and failover_refused is null;
  return found;
end
$$;
