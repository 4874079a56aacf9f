-- C2 (a), C9, C13, C14: `admit`, before anything else of a start.
--
-- Takes the member's row lock, applies the limits, and gives the challenge the member's next sequence number. A refusal
-- leaves everything as it was. Safe to repeat with the same idempotency key: it returns the challenge of the first time.
--
-- Where no provider that policy allows would take a code now, the start is refused as `delivery_unavailable` (C2, D6): only
-- one of many is admitted when a probe is due (`choose_way`).
--
-- request: challengeId, memberId, memberVersion, destinationVersion, purpose, caller, ways: [{channel, destination,
--          mobileCarrier, smsPrefix}] in the order of preference, isSmsForced, isForeignNumber, language, ipHash (hex),
--          continues, idempotencyKey, requestHash (hex)
-- policy: as configured, and in `pace` what `choose_way` wants; without it every provider counts as there.
-- returns: {kind: 'admitted' | 'existing', challenge} | {kind: 'refused', reason, retryAfter?, limit?}
--          | {kind: 'look_again'}: the member has changed since the request was made, or somebody else took the probe

-- Whether `n` challenges stand since `window_seconds`: seconds until there is room again, or null. `stamps` say from when
-- those that stand count (`counts_from`), newest first; 0 is no limit.
create or replace function room_in(stamps timestamptz[], n int, window_seconds int, at timestamptz) returns integer
  language sql immutable
as $$
  select ceil(extract(epoch from stamps[n] + make_interval(secs => window_seconds) - at))::int
  where n > 0 and stamps[n] > at - make_interval(secs => window_seconds)
$$;

-- Before this no challenge was admitted that counts in a window: it may have waited for its provider as long as a code lives.
create or replace function admitted_since(window_seconds int, at timestamptz, policy jsonb) returns timestamptz
  language sql immutable
as $$
  select at - make_interval(secs => window_seconds + coalesce((policy->>'ttlSeconds')::float8, 600))
$$;

-- C9, against SMS pumping: seconds until the hourly budget of a block of numbers has room for one more SMS, or null. An
-- SMS weighs on it from its challenge's admission, also after the challenge has gone over to e-mail.
-- Under `lock_sms_prefix`, which its caller holds.
create or replace function sms_prefix_wait(prefix text, at timestamptz, policy jsonb) returns integer
  language sql stable
as $$
  select room_in(
    array(
      select counts_from(o, policy) from challenges o
      where o.sms_prefix = prefix and o.admitted_at > admitted_since(3600, at, policy) and challenge_stands(o, at, policy)
      order by 1 desc limit (policy->>'smsLimitPerPrefixPerHour')::int),
    (policy->>'smsLimitPerPrefixPerHour')::int, 3600, at)
$$;

create or replace function lock_sms_prefix(prefix text, policy jsonb) returns void
  language sql volatile
as $$
  select pg_advisory_xact_lock(hashtextextended(prefix, 11)) where (policy->>'smsLimitPerPrefixPerHour')::int > 0
$$;

-- C13: what stands under an idempotency key, or null: nothing, or a start that is void.
create or replace function admitted_under(
  asking text, idem_key text, hash bytea, at timestamptz, policy jsonb
) returns jsonb
  language plpgsql stable
as $$
declare
  known idempotency_keys;
  c challenges;
begin
  select * into known from idempotency_keys k where k.caller = asking and k.key = idem_key;
  if not found then
    return null;
  elsif known.request_hash <> hash then
    return jsonb_build_object('kind', 'refused', 'reason', 'idempotency_key_reused');
  end if;
  select * into c from challenges where challenge_id = known.challenge_id;
  if challenge_stands(c, at, policy) or (c.outcome is not null and c.reason is distinct from 'start_abandoned') then
    return jsonb_build_object('kind', 'existing', 'challenge', challenge_view(c));
  end if;
  return null;
end
$$;

create or replace function admit(request jsonb, policy jsonb) returns jsonb
  language plpgsql volatile
