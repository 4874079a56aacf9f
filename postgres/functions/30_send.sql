-- C2 (c), C4: `open` and `stampSend`, the workflow's first statement and the last before each request to a provider.
--
-- Opens the challenge on its first call: it becomes the member's newest, every older one is superseded, and it gets the
-- nonce that its code is derived from. Every call, also of a retry, says whether a send may begin now: only while the
-- challenge is the newest and open, with enough life left, and at the provider's pace (`take_slot`). The first one that
-- may starts the ten minutes: waiting for a slot costs none of them, and lasts no longer than a code may wait to be
-- sent. None lengthens them. Safe to repeat by the same run; another run with the same challenge id is refused, unless it is
-- of the same execution (`follow_run`).
--
-- policy: as configured, and in `pace` what `take_slot` wants; without it the pace is nobody's concern.
-- returns: {kind: 'send', …, isProbe, askedBefore} | {kind: 'wait', …, challenge, leftMs} | {kind: 'closed', challenge}
--          | {kind: 'unadmitted'} | {kind: 'id_used'}
-- isProbe: the provider is paused, and this request asks whether it still is; askedBefore: an earlier request may have been taken.
create or replace function open_and_stamp(
  challenge uuid, member text, run text, new_key_id text, new_nonce bytea, policy jsonb
) returns jsonb
  language plpgsql volatile
as $$
declare
  at timestamptz;
  c challenges;
  older challenges;
  ttl interval := make_interval(secs => (policy->>'ttlSeconds')::float8);
  min_life interval := make_interval(secs => (policy->>'minLifeSeconds')::float8);
  turn jsonb;
  asked_before boolean;
begin
  perform lock_head(member);
  at := challenge_now();
  select * into c from challenges where challenge_id = challenge;
  asked_before := c.asked_at is not null;
  if not found then
    return jsonb_build_object('kind', 'unadmitted');
  -- A refusal of this run's own has no sequence number.
  elsif c.member_id <> member or (c.run_id is not null and c.run_id <> run)
    or (c.seq is null and (c.run_id is null or c.outcome is null)) then
    return jsonb_build_object('kind', 'id_used');
  end if;

  if c.outcome is null and c.sent_at is null then
    if c.send_began_at is null and newer_challenge_stands(c, at, policy) then
      c := conclude(c, 'superseded', null, null, true, at);
    elsif coalesce(c.expires_at, c.admitted_at + ttl) < at + min_life then
      c := conclude(c, 'undeliverable', 'too_late', 'contact_center', true, at);
    else
      turn := take_slot(c.channel, policy->'pace', challenge);
      if turn ? 'why' then
        return turn || jsonb_build_object('kind', 'wait', 'challenge', challenge_view(c),
          'leftMs', floor(extract(epoch from coalesce(c.expires_at, c.admitted_at + ttl) - min_life - at) * 1000));
      end if;
      if c.send_began_at is null then
        for older in select * from challenges o where o.member_id = member and o.seq < c.seq and o.outcome is null loop
          perform conclude(older, 'superseded', null, null, true, at);
        end loop;
        update challenges
        set run_id = run, key_id = new_key_id, nonce = new_nonce, send_began_at = at, expires_at = at + ttl, asked_at = at
        where challenge_id = challenge
        returning * into c;
        update challenge_heads set newest_challenge_id = challenge where member_id = member;
      elsif c.asked_at is null then
        update challenges set asked_at = at where challenge_id = challenge returning * into c;
      end if;
    end if;
  end if;

  if c.outcome is not null then
    update challenges set told = true where challenge_id = challenge and not told;
    return jsonb_build_object('kind', 'closed', 'challenge', challenge_view(c));
  end if;
  return jsonb_build_object(
    'kind', 'send', 'challenge', challenge_view(c), 'language', c.language, 'mobileCarrier', c.mobile_carrier,
    'keyId', c.key_id, 'nonce', encode(c.nonce, 'hex'),
    'alreadySent', c.sent_at is not null, 'isProbe', coalesce((turn->>'isProbe')::boolean, false), 'askedBefore', asked_before,
    'remainingMs', floor(extract(epoch from c.expires_at - at) * 1000));
end
$$;

