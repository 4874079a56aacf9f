-- P1: links, sessions and visits of the members' pages.
--
-- Lock order: link → session → visit. Nothing here takes a member's head lock.

-- Makes a link. The member has to be there, and a challenge has to be that member's, and the caller's own unless
-- `anyCaller`. The same request under the same key is answered with the link of the first time.
--
-- request: tokenHash (hex), memberId, page, caller, anyCaller, challengeId, purpose, returnUrl, state, locale, lifeSeconds,
--   requestKey?, requestHash?
-- returns: {kind: 'made', expiresAt, tokenHash} | {kind: 'unknown_member' | 'unknown_challenge' | 'idempotency_key_reused'}
create or replace function make_page_link(request jsonb) returns jsonb
  language plpgsql volatile
as $$
declare
  expiry timestamptz := challenge_now() + make_interval(secs => (request->>'lifeSeconds')::float8);
  key text := request->>'requestKey';
  claim request_keys;
  answer jsonb;
begin
  if key is not null then
    claim := claim_request_key(key, request->>'requestHash');
    if claim.request_hash <> request->>'requestHash' then
      return jsonb_build_object('kind', 'idempotency_key_reused');
    elsif claim.answer is not null then
      return claim.answer;
    end if;
  end if;
  perform from members m where m.member_id = request->>'memberId' and m.status = 'active';
  if not found then
    perform settle_request_key(key, null);
    return jsonb_build_object('kind', 'unknown_member');
  end if;
  if request->>'challengeId' is not null then
    perform from challenges c
    where c.challenge_id = (request->>'challengeId')::uuid and c.member_id = request->>'memberId'
      and (c.caller = request->>'caller' or (request->>'anyCaller')::boolean);
    if not found then
      perform settle_request_key(key, null);
      return jsonb_build_object('kind', 'unknown_challenge');
    end if;
  end if;
  insert into page_links (token_hash, member_id, page, caller, challenge_id, purpose, return_url, state, locale, expires_at)
  values (
    decode(request->>'tokenHash', 'hex'), request->>'memberId', request->>'page', request->>'caller',
    (request->>'challengeId')::uuid, request->>'purpose', request->>'returnUrl', request->>'state', request->>'locale',
    expiry);
  answer := jsonb_build_object('kind', 'made', 'expiresAt', expiry, 'tokenHash', request->>'tokenHash');
  perform settle_request_key(key, answer);
  return answer;
end
$$;

create or replace function page_visit_view(v page_visits) returns jsonb
  language sql immutable
as $$
  select jsonb_build_object(
    'visitId', v.visit_id, 'memberId', v.member_id, 'page', v.page, 'caller', v.caller, 'returnUrl', v.return_url,
    'state', v.state, 'locale', v.locale, 'purpose', v.purpose, 'challengeId', v.challenge_id)
$$;

-- Spends a link: the first who comes begins its visit, the same browser is led there again, and for everybody else it is
-- used. `shown` is the session that the browser has, if any; `fresh` the one it gets where that is none, or another
-- member's: then that one ends, with all that it had open.
--
-- request: tokenHash, shown, fresh (all hex), visitId, lifeSeconds
-- returns: {kind: 'opened', visit, session: 'shown' | 'fresh'} | {kind: 'unknown' | 'used' | 'expired'}
create or replace function open_page_link(request jsonb) returns jsonb
  language plpgsql volatile
as $$
declare
  shown bytea := decode(request->>'shown', 'hex');
  fresh bytea := decode(request->>'fresh', 'hex');
  at timestamptz;
  link page_links;
  session page_sessions;
  visit page_visits;