as $$
declare
  member text := request->>'memberId';
  way jsonb;
  dest text;
  is_foreign boolean := coalesce((request->>'isForeignNumber')::boolean, false);
  idem_key text := request->>'idempotencyKey';
  per_10_minutes int := (policy->>'limitPer10Minutes')::int;
  per_24_hours int := (policy->>'limitPer24Hours')::int;
  ip_per_10_minutes int := (policy->>'ipLimitPer10Minutes')::int;
  ip_per_24_hours int := (policy->>'ipLimitPer24Hours')::int;
  foreign_per_24_hours int := (policy->>'registrationLimitPer24Hours')::int;
  cooldown interval := make_interval(secs => (policy->>'cooldownSeconds')::float8);
  head challenge_heads;
  at timestamptz;
  known jsonb;
  c challenges;
  stamps timestamptz[];
  wait int;
  limit_reached text;
  member_wait int;
  destination_wait int;
  registration_wait int;
  cooldown_wait int;
  ip_wait int;
  ip bytea := decode(request->>'ipHash', 'hex');
begin
  if idem_key is not null then
    perform pg_advisory_xact_lock(hashtextextended((request->>'caller') || ' ' || idem_key, 13));
  end if;
  head := lock_head(member);
  at := challenge_now();

  if idem_key is not null then
    known := admitted_under(request->>'caller', idem_key, decode(request->>'requestHash', 'hex'), at, policy);
    if known is not null then
      return known;
    end if;
  end if;

  perform from members m
  where m.member_id = member and m.status = 'active' and m.version = (request->>'memberVersion')::bigint
    and (request->>'destinationVersion')::int
      = coalesce((select d.version from destinations d where d.member_id = member), 0);
  if not found then
    return jsonb_build_object('kind', 'look_again');
  end if;

  if head.locked_until > at then
    return jsonb_strip_nulls(jsonb_build_object('kind', 'refused', 'reason', 'locked', 'retryAfter',
      case when head.locked_until < 'infinity' then ceil(extract(epoch from head.locked_until - at))::int end));
  end if;

  c := null;
  if request->>'continues' is not null then
    select n.* into c from challenges o join challenges n on n.member_id = o.member_id and n.chain_id = o.chain_id
    where o.challenge_id = (request->>'continues')::uuid and o.member_id = member and n.seq is not null
      -- A start that died half-way is none.
      and n.reason is distinct from 'start_abandoned'
    order by n.seq desc limit 1;
    if c.challenge_id is null or c.outcome in ('verified', 'cancelled', 'refused') then
      return jsonb_build_object('kind', 'refused', 'reason', 'challenge_closed', 'outcome', c.outcome);
    end if;
  end if;

  way := choose_way(request->'ways', exists (
      select from challenges o
      where o.challenge_id = head.newest_challenge_id and o.outcome is null and o.sent_at is not null and o.expires_at > at),
    policy->'pace');
  if way ? 'retryAfter' then
    return way || jsonb_build_object('kind', 'refused', 'reason', 'delivery_unavailable');
  end if;
  dest := way->>'destination';

  -- Who asks again counts for the same address.
  ip := coalesce(ip, c.ip_hash);

  -- C9. Each limit of n a window: the n-th newest that stands must be older than the window. Who counts for the same
  -- destination, address or block waits for us: two at once would both find the last place free.
  if per_10_minutes > 0 or per_24_hours > 0 or (is_foreign and foreign_per_24_hours > 0) then
    perform pg_advisory_xact_lock(hashtextextended(dest, 9));
  end if;
  if ip_per_10_minutes > 0 or ip_per_24_hours > 0 then
    perform pg_advisory_xact_lock(hashtextextended(encode(ip, 'hex'), 10));
  end if;
  perform lock_sms_prefix(way->>'smsPrefix', policy);
  at := challenge_now();
  if per_10_minutes > 0 or per_24_hours > 0 then
    stamps := array(
      select newest.moment
      from (
        select counts_from(o, policy) as moment from challenges o
        where o.member_id = member and o.seq is not null and challenge_stands(o, at, policy)
        order by o.seq desc limit greatest(per_10_minutes, per_24_hours)) newest
      order by newest.moment desc);
    member_wait := greatest(room_in(stamps, per_10_minutes, 600, at), room_in(stamps, per_24_hours, 86400, at));
  end if;
  -- The limits of a destination are those of the members who have it: what others ask for a number that they only
  -- register uses up a budget of its own.
  if is_foreign then
    stamps := array(
      select counts_from(o, policy) from challenges o
      where o.destination = dest and o.foreign_number and o.admitted_at > admitted_since(86400, at, policy)
        and challenge_stands(o, at, policy)
      order by 1 desc limit foreign_per_24_hours);
    registration_wait := room_in(stamps, foreign_per_24_hours, 86400, at);
  elsif per_10_minutes > 0 or per_24_hours > 0 then
    stamps := array(
      select counts_from(o, policy) from challenges o
      where o.destination = dest and not o.foreign_number and o.admitted_at > admitted_since(86400, at, policy)
        and challenge_stands(o, at, policy)
      order by 1 desc limit greatest(per_10_minutes, per_24_hours));
    destination_wait := greatest(room_in(stamps, per_10_minutes, 600, at), room_in(stamps, per_24_hours, 86400, at));
  end if;
  -- The cooldown of a member and destination ends when a challenge of the member is verified.
  select ceil(extract(epoch from max(counts_from(o, policy)) + cooldown - at))::int into cooldown_wait
  from challenges o
  where o.destination = dest and o.admitted_at > admitted_since((policy->>'cooldownSeconds')::int, at, policy)
    and counts_from(o, policy) > at - cooldown and o.member_id = member
    and challenge_stands(o, at, policy) and o.outcome is distinct from 'verified'
    and not exists (select from challenges v
      where v.member_id = member and v.outcome = 'verified' and v.closed_at >= o.admitted_at);
  if ip is not null and (ip_per_10_minutes > 0 or ip_per_24_hours > 0) then
    stamps := array(
      select counts_from(o, policy) from challenges o
      where o.ip_hash = ip and o.admitted_at > admitted_since(86400, at, policy) and challenge_stands(o, at, policy)
      order by 1 desc limit greatest(ip_per_10_minutes, ip_per_24_hours));
    ip_wait := greatest(room_in(stamps, ip_per_10_minutes, 600, at), room_in(stamps, ip_per_24_hours, 86400, at));
  end if;
  select w.seconds, w.name into wait, limit_reached
  from (values
    (member_wait, 'member'), (destination_wait, 'destination'), (registration_wait, 'registration'),
    (cooldown_wait, 'cooldown'), (ip_wait, 'ip'), (sms_prefix_wait(way->>'smsPrefix', at, policy), 'sms_prefix')) as w (seconds, name)
  where w.seconds > 0
  order by w.seconds desc limit 1;
  if wait > 0 then
    return jsonb_build_object(
      'kind', 'refused', 'reason', 'too_many_challenges', 'retryAfter', wait, 'limit', limit_reached);
  end if;

  -- A refusal takes no probe, so it is taken last.
  if way ? 'probe' and not take_probe(way->>'probe', (request->>'challengeId')::uuid,
      make_interval(secs => (way->>'graceMs')::float8 / 1000), policy->'pace') then
    return jsonb_build_object('kind', 'look_again');
  end if;

  update challenge_heads h set last_seq = h.last_seq + 1 where h.member_id = member returning * into head;
  insert into challenges (
    challenge_id, member_id, seq, purpose, caller, chain_id, continues, channel, destination, language,
    mobile_carrier, sms_prefix, sms_forced, foreign_number, ip_hash, traceparent, admitted_at)
  values (
    (request->>'challengeId')::uuid, member, head.last_seq, request->>'purpose', request->>'caller',
    coalesce(c.chain_id, (request->>'challengeId')::uuid), c.challenge_id, way->>'channel', dest,
    request->>'language', way->>'mobileCarrier', way->>'smsPrefix',
    coalesce((request->>'isSmsForced')::boolean, false), is_foreign, ip,
    request->>'traceparent', at)
  on conflict (challenge_id) do nothing
  returning * into c;
  if not found then
    raise exception 'challenge id used' using errcode = 'unique_violation';
  end if;
  if idem_key is not null then
    insert into idempotency_keys as k (caller, key, request_hash, challenge_id, created_at)
    values (request->>'caller', idem_key, decode(request->>'requestHash', 'hex'), c.challenge_id, at)
    on conflict (caller, key) do update set challenge_id = excluded.challenge_id, created_at = excluded.created_at;
  end if;
  return jsonb_build_object('kind', 'admitted', 'challenge', challenge_view(c));
end
$$;

-- C2 (b): a starter that finds a newer challenge admitted gives way; its challenge ends `superseded`, having sent
-- nothing. Returns the challenge as it stands.
create or replace function give_way(challenge uuid, policy jsonb) returns jsonb
  language plpgsql volatile
as $$
declare
  c challenges;
  at timestamptz;
begin
  perform lock_head(member_id) from challenges where challenge_id = challenge;
  at := challenge_now();
  select * into c from challenges where challenge_id = challenge;
  if c.outcome is null and newer_challenge_stands(c, at, policy) then
    c := conclude(c, 'superseded', null, null, true, at);
  end if;
  return challenge_view(c);
end
$$;
