-- What the statements of a challenge share.
--
-- Lock order, everywhere: idempotency key (advisory) → head row → destination, address, block of numbers (advisory) →
-- provider_pace → challenge rows. Several heads are taken in member_id order. Reads that decide come after the head lock,
-- each a statement of its own, so that they see what the previous holder committed (READ COMMITTED).

-- Takes the member's row lock, and makes the row for a member who never had a challenge.
create or replace function lock_head(member text) returns challenge_heads
  language sql volatile
as $$
  insert into challenge_heads as h (member_id) values (member)
  on conflict (member_id) do update set member_id = excluded.member_id
  returning h.*
$$;

-- Whether a challenge weighs on later ones: its send began, or its start may still be on its way. What was admitted
-- and never opened is void after `voidAfterSeconds` (C2).
create or replace function challenge_stands(c challenges, at timestamptz, policy jsonb) returns boolean
  language sql immutable
as $$
  select c.send_began_at is not null
      or (c.outcome is null and c.admitted_at > at - make_interval(secs => (policy->>'voidAfterSeconds')::float8))
$$;

-- C9: from when a challenge weighs on the limits: its admission, or the beginning of its send where that came when the
-- admission was void and its limits given back already.
create or replace function counts_from(c challenges, policy jsonb) returns timestamptz
  language sql immutable
as $$
  select case
    when c.send_began_at > c.admitted_at + make_interval(secs => (policy->>'voidAfterSeconds')::float8) then c.send_began_at
    else c.admitted_at end
$$;

-- Whether a newer challenge of the member stands: then this one gives way (C2).
create or replace function newer_challenge_stands(c challenges, at timestamptz, policy jsonb) returns boolean
  language sql stable
as $$
  select exists (
    select from challenges n
    where n.member_id = c.member_id and n.seq > c.seq and challenge_stands(n, at, policy)
  )
$$;

-- The newest challenge of the chain of resends (C14), where it is not this one.
create or replace function continued_by(c challenges) returns uuid
  language sql stable
as $$
  select n.challenge_id from challenges n
  where n.member_id = c.member_id and n.chain_id = c.chain_id and n.seq > c.seq
    and (n.send_began_at is not null or n.outcome is null)
  order by n.seq desc
  limit 1
$$;

-- C4: whether the member cannot have the code: no request that a provider may have taken has begun yet.
create or replace function is_unsent(c challenges) returns boolean
  language sql immutable
as $$
  select c.outcome is null and c.asked_at is null and c.sent_at is null
$$;

-- A challenge as the program sees it. `destination` is personal data: the program masks it before it shows it.
create or replace function challenge_view(c challenges) returns jsonb
  language sql stable
as $$
  select jsonb_build_object(
    'challengeId', c.challenge_id, 'memberId', c.member_id, 'seq', c.seq, 'purpose', c.purpose, 'caller', c.caller,
    'channel', c.channel, 'destination', c.destination, 'language', c.language,
    'continues', c.continues, 'runId', c.run_id, 'admittedAt', c.admitted_at, 'sendBeganAt', c.send_began_at,
    -- While the code only waits to be sent there is no clock to show (C4).
    'sentAt', c.sent_at, 'expiresAt', case when not is_unsent(c) then c.expires_at end,
    'closedAt', c.closed_at, 'attempts', c.attempts, 'isSmsForced', c.sms_forced,
    'outcome', c.outcome, 'reason', c.reason, 'advice', c.advice, 'traceparent', c.traceparent,
    'delivery', case when c.send_began_at is not null then delivery_of(c) end,
    'continuedBy', case when c.outcome <> 'verified' then continued_by(c) end
  )
$$;

-- Gives a challenge its one outcome, and tells of it: the event in the outbox in the same transaction (U4), and a
-- notification to whoever waits for its code to be sent. Call it under the head lock, on an open challenge.
create or replace function conclude(
  c challenges, new_outcome text, why text, what_to_do text, is_told boolean, at timestamptz
) returns challenges
  language plpgsql volatile
as $$
begin
  update challenges
  set outcome = new_outcome, reason = why, advice = what_to_do, closed_at = at, told = is_told, sweep_tries = 0, sweep_after = null
  where challenge_id = c.challenge_id
  returning * into c;
  insert into outbox (type, subject, data, occurred_at)
  values (
    'otp.challenge.' || new_outcome, c.member_id,
    jsonb_strip_nulls(jsonb_build_object(
      'challengeId', c.challenge_id, 'memberId', c.member_id, 'purpose', c.purpose, 'channel', c.channel,
      'outcome', new_outcome, 'reason', why, 'advice', what_to_do, 'admittedAt', c.admitted_at, 'sentAt', c.sent_at,
      'expiresAt', c.expires_at, 'closedAt', at, 'continues', c.continues,
      'continuedBy', case when new_outcome = 'superseded' then continued_by(c) end)),
    at
  );
  perform pg_notify('outbox', '');
  if c.sent_at is null then
    perform notify_challenge(c);
  end if;
  return c;
end
$$;

-- Wakes the API process that waits for this challenge's code to be handed over.
create or replace function notify_challenge(c challenges) returns void
  language sql volatile
as $$
  select pg_notify('challenge_changed', jsonb_build_object(
    'challengeId', c.challenge_id, 'channel', c.channel, 'sentAt', c.sent_at, 'expiresAt', c.expires_at, 'outcome', c.outcome,
    'reason', c.reason, 'advice', c.advice)::text)
$$;