begin
  select * into link from page_links where token_hash = decode(request->>'tokenHash', 'hex') for update;
  if not found then
    return jsonb_build_object('kind', 'unknown');
  end if;
  at := challenge_now();

  if link.visit_id is not null then
    select v.* into visit from page_visits v join page_sessions s using (session_hash)
    where v.visit_id = link.visit_id and v.session_hash in (shown, fresh) and s.expires_at > at;
    if not found then
      return jsonb_build_object('kind', 'used');
    end if;
    return jsonb_build_object('kind', 'opened', 'visit', page_visit_view(visit),
      'session', case when visit.session_hash = shown then 'shown' else 'fresh' end);
  end if;
  if link.expires_at <= at then
    return jsonb_build_object('kind', 'expired');
  end if;
  perform from members m where m.member_id = link.member_id and m.status = 'active';
  if not found then
    return jsonb_build_object('kind', 'unknown');
  end if;

  delete from page_sessions s where s.session_hash = shown and s.member_id <> link.member_id;
  update page_sessions s set expires_at = at + make_interval(secs => (request->>'lifeSeconds')::float8)
  where s.session_hash = shown and s.expires_at > at
  returning * into session;
  if not found then
    insert into page_sessions (session_hash, member_id, expires_at)
    values (fresh, link.member_id, at + make_interval(secs => (request->>'lifeSeconds')::float8))
    returning * into session;
  end if;
  insert into page_visits (
    visit_id, session_hash, member_id, page, caller, return_url, state, locale, purpose, challenge_id, began_at)
  values (
    (request->>'visitId')::uuid, session.session_hash, link.member_id, link.page, link.caller, link.return_url,
    link.state, link.locale, link.purpose, link.challenge_id, at)
  returning * into visit;
  update page_links set visit_id = visit.visit_id where token_hash = link.token_hash;
  return jsonb_build_object('kind', 'opened', 'visit', page_visit_view(visit),
    'session', case when session.session_hash = shown then 'shown' else 'fresh' end);
end
$$;

-- C14: the newest of a challenge's chain, itself where nothing continues it. What was admitted and never opened is none, and
-- while it may still be opened it yields after `void_after_seconds` to one whose code is live. One that was verified stays.
create or replace function newest_of_chain(challenge uuid, void_after_seconds float8) returns challenges
  language sql stable
as $$
  select n.* from challenges c
  join challenges n on n.member_id = c.member_id and n.chain_id = c.chain_id
    and (n.challenge_id = c.challenge_id or n.seq > c.seq and (n.send_began_at is not null or n.outcome is null))
  where c.challenge_id = challenge
  order by (n.outcome = 'verified') is true desc,
    n.outcome is null and (n.send_began_at is not null
      or n.admitted_at > challenge_now() - make_interval(secs => void_after_seconds)) desc,
    n.seq desc nulls last
  limit 1
$$;

-- What a page of code entry shows of a challenge: the newest of its chain, what was said of `attempt`, and how many seconds
-- of everything are left by the judging clock. `lockedSeconds` is -1 where an operator has to unlock.
--
-- rules: cooldownSeconds, ttlSeconds, voidAfterSeconds, proofSeconds
-- returns: null for an unknown challenge
create or replace function code_entry(challenge uuid, attempt text, rules jsonb) returns jsonb
  language plpgsql stable
as $$
declare
  at timestamptz := challenge_now();
  c challenges := newest_of_chain(challenge, (rules->>'voidAfterSeconds')::float8);
  locked timestamptz;
  said attempts;
begin
  if c.challenge_id is null then
    return null;
  end if;
  select locked_until into locked from challenge_heads where member_id = c.member_id;
  select * into said from attempts a where a.challenge_id = c.challenge_id and a.attempt_id = attempt;
  return jsonb_build_object(
    'challenge', challenge_view(c),
    'said', case when said.verdict is not null
      then jsonb_build_object('verdict', said.verdict, 'attemptsLeft', said.attempts_left) end,
    'secondsLeft', greatest(0, coalesce(
      extract(epoch from c.expires_at - at)::float8, (rules->>'ttlSeconds')::float8)),
    'resendSeconds', case when c.outcome is distinct from 'verified' then greatest(0,
      (rules->>'cooldownSeconds')::float8 - extract(epoch from at - counts_from(c, rules))::float8) else 0 end,
    'lockedSeconds', case when locked = 'infinity' then -1
      when locked > at then extract(epoch from locked - at)::float8 else 0 end,
    'proofSeconds', case when c.outcome = 'verified' then greatest(0,
      (rules->>'proofSeconds')::float8 - extract(epoch from at - c.closed_at)::float8) else 0 end);
end
$$;