-- The execution that opened a challenge goes on in another run: after a reset, by a cron, or continued as new. Who calls this
-- has seen that it is the same execution. The nonce, and so the code, its expiry and what was sent stay as they are.
create or replace function follow_run(challenge uuid, from_run text, to_run text) returns void
  language plpgsql volatile
as $$
begin
  perform lock_head(member_id) from challenges where challenge_id = challenge;
  update challenges set run_id = to_run where challenge_id = challenge and run_id = from_run;
end
$$;

-- C4: the provider said for certain that it did not take the only message that was handed to it: the code waits to be sent
-- again. Its life goes on.
create or replace function take_back_request(challenge uuid) returns void
  language plpgsql volatile
as $$
begin
  perform lock_head(member_id) from challenges where challenge_id = challenge;
  update challenges set asked_at = null where challenge_id = challenge and sent_at is null and outcome is null;
end
$$;

-- D2, D6: a code that waits for a paused provider goes by the member's other way, whose provider is not paused. Only while
-- the challenge is open, and the newest where it was opened, with enough life left, and once. A forced SMS waits on.
-- Returns whether it is on the other channel now, by this call.
create or replace function move_around_pause(
  challenge uuid, to_channel text, to_destination text, carrier text, prefix text, policy jsonb
) returns boolean
  language plpgsql volatile
as $$
declare
  head challenge_heads;
  c challenges;
  at timestamptz;
  is_from_paused boolean;
  is_to_paused boolean;
begin
  select * into c from challenges where challenge_id = challenge;
  head := lock_head(c.member_id);
  -- A pause that is over within a second is waited for.
  at := challenge_now() + interval '1 second';
  select * into c from challenges where challenge_id = challenge;
  select coalesce(bool_or(is_paused(p, policy->'pace', at)) filter (where p.provider = policy->'pace'->c.channel->>'provider'), false),
    coalesce(bool_or(is_paused(p, policy->'pace', at)) filter (where p.provider = policy->'pace'->to_channel->>'provider'), false)
    into is_from_paused, is_to_paused
  from provider_pace p;
  if not is_from_paused or is_to_paused
    or c.outcome is not null or c.sent_at is not null or c.failed_over_from is not null or c.channel = to_channel
    or c.sms_forced or (c.send_began_at is not null and head.newest_challenge_id is distinct from challenge)
    or c.expires_at < at + make_interval(secs => (policy->>'minLifeSeconds')::float8)
  then
    return false;
  end if;
  perform lock_sms_prefix(prefix, policy);
  if sms_prefix_wait(prefix, at, policy) > 0 then
    return false;
  end if;
  update challenges
  set channel = to_channel, destination = to_destination, mobile_carrier = carrier,
      sms_prefix = coalesce(prefix, sms_prefix), failed_over_from = channel
  where challenge_id = challenge;
  return true;
end
$$;

-- A provider accepted the message, `took_ms` after it was handed over. The first acceptance stands. Returns whether this
-- was it, and what remains.
create or replace function record_sent(challenge uuid, by_provider text, message_id text, took_ms int) returns jsonb
  language plpgsql volatile
as $$
declare
  c challenges;
  at timestamptz := challenge_now();
begin
  perform note_answer(by_provider, took_ms);
  update challenges
  set sent_at = at, provider = by_provider, provider_message_id = message_id
  where challenge_id = challenge and sent_at is null
  returning * into c;
  if found then
    perform notify_challenge(c);
  else
    select * into c from challenges where challenge_id = challenge;
  end if;
  return jsonb_build_object('challenge', challenge_view(c),
    'remainingMs', floor(extract(epoch from c.expires_at - at) * 1000));
end
$$;

-- A start by the Web UI, the CLI or a plain client that was refused in the workflow: the outcome stands all the same,
-- and weighs on nothing. Idempotent.
create or replace function record_refusal(
  challenge uuid, member text, for_purpose text, run text, new_outcome text, why text, what_to_do text
) returns void
  language plpgsql volatile
as $$
declare
  c challenges;
  at timestamptz;
begin
  perform lock_head(member);
  at := challenge_now();
  insert into challenges (challenge_id, member_id, purpose, caller, chain_id, run_id, admitted_at)
  values (challenge, member, for_purpose, 'temporal', challenge, run, at)
  on conflict (challenge_id) do nothing
  returning * into c;
  if found then
    perform conclude(c, new_outcome, why, what_to_do, true, at);
  end if;
end
$$;
